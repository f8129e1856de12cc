# The loop of a calibration campaign: for every task its input, its constants, their validation, and word to its issue.
# `python -m analysis campaign run FOLDER` starts it; the layers of dependencies.json tell what may run side by side.

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir).parents[1]))

from analysis.campaign.layout import files_of, open_campaign, read_dependencies, read_tasks
from analysis.campaign.tasks import settings_digest
from analysis.errors import AnalysisError

try:
    LAYOUT, CAMPAIGN = open_campaign(config["folder"])
    TASKS = read_tasks(LAYOUT, CAMPAIGN)
    GRAPH = read_dependencies(LAYOUT)
except AnalysisError as error:
    raise WorkflowError(str(error))


def names(local):
    """A wildcard constraint: the tasks that are copied, or those that are run."""
    found = [re.escape(name) for name, task in TASKS.items() if (task.kind == "local") == local]
    return "|".join(found) or "(?!)"


def of(name, file):
    """A file that the loop writes for a task."""
    return str(getattr(files_of(CAMPAIGN, name), file))


def log_of(step):
    """The log of a step of a task."""
    return str(files_of(CAMPAIGN, "{task}").folder / f"{step}.log")


def settings(wildcards):
    """What a task's result rests on, as reviewed."""
    return settings_digest(CAMPAIGN, TASKS[wildcards.task])


def sources(wildcards):
    """The databases that a task copies from; a missing one is explained by the task itself."""
    folder = CAMPAIGN.paths.tags
    paths = [folder / tag / "database.txt" for tag in TASKS[wildcards.task].sources] if folder else []
    return [str(path) for path in paths if path.is_file()]


def upstream(wildcards):
    """The tasks right before must be done."""
    return [of(name, "status") for name in GRAPH.depends_on[wildcards.task]]


localrules:
    all,
    copy_payloads,


rule all:
    input:
        [of(name, "status") for name in TASKS],


rule copy_payloads:
    """Copy payloads that a subsystem made by itself."""
    input:
        sources,
    output:
        of("{task}", "constants"),
        of("{task}", "status"),
    log:
        log_of("copy"),
    wildcard_constraints:
        task=names(local=True),
    params:
        settings=settings,
        folder=str(LAYOUT.folder),
    shell:
        "python -m analysis --log {log:q} campaign step {params.folder:q} {wildcards.task} calibrate validate"


rule calibrate:
    """Run the calibration and check its payloads."""
    input:
        of("{task}", "caf_config"),
        of("{task}", "input_data"),
        upstream,
    output:
        of("{task}", "constants"),
    log:
        log_of("calibrate"),
    wildcard_constraints:
        task=names(local=False),
    params:
        settings=settings,
        folder=str(LAYOUT.folder),
    shell:
        "python -m analysis --log {log:q} campaign step {params.folder:q} {wildcards.task} calibrate"


rule validate:
    """Validate the constants and tell the task's issue; bad ones stop whatever depends on them."""
    input:
        of("{task}", "constants"),
    output:
        of("{task}", "status"),
    log:
        log_of("validate"),
    wildcard_constraints:
        task=names(local=False),
    params:
        settings=settings,
        folder=str(LAYOUT.folder),
    shell:
        "python -m analysis --log {log:q} campaign step {params.folder:q} {wildcards.task} validate"
