"""Where everything comes from: conditions of the samples and provenance of the results, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analysis.conditions.buckets import Bucket
from analysis.conditions.findings import Finding
from analysis.conditions.ledger import Ledger
from analysis.conditions.records import Block, SampleConditions
from analysis.provenance import Provenance
from analysis.report.html import Cell, Markup, code, fold_out, heading, paragraph, table
from analysis.report.tables import grouped

SHORT = 12
SHOWN_RUNS = 3


def conditions_tables(ledger: Ledger) -> list[Markup]:
    """Return the conditions of every sample: one row per block of files made alike."""
    rows: list[list[Cell]] = []
    for name, record in sorted(ledger.samples.items()):
        for index, block in enumerate(record.blocks):
            rows.append(
                [
                    name if index == 0 else "",
                    _kind(record) if index == 0 else "",
                    _made_in(record, block),
                    Markup("<br>".join(f"{code(tag.name)} {tag.state}" for tag in block.global_tags)),
                    _runs(block),
                    grouped(block.n_events),
                    grouped(block.mc_events) if record.is_mc else "–",
                    "–" if block.luminosity is None else f"{block.luminosity:.3f}",
                    code(record.digest[:SHORT]) if index == 0 else "",
                ]
            )
    header = [
        "sample", "kind", "campaign, release", "global tags", "exp, run – exp, run",
        "events", "generated", "fb⁻¹", "digest",
    ]  # fmt: skip
    return [
        paragraph(
            "Read from the metadata of the files, which basf2 wrote or somebody by hand, and checked for compatibility "
            "before the first event was read. A digest changes when anything in its row does."
        ),
        table(header, rows, text=True),
        paragraph(Markup(f"Digest of the whole ledger: {code(ledger.digest)}"), note=True),
        *_campaigns(ledger.buckets),
    ]


def _campaigns(buckets: Mapping[str, Bucket]) -> list[Markup]:
    """Return the calibration campaigns behind the samples' buckets: one row per task."""
    if not buckets:
        return []
    verdicts = {None: "–", True: "passed", False: "failed"}
    rows: list[list[Cell]] = [
        [
            name if index == 0 else "",
            code(bucket.digest[:SHORT]) if index == 0 else "",
            task,
            code(digest[:SHORT]),
            verdicts[bucket.validated.get(task)],
            "; ".join(bucket.forced) or "–" if index == 0 else "",
        ]
        for name, bucket in sorted(buckets.items())
        for index, (task, digest) in enumerate(bucket.settings.items())
    ]
    header = ["bucket", "closing record", "calibration", "settings", "validation", "forced"]
    return [heading("Calibration campaigns"), table(header, rows, text=True)]


def findings_tables(findings: Sequence[Finding]) -> list[Markup]:
    """Return what the gate found strange, and what the configuration accepts with its reason."""
    if not findings:
        return [heading("Findings"), paragraph("None: the samples belong together, and nothing had to be waived.")]
    rows: list[list[Cell]] = [
        [
            finding.severity.value,
            code(finding.code),
            finding.problem,
            ", ".join(finding.samples) or "–",
            finding.found or "–",
            finding.expected or "–",
            finding.waived or "–",
        ]
        for finding in findings
    ]
    header = ["severity", "check", "what", "samples", "found", "expected", "accepted because"]
    return [heading("Findings"), table(header, rows, text=True)]


def _kind(record: SampleConditions) -> str:
    if not record.is_mc:
        return "data"
    event_type = f", event type {record.event_type}" if record.event_type else ""
    return f"{record.type.value}, simulation{event_type}"


def _made_in(record: SampleConditions, block: Block) -> str:
    words = [block.bucket, block.campaign, record.run_dependence, block.background, record.beam_energy, block.release]
    return ", ".join(dict.fromkeys(word for word in words if word))


def _runs(block: Block) -> str:
    shown = [str(iov) for iov in block.runs[:SHOWN_RUNS]]
    more = len(block.runs) - SHOWN_RUNS
    return "; ".join([*shown, f"and {more} more"] if more > 0 else shown)


def provenance_tables(provenances: Mapping[str, Provenance]) -> list[Markup]:
    """Return what every output was made with.

    Parameters
    ----------
    provenances
        Output file → its provenance, in the order of the workflow.
    """
    rows: list[list[Cell]] = [
        [
            code(path),
            each.command.replace("_", "-"),
            code(each.code[:SHORT]),
            code(each.settings[:SHORT]),
            Markup("<br>".join(f"{code(name)} {code(digest[:SHORT])}" for name, digest in each.inputs.items())),
        ]
        for path, each in provenances.items()
    ]
    libraries: dict[str, str] = {}
    for each in provenances.values():
        libraries |= each.libraries
    software = sorted({each.software for each in provenances.values()})
    return [
        paragraph(
            "Every output carries, inside itself, digests of the code behind it (comments and docstrings left out), of "
            f"the settings it used, and of its inputs. Digests are shortened to {SHORT} characters here."
        ),
        table(["output", "command", "code", "settings", "inputs"], rows, text=True),
        heading("Software"),
        paragraph(", ".join(software)),
        fold_out(
            f"Versions of {len(libraries)} libraries",
            table(["library", "version"], [[name, version] for name, version in sorted(libraries.items())], text=True),
        ),
    ]
