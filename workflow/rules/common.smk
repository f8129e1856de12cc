"""Paths, file lists and what all rules need, in this one place."""

import glob
import os
import sys
from pathlib import Path
from shlex import quote

# This clone's package, whatever else may be installed.
sys.path.insert(0, workflow.basedir)

import analysis.config
from analysis.conditions.recording import known_tags, told_of_tags
from analysis.errors import AnalysisError
from analysis.io import digest
from analysis.provenance import fingerprint

CONFIG_FILES = workflow.config_settings.configfiles
if len(CONFIG_FILES) > 1 or workflow.config_settings.config:
    # The commands read the file themselves, so that a line of a log can be run by hand.
    raise WorkflowError("give one --configfile and no --config; a file that says `extends: other.yaml` changes another")
CONFIG_PATH = os.path.relpath(CONFIG_FILES[0]) if CONFIG_FILES else "config/config.yaml"
# No rule's input, and a Path, which Snakemake does not compare with that of the last run: neither an edit nor another name
# of the file is a reason to rerun, a change of the `params: settings=` made from it is.
CONFIG = Path(CONFIG_PATH)
try:
    # Not Snakemake's own reading of the file, which takes the last of two equal keys. That all files are there is checked
    # before anything runs: Snakemake takes an existing output for good where the inputs of its rule are gone.
    CFG = analysis.config.load(CONFIG_PATH, complete=True)
    KNOWN_TAGS = known_tags(CFG.conditions)
except AnalysisError as error:
    raise WorkflowError(str(error))

for section in ("preselection", "bdt", "templates"):
    if getattr(CFG, section) is None:
        raise WorkflowError(
            f"{CONFIG_PATH}: the workflow needs a section `{section}:`; config/README.md tells its keys"
        )

# The `python` of the rules' shell lines is the one that runs Snakemake, also where its environment was not activated
# (`.venv/bin/snakemake`, `make run`); a conda environment that Snakemake activates for a job still comes first.
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]))

# What every rule runs in with `--software-deployment-method conda`; otherwise the environment that Snakemake itself runs in.
ENVIRONMENT = str(Path(workflow.basedir) / "environment.yml")

RESULTS = Path("results") / CFG.name
ORIGIN = RESULTS / "config.provenance.json"
OTHER = analysis.config.namesake(CONFIG_PATH, CFG, ORIGIN)
if OTHER and workflow.is_main_process:
    logger.warning(
        f"WARNING: {RESULTS} holds the results of {OTHER}, which has `name: {CFG.name}`, too. {CONFIG_PATH} will overwrite those "
        "that differ. Give it a `name:` of its own if you want to keep both."
    )
SAMPLES = [sample.name for sample in CFG.samples]
SIMULATION = [sample.name for sample in CFG.samples if not sample.type.is_data]
OFF_RESONANCE = [sample.name for sample in CFG.samples if sample.beam_energy == "4S_offres"]
ON_RESONANCE = [name for name in SIMULATION if name not in OFF_RESONANCE]
OFF_CHANNELS = [channel.name for channel in CFG.templates.channels if channel.off_resonance]
# Simulated by the workflow itself, on resonance.
TOYS = [name for name in ON_RESONANCE if CFG.sample(name).simulated]


wildcard_constraints:
    sample="|".join(SAMPLES),
    chunk=r"\d+",


def code(command):
    """Fingerprint of the code behind a command: Snakemake does not see edits of imported modules."""
    return fingerprint(f"analysis.cli.{command}")


def settings(*keys):
    """The part of the configuration that matters to a rule; an edit of another part reruns nothing."""
    return analysis.config.settings(CFG, *keys)


def sample_settings(wildcards):
    """The configuration of one sample."""
    return CFG.sample(wildcards.sample).model_dump(mode="json")


def simulated_as(wildcards):
    """What a sample's entry tells the simulation; its place in the list numbers events and productions."""
    sample = CFG.sample(wildcards.sample)
    return [CFG.samples.index(sample), sample.type.value, sample.beam_energy.value, sample.tree]


def ntuple_files(sample):
    """The ntuples of a sample: those the workflow makes, or the user's."""
    if sample.simulated:
        return [
            RESULTS / f"ntuples/{sample.name}/{sample.name}_{chunk:04d}.root" for chunk in range(CFG.simulation.files)
        ]
    return matches(sample.files)


def sidecar_files(sample):
    """The metadata sidecars of a sample."""
    beside = [f"{path}.metadata.json" for path in ntuple_files(sample)]
    return matches(sample.metadata) if sample.metadata else beside


def matches(patterns):
    """The files that match; that each pattern matches one at least was checked above."""
    return [path for pattern in patterns for path in sorted(glob.glob(pattern, recursive=True))]


def ntuples(wildcards):
    """The ntuples of the sample that a job is about."""
    return ntuple_files(CFG.sample(wildcards.sample))


def sidecars(wildcards):
    """The metadata sidecars of the sample that a job is about."""
    return sidecar_files(CFG.sample(wildcards.sample))


def tags(wildcards):
    """What the conditions databases tell of a sample's global tags; all of it where its metadata are yet to be made."""
    sample = CFG.sample(wildcards.sample)
    return told_of_tags(None if sample.simulated else sidecar_files(sample), KNOWN_TAGS)
