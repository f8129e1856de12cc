"""The data model: every column the analysis knows, declared once.

A column has a canonical name (the one used in cuts, BDT inputs and notebooks), the basf2 expression behind it, and what
needs or makes it. In an ntuple it is found under, in this order: the alias given in the sample's
configuration, the ROOT-safe form of its basf2 expression, its canonical name.

Candidates are Υ(4S) → B_tag B_sig: daughter 0 is the tag (B⁻ → D⁰ ℓ⁻ ν̄), daughter 1 the signal side (B⁺ → K⁺).
Kinematic names ending in ``pStar`` are in the centre-of-mass system, all others in the laboratory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from analysis.basf2 import WEIGHT_BRANCH, find_branch, invert_root_compatible, make_root_compatible
from analysis.errors import InputError, nearest


@dataclass(frozen=True)
class Column:
    """One column of the data model.

    Attributes
    ----------
    name
        Canonical name.
    dtype
        numpy dtype after the skim.
    unit
        "" if dimensionless.
    meaning
        One phrase.
    basf2
        basf2 variable expression; "" if no basf2 variable gives it.
    required_by
        What cannot do without it, whatever the cuts: the preselection, or a correction or systematic.
    provided_by
        "ntuple", or the stage that computes it.
    nan
        NaN is a legal value, with the meaning told here; "" means that NaN is an error.
    truth
        Exists in simulation only.
    default
        Value taken when the ntuple has no such branch; None makes the column mandatory where required.
    """

    name: str
    dtype: str
    unit: str
    meaning: str
    basf2: str = ""
    required_by: frozenset[str] = frozenset()
    provided_by: str = "ntuple"
    nan: str = ""
    truth: bool = False
    default: float | None = None


def _column(
    name: str,
    dtype: str,
    unit: str,
    meaning: str,
    basf2: str = "",
    *stages: str,
    provided_by: str = "ntuple",
    nan: str = "",
    truth: bool = False,
    default: float | None = None,
) -> Column:
    return Column(name, dtype, unit, meaning, basf2, frozenset(stages), provided_by, nan, truth, default)


# Stages, and parts of them that the configuration may switch off.
PRE, BDT = "preselection", "bdt"
KAON_ID, FORM_FACTOR, TRACKING = "kaon_id", "form_factor", "tracking"
_K = "daughter(1, daughter(0, {}))"
# With a pion beside the D(*) (decayModeID 4 to 7) the lepton is the tag's third daughter; D* modes are 2, 3, 6 and 7.
_L = "daughter(0, conditionalVariableSelector(extraInfo(decayModeID) < 4, daughter(1, {0}), daughter(2, {0})))"
_STAR = "[1 < extraInfo(decayModeID) and extraInfo(decayModeID) < 4] or extraInfo(decayModeID) > 5"
_OF_D = f"daughter(0, conditionalVariableSelector({_STAR}, daughter(0, daughter(0, {{0}})), daughter(0, {{0}})))"
# a daughter that is not there gives NaN
_OF_STAR = f"daughter(0, conditionalVariableSelector({_STAR}, daughter(0, {{0}}), daughter(9, {{0}})))"
_LEPTON_ID = "conditionalVariableSelector(abs(PDG) == 11, electronID, muonID)"

_OF_REST = {0: "charged particles of the rest", 1: "neutral particles of the rest", 2: "the missing momentum"}
# Moments of the signal B, by basf2's names; see analysis.simulation.eventshape for the definitions.
_KSFW = (
    ("mm2", "GeV^2/c^4", "missing mass squared of kaon and rest"),
    ("et", "GeV/c", "sum of transverse momenta, centre of mass"),
    *((f"hso{x}{order}", "", f"KSFW moment of order {order}: kaon with {_OF_REST[x]}")
      for x in (0, 1, 2) for order in range(5) if x == 0 or order % 2 == 0),
    *((f"hoo{order}", "", f"KSFW moment of order {order} within the rest") for order in range(5)),
)  # fmt: skip

# Columns of a varied table: the number of the variation, and whether the row differs from the nominal one.
VARIATION, CHANGED = "variation", "changed"
# What re-reconstruction would change: variation -> columns that have an alternative, called <column>_<variation>. An
# ntuple may lack them all; a variation of which any is missing is skipped, and reported.
_SIDES = ("Up", "Down")
_REST = ("roeEextra", "roeNeextra", "roeNPhotons", "roeNPi0")
VARIATIONS: Mapping[str, tuple[str, ...]] = {
    **{f"{name}{side}": _REST for name in ("gamma", "unmatched", "KLeff", "beamBackground") for side in _SIDES},
    **{f"beamEnergy{side}": ("Btag_cosThetaBY",) for side in _SIDES},
    "lostTrack": ("roeNTracks", "roeNeextra", "roeNPhotons"),
}
_VARIED = {
    "gamma": "photon energy", "unmatched": "energy of clusters that no photon made", "KLeff": "K_L efficiency",
    "beamBackground": "beam background", "beamEnergy": "collision energy",
}  # fmt: skip

_DECLARED = (
    # Keys
    _column("__experiment__", "int32", "", "experiment number", "__experiment__", PRE),
    _column("__run__", "int32", "", "run number", "__run__", PRE),
    _column("__event__", "uint32", "", "event number, repeats between productions", "__event__", PRE),
    _column("__production__", "int32", "", "production number", "__production__", PRE, default=0),
    _column("__candidate__", "int32", "", "candidate number within the event", "__candidate__", PRE, default=0),
    _column("__ncandidates__", "int32", "", "candidates in the event", "__ncandidates__"),
    _column(WEIGHT_BRANCH, "float64", "", "generator weight", WEIGHT_BRANCH, PRE, default=1.0),
    # Tag side
    _column("Btag_SignalProbability", "float64", "", "FEI signal probability of the tag",
            "daughter(0, extraInfo(SignalProbability))", PRE),
    _column("Btag_decayModeID", "float64", "", "0/1 D̄⁰ e/μ, 2/3 D̄*⁰ e/μ, 4/5 D⁻π⁺ e/μ, 6/7 D*⁻π⁺ e/μ",
            "daughter(0, extraInfo(decayModeID))", TRACKING),
    _column("Btag_charge", "float64", "e", "charge of the tag", "daughter(0, charge)"),
    _column("Btag_cosThetaBY", "float64", "", "cosine between the B and its visible daughters, nominal B",
            "daughter(0, cosThetaBetweenParticleAndNominalB)"),
    _column("Btag_l_pStar", "float64", "GeV/c", "momentum of the tag lepton", _L.format("useCMSFrame(p)")),
    _column("Btag_l_p", "float64", "GeV/c", "momentum of the tag lepton", _L.format("p")),
    _column("Btag_l_theta", "float64", "rad", "polar angle of the tag lepton", _L.format("theta")),
    _column("Btag_l_leptonID", "float64", "", "electronID (electron modes) or muonID (muon modes) of the tag lepton",
            _L.format(_LEPTON_ID)),
    _column("Btag_D_M", "float64", "GeV/c^2", "mass of the tag's D, be it a D*'s or not", _OF_D.format("M")),
    _column("Btag_D_decayModeID", "float64", "", "FEI decay mode of the tag's D, be it a D*'s or not",
            _OF_D.format("extraInfo(decayModeID)")),
    _column("Btag_Dst_dM", "float64", "GeV/c^2", "M(D*) − M(D) of the tag's D*", _OF_STAR.format("massDifference(0)"),
            nan="no D* in the tag"),
    _column("Btag_Dst_decayModeID", "float64", "", "FEI decay mode of the tag's D*: D*⁰ 0 D⁰π⁰, 1 D⁰γ; D*⁺ 0 D⁰π⁺, "
            "1 D⁺π⁰, 2 D⁺γ", _OF_STAR.format("extraInfo(decayModeID)"), nan="no D* in the tag"),
    _column("Btag_chiProb", "float64", "", "χ² probability of the tag's vertex", "daughter(0, chiProb)"),
    # Signal side
    _column("K_charge", "float64", "e", "charge of the signal kaon", _K.format("charge"), KAON_ID),
    _column("K_p", "float64", "GeV/c", "momentum of the signal kaon", _K.format("p"), KAON_ID),
    _column("K_theta", "float64", "rad", "polar angle of the signal kaon", _K.format("theta"), KAON_ID),
    _column("K_pStar", "float64", "GeV/c", "momentum of the signal kaon", _K.format("useCMSFrame(p)"), PRE),
    _column("K_kaonID", "float64", "", "kaon identification", _K.format("kaonID"), PRE),
    _column("K_electronID", "float64", "", "electron identification of the signal kaon", _K.format("electronID")),
    _column("K_muonID", "float64", "", "muon identification of the signal kaon", _K.format("muonID")),
    _column("K_dr", "float64", "cm", "transverse distance to the interaction point", _K.format("dr")),
    _column("K_dz", "float64", "cm", "longitudinal distance to the interaction point", _K.format("dz")),
    _column("K_nCDCHits", "float64", "", "CDC hits of the signal kaon", _K.format("nCDCHits")),
    _column("K_D0vetoM", "float64", "GeV/c^2", "mass of the signal kaon with the opposite-charge track that lies "
            "nearest the D⁰ mass, pion hypothesis", nan="no such track in the rest of the event or the tag"),
    # Rest of the event: of the Υ(4S) candidate, with the analysis's mask
    _column("roeEextra", "float64", "GeV", "energy of clusters in the rest of the event", "roeEextra(cleanMask)"),
    _column("roeNeextra", "float64", "GeV", "energy of neutral clusters in the rest of the event",
            "roeNeextra(cleanMask)"),
    _column("roeNTracks", "float64", "", "tracks in the rest of the event", "nROE_Charged(cleanMask)"),
    _column("roeNPhotons", "float64", "", "photons in the rest of the event", "nROE_Photons(cleanMask)"),
    _column("roeNKS", "float64", "", "K_S candidates in the rest of the event",
            "nROE_ParticlesInList(K_S0:veto)"),
    _column("roeNLambda", "float64", "", "Λ candidates in the rest of the event",
            "nROE_ParticlesInList(Lambda0:veto)"),
    _column("roeNPi0", "float64", "", "π⁰ candidates in the rest of the event",
            "nROE_ParticlesInList(pi0:veto)"),
    _column("missM2", "float64", "GeV^2/c^4", "missing mass squared", "weMissM2(cleanMask, 0)"),
    _column("missE", "float64", "GeV", "missing energy", "weMissE(cleanMask, 0)"),
    _column("missP", "float64", "GeV/c", "missing momentum", "weMissP(cleanMask, 0)"),
    _column("missTheta", "float64", "rad", "polar angle of the missing momentum", "weMissPTheta(cleanMask, 0)"),
    # Event
    _column("nTracks", "float64", "", "tracks from the interaction point in the event",
            "nCleanedTracks(abs(z0) < 2 and abs(d0) < 0.5 and pt > 0.1)"),
    _column("visibleEnergyOfEventCMS", "float64", "GeV", "visible energy in the centre of mass",
            "visibleEnergyOfEventCMS"),
    _column("R2", "float64", "", "Fox-Wolfram R2", "foxWolframR2"),
    _column("sphericity", "float64", "", "sphericity of the event", "sphericity"),
    _column("aplanarity", "float64", "", "aplanarity of the event", "aplanarity"),
    # Event shape about a B: basf2's buildContinuumSuppression, run for the signal B (the kaon alone) and for the tag
    _column("thrustBm", "float64", "", "thrust of the signal B's decay products: 1, a single track",
            "daughter(1, thrustBm)"),
    _column("thrustOm", "float64", "", "thrust of all but the kaon", "daughter(1, thrustOm)"),
    _column("K_cosTBTO", "float64", "", "cosine between the kaon and the thrust axis of all else",
            "daughter(1, cosTBTO)"),
    _column("Btag_thrustBm", "float64", "", "thrust of the tag's decay products", "daughter(0, thrustBm)"),
    _column("cosTBTO", "float64", "", "cosine between the thrust axes of the tag and of all else",
            "daughter(0, cosTBTO)"),
    _column("cosTBz", "float64", "", "cosine between the tag's thrust axis and the beam", "daughter(0, cosTBz)"),
    *(_column(f"KSFW_{name}", "float64", unit, meaning, f"daughter(1, KSFWVariables({name}))")
      for name, unit, meaning in _KSFW),
    *(_column(f"CleoConeCS_{i}", "float64", "GeV/c", f"momentum {10 * i - 10}–{10 * i}° from the kaon's axis",
              f"daughter(1, CleoConeCS({i}))") for i in range(1, 10)),
    _column("cosTagK", "float64", "", "cosine between the tag's D ℓ system and the kaon, centre of mass"),
    # Truth
    _column("K_mcPDG", "float64", "", "PDG code of the particle behind the signal kaon", _K.format("mcPDG"),
            KAON_ID, truth=True, nan="not matched"),
    _column("K_genMotherPDG", "float64", "", "PDG code of its mother", _K.format("genMotherPDG"),
            truth=True, nan="not matched"),
    _column("K_isSignal", "float64", "", "the signal kaon is a kaon", _K.format("isSignal"), truth=True,
            nan="not matched"),
    _column("K_mcErrors", "float64", "", "what is wrong with the signal kaon, bits: 128 misidentified, 512 not matched",
            _K.format("mcErrors"), truth=True),
    _column("Btag_l_mcPDG", "float64", "", "PDG code of the particle behind the tag lepton", _L.format("mcPDG"),
            truth=True, nan="not matched"),
    _column("Btag_l_genMotherPDG", "float64", "", "PDG code of its mother", _L.format("genMotherPDG"),
            truth=True, nan="not matched"),
    _column("Btag_isSignal", "float64", "", "tag is correct, neutrino aside",
            "daughter(0, isSignalAcceptMissingNeutrino)", truth=True, nan="not matched"),
    _column("DecayHash", "float64", "", "hash of the event's decay string, the bits of a float; the file's tree "
            "`hashtable` tells what it stands for", "extraInfo(DecayHash)", truth=True, nan="bits that are no number"),
    _column("DecayHashExtended", "float64", "", "the same for how it was reconstructed, and the decay string",
            "extraInfo(DecayHashExtended)", truth=True, nan="bits that are no number"),
    _column("Btag_mcErrors", "float64", "", "what is wrong with the tag, bits: 8 neutrino, 16 photon, 32 massive "
            "particle, 64 K_L missing, 128 misidentified, 256 wrong particle added, 512 not matched",
            "daughter(0, mcErrors)", truth=True),
    _column("nBeamClusters", "float64", "", "calorimeter clusters of beam background in the event; toy only",
            truth=True),
    _column("Bsig_label", "int32", "", "kind of decay of the B behind the signal kaon: bits of "
            "analysis.simulation.truth.Label", truth=True, default=0),
    _column("q2_gen", "float64", "GeV^2/c^4", "generated mass squared of the neutrino pair, signal only", "",
            FORM_FACTOR, truth=True, nan="not a signal event"),
    _column("parentGroup", "int64", "", "rows that share a simulated parent share this number", truth=True, default=-1),
    _column("parentId", "int64", "", "the simulated decay of the signal-side B (or event of continuum) behind the row; "
            "rows with the same number share it", truth=True, default=-1),
    _column("partnerId1", "int64", "", "the simulated decay of the other B, or of a charmed hadron of cc̄, behind the "
            "row; numbers are those of parentId where decays are", truth=True, default=-1),
    _column("partnerId2", "int64", "", "that of the other charmed hadron of cc̄", truth=True, default=-1),
    # Made by the stages
    _column("q2_rec", "float64", "GeV^2/c^4", "s/4 + m_K² − √s E*_K", provided_by=PRE),
    _column("w_generator", "float64", "", "generator weight; 1 in data", provided_by=PRE),
    _column("w_normalisation", "float64", "", "expected events in the data per generated event", provided_by=PRE),
    _column("w_form_factor", "float64", "", "signal: q² from phase space to the Standard Model", provided_by=PRE),
    _column("w_kaon_id", "float64", "", "data/simulation ratio of the kaon identification", provided_by=PRE),
    _column("weight", "float64", "", "product of all weight factors", provided_by=PRE),
    _column(VARIATION, "int8", "", "varied tables: number of the variation", provided_by=PRE),
    _column(CHANGED, "bool", "", "varied tables: the row differs from the nominal one", provided_by=PRE),
    _column("fold", "int8", "", "cross-validation fold", provided_by=BDT),
    _column("bdt_score", "float64", "", "out-of-fold BDT output", provided_by=BDT),
    _column("eta", "float64", "", "1 − signal efficiency at the BDT output", provided_by=BDT),
)  # fmt: skip


def alternative(column: str, variation: str) -> str:
    """Return the name of the column that stands in for ``column`` under a variation."""
    return f"{column}_{variation}"


def _alternatives() -> Iterator[Column]:
    nominal = {column.name: column for column in _DECLARED}
    for variation, names in VARIATIONS.items():
        side = next((side for side in _SIDES if variation.endswith(side)), "")
        what = f"{_VARIED[variation.removesuffix(side)]} {side.lower()}" if side else "a track of the rest lost"
        for name in names:
            yield replace(
                nominal[name], name=alternative(name, variation), meaning=f"{nominal[name].meaning}: {what}", basf2="",
                required_by=frozenset(), truth=True,
            )  # fmt: skip


# Alternatives exist in simulation only, as truth does: data are what they are.
COLUMNS: Mapping[str, Column] = {column.name: column for column in (*_DECLARED, *_alternatives())}


def required(uses: Iterable[str], *, simulated: bool) -> list[Column]:
    """Return the ntuple columns that some uses need, in the order of declaration; what cuts name comes on top.

    Parameters
    ----------
    uses
        `PRE`, `KAON_ID`, `FORM_FACTOR`, `TRACKING`.
    simulated
        Truth columns are asked for in simulated samples only.
    """
    wanted = set(uses)
    return [
        column
        for column in COLUMNS.values()
        if column.provided_by == "ntuple" and column.required_by & wanted and (simulated or not column.truth)
    ]


def branch_of(
    name: str,
    branches: Iterable[str],
    aliases: Mapping[str, str],
    *,
    file: str | None = None,
) -> str | None:
    """Return the branch that holds a column, or None if it has a default and no branch.

    Parameters
    ----------
    name
        Canonical name of a column, or the name of any branch.
    branches
        Names of the branches in the tree.
    aliases
        Canonical name to branch or basf2 expression, from the sample's configuration.
    file
        Named in the error.

    Raises
    ------
    InputError
        No branch was found and the column has no default.
    """
    available = set(branches)
    column = COLUMNS.get(name)
    alias = aliases.get(name)
    tried = (
        [alias, make_root_compatible(alias)]
        if alias is not None
        else [*([make_root_compatible(column.basf2)] if column and column.basf2 else []), name]
    )
    tried = list(dict.fromkeys(tried))
    for branch in tried:
        found = find_branch(branch, available)
        if found is not None:
            return found
    if column is not None and column.default is not None and alias is None:
        return None
    # As variables are written: easier to read than branches, and as good under `aliases:`.
    known = {invert_root_compatible(branch) for branch in available | set(aliases)}
    wanted = invert_root_compatible(tried[0])
    raise InputError(
        f"An ntuple lacks the branch of column '{name}'.",
        file=file,
        where=f"tried {', '.join(tried)}",
        found=f"nearest branches: {nearest(wanted, known)}"
        + (f"; nearest to '{name}': {nearest(name, known)}" if wanted != name else ""),
        expected=f"{column.meaning}" if column else None,
        remedy=f"give the branch under `aliases: {{{name}: ...}}` of the sample, or make it with basf2",
    )


def branches_of(
    names: Iterable[str], branches: Iterable[str], aliases: Mapping[str, str], *, file: str | None = None
) -> dict[str, str | None]:
    """Return the branch of every column; see :func:`branch_of`.

    Raises
    ------
    InputError
        Tells all columns at once of which there is no branch.
    """
    available = list(branches)
    found: dict[str, str | None] = {}
    missing: dict[str, InputError] = {}
    for name in names:
        try:
            found[name] = branch_of(name, available, aliases, file=file)
        except InputError as error:
            missing[name] = error
    if len(missing) == 1:
        raise next(iter(missing.values()))
    if missing:
        raise InputError(
            f"An ntuple lacks the branches of {len(missing)} columns.",
            file=file,
            where=", ".join(missing),
            found="\n".join(f"{name}: {error.where}; {error.found}" for name, error in missing.items()),
            remedy="give the branches under `aliases:` of the sample, or make them with basf2",
        )
    return found
