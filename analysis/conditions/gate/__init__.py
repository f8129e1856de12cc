"""The gate: do the samples of this analysis belong together? Asked before any CPU is spent.

Every check yields findings with severity, samples, field, both values and remedy. Errors stop the
workflow unless a waiver of the configuration accepts them, with a written reason.

================== ========= ===================================================================
code               severity  what is wrong
================== ========= ===================================================================
tag-state          error     a global tag is OPEN, INVALID or of unknown state (TESTING and
                             RUNNING: warning)
tag-lists          error     global tags differ where they must agree, or stand in another order
tag-content        error     one tag with two states or two contents
analysis-tag       error     samples use different tags of the analysis tools
release-tag        error     release or campaign and global tag contradict each other
release            error     simulation of different releases, or another than the data's
run-dependence     error     run-independent beside run-dependent simulation
experiment         error     experiments that do not suit the kind of sample
run-gap            error     data runs that the run-dependent simulation lacks
run-excess         warning   simulated runs that the data lack
run-overlap        error     the same data runs in two buckets or samples
bucket-luminosity  error     simulated and recorded luminosity differ from bucket to bucket
luminosity         error     the data's luminosity is not the configuration's
beam-energy        error     energies that do not belong together
fei-training       error     different trainings of the Full Event Interpretation
background         error     different beam-background overlays
event-type         error     the sample's type is not what was generated
parents            error     one parent file behind two samples
payload-overlap    warning   a global tag holds two payloads of one name for the same runs
no-events          warning   a sample without events
calibration        error     a sample of a bucket was made with another calibration, or has other
                             runs, than the bucket's campaign closed with (no record, or another
                             minor release: warning)
calibration-forced warning   a step of the campaign was forced
training           error     a classifier trained under other conditions than it is applied to
stale              error     an output made under conditions that have changed
unused-waiver      warning   a waiver that accepts nothing
================== ========= ===================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from analysis.conditions.databases import overlaps
from analysis.conditions.findings import Finding, Severity
from analysis.conditions.gate import calibration, datasets, runs, tags
from analysis.conditions.ledger import Ledger
from analysis.conditions.runinfo import RunTable
from analysis.config.models import ConditionsSettings, Dataset, Waiver


def check(
    ledger: Ledger,
    settings: ConditionsSettings,
    dataset: Dataset | None = None,
    run_table: RunTable | None = None,
    more: Iterable[Finding] = (),
) -> list[Finding]:
    """Return everything that is wrong or strange with a set of samples, waived findings included.

    Parameters
    ----------
    ledger
        The conditions of all samples, and the closing records of their buckets.
    settings
        Tolerances and waivers.
    dataset
        What the configuration says of the data; None leaves its luminosity unchecked.
    run_table
        Luminosity per run; without it luminosity is compared bucket by bucket only.
    more
        What other checks found (see `gate.outputs`): waivers and order are for all.

    Returns
    -------
    findings
        Errors first; within a severity in the order of the table above.
    """
    records = [record for _, record in sorted(ledger.samples.items())]
    findings = [
        *tags.check(records),
        *datasets.check(records, dataset),
        *runs.check(records, settings.luminosity_tolerance, run_table),
        *calibration.check(records, ledger.buckets),
        *(finding for tag in ledger.global_tags.values() for finding in overlaps(tag)),
        *more,
    ]
    return sort(waive(findings, settings.waivers))


def sort(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that stop first, then by severity."""
    order = list(Severity)
    return sorted(findings, key=lambda finding: (not finding.stops, order.index(finding.severity)))


def waive(findings: Iterable[Finding], waivers: Sequence[Waiver]) -> list[Finding]:
    """Write the reasons of the whitelist into the findings it covers.

    A waiver with samples covers findings about those samples only: one that concerns a further
    sample still stops.
    """
    result = []
    used: set[Waiver] = set()
    for finding in findings:
        waiver = next((waiver for waiver in waivers if _covers(waiver, finding)), None)
        if waiver is not None:
            used.add(waiver)
            finding = replace(finding, waived=waiver.reason)
        result.append(finding)
    for waiver in waivers:
        if waiver not in used:
            unused = Finding(
                "unused-waiver",
                "A waiver accepts nothing.",
                Severity.WARNING,
                samples=waiver.samples,
                key="conditions.waivers",
                found=waiver.finding,
                expected="the code of a finding on these samples",
                remedy="remove the waiver: what it accepted is mended",
            )
            result.append(unused)
    return result


def _covers(waiver: Waiver, finding: Finding) -> bool:
    if waiver.finding != finding.code:
        return False
    return not waiver.samples or (bool(finding.samples) and set(finding.samples) <= set(waiver.samples))
