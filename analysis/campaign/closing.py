"""Closing a campaign: what the staging tag holds now, and where it has gaps or overlaps."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from analysis import io
from analysis.campaign import documents
from analysis.campaign.documents import Model
from analysis.campaign.layout import Layout, files_of
from analysis.campaign.payloads import Entry, read_entries, write_entries
from analysis.campaign.primary import Campaign
from analysis.campaign.review import Forced
from analysis.conditions.buckets import Bucket, bucket_to_plain
from analysis.conditions.databases import read_text_database
from analysis.conditions.findings import Finding, Severity
from analysis.conditions.iov import IoV, RunSet
from analysis.conditions.metadata import GlobalTagState
from analysis.conditions.records import TagUse, Validity, total
from analysis.conditions.runinfo import RunTable


@dataclass(frozen=True)
class Made:
    """A payload of the bucket, and the task that made it."""

    task: str
    entry: Entry


class ManifestEntry(Model):
    """A line of the tag manifest."""

    task: str
    validity: Validity
    in_bucket: IoV | None
    """The part of the bucket that it covers."""


def gather(campaign: Campaign, tasks: Iterable[str]) -> list[Made]:
    """Return all payloads of the campaign as the tag will hold them: sorted, open-ended ones cut (see :func:`cut`)."""
    made = [Made(name, entry) for name in sorted(tasks) for entry in read_entries(files_of(campaign, name).database)]
    made.sort(key=lambda item: (item.entry.name, item.entry.iov.start, item.entry.iov.end, item.task))
    return cut(made)


def _by_name(made: Iterable[Made]) -> dict[str, list[Made]]:
    return {name: list(items) for name, items in itertools.groupby(made, key=lambda item: item.entry.name)}


def cut(made: Sequence[Made]) -> list[Made]:
    """End open-ended payloads where the next one of their name begins.

    Calibrations write payloads that are valid for ever, and mean "until there is a newer one". In a tag the intervals
    must not overlap: basf2 would warn, and which payload it takes would depend on the order.
    """
    result = []
    for items in _by_name(made).values():
        starts = sorted({item.entry.iov.start for item in items})
        for item in items:
            iov = item.entry.iov
            later = [start for start in starts if start > iov.start]
            if iov.final_experiment < 0 and later:
                iov = IoV.from_keys(iov.start, later[0] - 1)
            validity = Validity(payload=item.entry.validity.payload, iov=iov)
            result.append(Made(item.task, Entry(validity, item.entry.file)))
    return result


def manifest(made: Sequence[Made], bucket: IoV) -> list[ManifestEntry]:
    """Return the tag manifest: payload, revision, checksum, interval, and which part of the bucket it covers."""
    return [
        ManifestEntry(
            task=item.task, validity=item.entry.validity, in_bucket=item.entry.validity.iov.intersection(bucket)
        )
        for item in made
    ]


def inspect(made: Sequence[Made], bucket: IoV, runs: RunTable) -> list[Finding]:
    """Return gaps and overlaps over the bucket's range, payload by payload.

    A gap in which runs were taken is an error, one without runs a note. An overlap is an error, and so are two tasks
    that make the same payload.
    """
    findings: list[Finding] = []
    for name, items in _by_name(made).items():
        findings += _gaps(name, items, bucket, runs)
        makers = sorted({item.task for item in items})
        if len(makers) > 1:
            findings.append(
                Finding(
                    "two-makers",
                    "Two tasks make the same payload.",
                    key=name,
                    found=", ".join(makers),
                    expected="one task per payload: which one counts would depend on chance",
                    remedy="take it out of one of them",
                )
            )
        findings += _overlaps(name, items)
    return findings


def _gaps(name: str, items: Sequence[Made], bucket: IoV, runs: RunTable) -> Iterable[Finding]:
    covered = RunSet(item.entry.iov for item in items)
    for gap in RunSet([bucket]).difference(covered):
        inside = len(runs.within(gap))
        yield Finding(
            "payload-gap",
            "A payload is missing for a part of the bucket.",
            Severity.ERROR if inside else Severity.NOTE,
            key=name,
            found=f"nothing for {gap}, in which there are {inside} runs",
            expected=f"the whole of {bucket}",
            remedy="correct its boundaries, or give its task the runs that are missing" if inside else None,
        )


def _overlaps(name: str, items: Sequence[Made]) -> Iterable[Finding]:
    for one, two in itertools.combinations(items, 2):
        if one.entry.iov.overlaps(two.entry.iov):
            yield Finding(
                "payload-overlap",
                "Two payloads are valid for the same runs.",
                key=name,
                found=f"{one.entry.iov} of {one.task} and {two.entry.iov} of {two.task}",
                expected="one payload per run",
                remedy="end the first where the second begins",
            )


def close(
    layout: Layout,
    campaign: Campaign,
    made: Sequence[Made],
    runs: RunTable,
    settings: Mapping[str, str],
    validated: Mapping[str, bool | None],
    forced: Sequence[Forced],
    findings: Sequence[Finding],
) -> Bucket:
    """Write the tag with its manifest, the record, and the report; return the record.

    Parameters
    ----------
    layout, campaign
        Where, and with which tags.
    made
        Payloads as the tag will hold them, of `gather`.
    runs
        The bucket's runs.
    settings, validated
        Task → digest of its settings; task → verdict of its validation, None where there is none.
    forced
        What was done in spite of something.
    findings
        Gaps and overlaps, of `inspect`: told in the report.
    """
    database = layout.folder / "tags" / campaign.staging_gt / "database.txt"
    write_entries(database, [item.entry for item in made])
    state = campaign.global_tag_states.get(campaign.staging_gt, GlobalTagState.OPEN)
    content = read_text_database(database)
    tag = TagUse(name=content.name, state=state, content=content.digest)
    lines = [line.model_dump(mode="json") for line in manifest(made, campaign.iov)]
    documents.write_json(
        layout.folder / "tag.json", {"name": tag.name, "state": state, "digest": io.digest(lines), "payloads": lines}
    )
    record = bucket_record(campaign, tag, runs, settings, validated, forced)
    documents.write_json(layout.record, bucket_to_plain(record))
    documents.write_text(layout.folder / "report.md", report(record, manifest(made, campaign.iov), findings))
    return record


def bucket_record(
    campaign: Campaign,
    tag: TagUse,
    runs: RunTable,
    settings: Mapping[str, str],
    validated: Mapping[str, bool | None],
    forced: Sequence[Forced],
) -> Bucket:
    """Return the record that samples refer to; ``tag`` is the staging tag with the digest of its content."""

    def use(name: str) -> TagUse:
        known = campaign.global_tag_states.get(name, GlobalTagState.UNKNOWN)
        return tag if name == tag.name else TagUse(name=name, state=known)

    counted = [run.n_events for run in runs.runs]
    return Bucket(
        bucket=campaign.name,
        iov=campaign.iov,
        release=campaign.release,
        beam_energy=campaign.beam_energy,
        global_tags=tuple(use(name) for name in campaign.data),
        global_tags_mcrd=tuple(use(name) for name in campaign.mcrd),
        runs=runs.run_set.intervals(),
        luminosity=total(run.luminosity for run in runs.runs),
        n_events=None if None in counted else sum(number or 0 for number in counted),
        settings=dict(sorted(settings.items())),
        validated=dict(sorted(validated.items())),
        forced=tuple(f"{item.action} by {item.by}: {item.reason}" for item in forced),
    )


def report(record: Bucket, lines: Sequence[ManifestEntry], findings: Sequence[Finding]) -> str:
    """Return the closing report as Markdown."""
    luminosity = "unknown" if record.luminosity is None else f"{record.luminosity:.6g} fb⁻¹"
    texts = [
        f"# {record.bucket}",
        f"{record.release}, {record.iov}, {luminosity}; record {record.digest[:12]}.",
        "## Payloads",
        "| payload | revision | valid | in the bucket | task |\n|---|---|---|---|---|\n"
        + "\n".join(
            f"| {line.validity.payload.name} | {line.validity.payload.revision} | {line.validity.iov} "
            f"| {line.in_bucket or '–'} | {line.task} |"
            for line in lines
        ),
        "## Gaps and overlaps",
        "\n".join(f"- {finding.severity}: {finding.problem} {finding.key}: {finding.found}" for finding in findings)
        or "None.",
        "## Validation",
        "\n".join(f"- {task}: {_verdict(passed)}" for task, passed in record.validated.items()),
    ]
    if record.forced:
        texts += ["## Forced", "\n".join(f"- {text}" for text in record.forced)]
    return "\n\n".join(texts) + "\n"


def _verdict(passed: bool | None) -> str:
    return "not validated" if passed is None else "passed" if passed else "failed"
