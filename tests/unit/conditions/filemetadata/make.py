"""Write a file beside this script: FileMetaData as basf2 streams it. It needs ROOT (`pip install root`); no test does.

::

    python make.py full.root 99 1 1      # name, split level, entries, whether containers have content
    python make.py bare.root 99 1 0
    python make.py unsplit.root 0 1 1

basf2's RootOutput writes the object with ``TTree::Branch("FileMetaData", &object, 32000, splitLevel)``; the split level
is 99 unless a user says otherwise. The class below has the members of ``Belle2::FileMetaData``; how ROOT lays them out
(a branch for each member, two for the map) follows from their types alone. uproot cannot write such objects.
"""

import sys
import tempfile
from pathlib import Path

import ROOT

CLASS = """
#include <map>
#include <string>
#include <vector>
#include <TObject.h>
namespace Belle2 {
  class FileMetaData : public TObject {
  public:
    std::string m_lfn;
    unsigned int m_nEvents{0};
    unsigned int m_nFullEvents{0};
    int m_experimentLow{0}, m_runLow{0};
    unsigned int m_eventLow{0};
    int m_experimentHigh{0}, m_runHigh{0};
    unsigned int m_eventHigh{0};
    std::vector<std::string> m_parentLfns;
    std::string m_date, m_site, m_user, m_randomSeed, m_release, m_steering;
    bool m_isMC{true};
    unsigned int m_mcEvents{0};
    std::string m_databaseGlobalTag;
    std::map<std::string, std::string> m_dataDescription;
    ClassDefOverride(FileMetaData, 11);
  };
}
"""
WRITE = """
#include <TFile.h>
#include <TTree.h>
void write(const char* name, int split, Belle2::FileMetaData* object, int entries) {
  TFile file(name, "RECREATE", "basf2 Event File", 109);
  auto tree = new TTree("persistent", "persistent");
  tree->Branch("FileMetaData", "Belle2::FileMetaData", &object, 32000, split);
  for (int i = 0; i < entries; ++i) tree->Fill();
  file.Write();
}
"""
TEXTS = {
    "lfn": "/belle/MC/release-08-02-07/DB00002900/MC16ri_a/prod00035000/s00/e1003/4S/r00000"
    "/charged/udst/udst_000001.root",
    "date": "2026-01-01 00:00:00",
    "site": "KEK",
    "user": "analyst",
    "randomSeed": "42",
    "release": "release-08-02-07",
    "steering": 'import basf2\nprint("µDST")\n',
    "databaseGlobalTag": "analysis_tools_light-2406-ragdoll,mc_production_MC16_a",
}
NUMBERS = {"nEvents": 1000, "nFullEvents": 900, "mcEvents": 50000, "experimentLow": 1003, "experimentHigh": 1003}
NUMBERS |= {"eventLow": 1, "eventHigh": 50000}

if __name__ == "__main__":
    name, split, entries, full = sys.argv[1], *map(int, sys.argv[2:])
    header = Path(tempfile.mkdtemp()) / "FileMetaData.h"
    header.write_text(CLASS)
    # Compiled, as basf2's dictionaries are: an interpreted class cannot be streamed as a whole.
    ROOT.gROOT.ProcessLine(f".L {header}+")
    ROOT.gInterpreter.Declare(WRITE)
    metadata = ROOT.Belle2.FileMetaData()
    for key, value in {**TEXTS, **NUMBERS}.items():
        setattr(metadata, f"m_{key}", value)
    if full:
        for parent in ("/belle/MC/parent_1.root", "/belle/MC/parent_2.root"):
            metadata.m_parentLfns.push_back(parent)
        for key, value in {"dataLevel": "udst", "skimDecayMode": "feiSLCharged"}.items():
            metadata.m_dataDescription[key] = value
    ROOT.write(str(Path(__file__).with_name(name)), split, metadata, entries)
