"""The page of the report that says whether the toy is what it claims to be."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from analysis.basf2 import SampleType
from analysis.report.html import Cell, Markup, heading, paragraph, table, with_small
from analysis.report.tables import SAMPLE_NAMES
from analysis.validation.document import Check, Composition, Validation
from analysis.validation.samples import PUBLISHED, REASON

VERDICT = {True: "pass", False: "FAIL", None: "for information"}


def validation_page(found: Validation) -> Iterator[Markup]:
    """Yield the verdict, the checks group by group, and the composition beside the published one."""
    counted = [check for check in found.checks if check.passed is not None]
    failures = found.failures
    verdict = f"{len(counted) - len(failures)} of {len(counted)} checks pass."
    if failures:
        verdict += " Failed: " + "; ".join(f"{check.group}: {check.name}" for check in failures) + "."
    yield paragraph(verdict)
    yield paragraph(
        "A check fails below p = 0.001 or outside the interval told. Numbers quoted from memory are marked so.",
        note=True,
    )
    for group, checks in itertools.groupby(found.checks, key=lambda check: check.group):
        yield heading(group)
        of_group = list(checks)
        yield table(
            ["what", "found", "expected", "verdict"], [_row(check) for check in of_group], text=True,
            ours=[index for index, check in enumerate(of_group) if check.passed is False],
        )  # fmt: skip
        if group == "composition":
            yield _composition(found.composition)
            yield paragraph(REASON)
    yield heading("The detector's numbers")
    yield table(
        ["number", "value", "meaning", "source"],
        [[f"{each.part}.{each.name}", each.value, each.meaning, each.source] for each in found.detector], text=True,
    )  # fmt: skip
    yield paragraph("; ".join(f"{key}: {text}" for key, text in found.sources.items()) + ".", note=True)


def _row(check: Check) -> list[Cell]:
    note = check.note if check.group != "composition" else ""
    return [check.name, with_small(check.found, note) if note else check.found, check.expected, VERDICT[check.passed]]


def _composition(regions: tuple[Composition, ...]) -> Markup:
    kinds = list(PUBLISHED)

    def row(kind: SampleType) -> list[Cell]:
        ours = (f"{100 * each.share[kind]:.1f} ± {100 * each.error[kind]:.1f}" for each in regions)
        return [SAMPLE_NAMES[kind], *ours, f"{100 * PUBLISHED[kind]:.1f}"]

    return table(
        ["background, %", *(each.region for each in regions), "inclusive tag, region A (arXiv:2311.14647)"],
        [row(kind) for kind in kinds],
        caption="Shares of the background before the fit, with statistical errors.",
    )
