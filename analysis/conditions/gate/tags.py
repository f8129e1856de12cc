"""Checks of global tags and releases."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from analysis.conditions.findings import Finding, Severity
from analysis.conditions.gate.common import Part, brief, disagreements, names, parts
from analysis.conditions.metadata import GlobalTagState
from analysis.conditions.records import SampleConditions, TagUse

_STATES = {
    GlobalTagState.OPEN: (
        Severity.ERROR,
        "An OPEN global tag may not be used: its content can still change.",
        "wait for its publication and process again, or use the published tag",
    ),
    GlobalTagState.INVALID: (
        Severity.ERROR,
        "A global tag was declared INVALID.",
        "process again with its successor",
    ),
    GlobalTagState.UNKNOWN: (
        Severity.ERROR,
        "The state of a global tag is unknown.",
        "look it up (`b2conditionsdb tag show`) and give it in `conditions: global_tag_states:`",
    ),
    GlobalTagState.TESTING: (
        Severity.WARNING,
        "A global tag is still being tested.",
        "wait for its publication before results are shown",
    ),
    GlobalTagState.RUNNING: (
        Severity.WARNING,
        "A RUNNING global tag grows: processing the same runs later may give other results.",
        "use the published tag of the bucket",
    ),
}
ANALYSIS_TAG = re.compile(r"analysis_tools")
_TAG_RELEASE = re.compile(r"rel(?:ease)?-?_?(\d{2})(?!\d)")
_TAG_CAMPAIGN = re.compile(r"(?:^|_)(MC\d+|proc\d+|bucket\d+)", re.IGNORECASE)
RELEASE = re.compile(r"release-(\d{2})-")


def check(records: Sequence[SampleConditions]) -> Iterator[Finding]:
    """Check every tag for itself, then the lists against each other and against the releases."""
    members = parts(records)
    yield from _states(members)
    yield from _lists(members)
    yield from _content(members)
    yield from _analysis_tags(members)
    yield from _contradictions(members)
    yield from _releases(members)


def _states(members: Sequence[Part]) -> Iterator[Finding]:
    users: dict[TagUse, list[Part]] = defaultdict(list)
    for part in members:
        for tag in part.block.global_tags:
            users[tag].append(part)
    for tag, using in sorted(users.items(), key=lambda item: item[0].name):
        if tag.state in _STATES:
            severity, problem, remedy = _STATES[tag.state]
            yield Finding(
                "tag-state",
                problem,
                severity,
                samples=names(using),
                key="globalTag",
                found=f"{tag.name} is {tag.state}",
                expected="PUBLISHED (or VALIDATED)",
                remedy=remedy,
            )


def _lists(members: Sequence[Part]) -> Iterator[Finding]:
    """Expect one list per kind: for simulation per run dependence and bucket, for data per bucket."""
    groups: dict[tuple[object, ...], list[Part]] = defaultdict(list)
    for part in members:
        groups[part.plays_data, part.record.run_dependence, part.block.bucket].append(part)
    for (plays_data, dependence, bucket), group in sorted(groups.items(), key=lambda item: str(item[0])):
        what = "data" if plays_data else f"{dependence} simulation"
        place = f" of {bucket}" if bucket else ""
        yield from disagreements(
            "tag-lists",
            f"The {what}{place} was made with different lists of global tags.",
            "globalTag",
            group,
            lambda part: part.block.tag_names,
            "process the samples with one list: the order is the priority",
            show=lambda tags: ",".join(tags) if isinstance(tags, tuple) else str(tags),
        )


def _content(members: Sequence[Part]) -> Iterator[Finding]:
    by_name: dict[str, dict[TagUse, list[Part]]] = defaultdict(lambda: defaultdict(list))
    for part in members:
        for tag in part.block.global_tags:
            by_name[tag.name][tag].append(part)
    for name, uses in sorted(by_name.items()):
        states = {tag.state for tag in uses} - {GlobalTagState.UNKNOWN}
        contents = {tag.content for tag in uses} - {None}
        if len(states) < 2 and len(contents) < 2:
            continue
        described = [
            f"{tag.state}{f' {tag.content[:12]}' if tag.content else ''} in {brief(names(using))}"
            for tag, using in sorted(uses.items(), key=lambda item: str(item[0].state))
        ]
        yield Finding(
            "tag-content",
            "One global tag is told with two states or two contents.",
            samples=names(part for using in uses.values() for part in using),
            key=f"globalTag {name}",
            found="; ".join(described),
            expected="one state and one content",
            remedy="the tag changed between the productions: process the older samples again",
        )


def _analysis_tags(members: Sequence[Part]) -> Iterator[Finding]:
    used = [part for part in members if any(ANALYSIS_TAG.search(tag) for tag in part.block.tag_names)]
    yield from disagreements(
        "analysis-tag",
        "Samples were analysed with different tags of the analysis tools.",
        "globalTag",
        used,
        lambda part: tuple(tag for tag in part.block.tag_names if ANALYSIS_TAG.search(tag)),
        "make the ntuples with one tag: classifiers such as the FEI come from it",
        show=lambda tags: ",".join(tags) if isinstance(tags, tuple) else str(tags),
    )


def _contradictions(members: Sequence[Part]) -> Iterator[Finding]:
    """Compare what the name of a tag says of release, campaign and kind with the sample's own."""
    found: dict[tuple[str, str, str], list[Part]] = defaultdict(list)
    for part in members:
        for tag in part.block.tag_names:
            for told, own in _told(tag, part):
                found[tag, told, own].append(part)
    for (tag, told, own), using in sorted(found.items()):
        yield Finding(
            "release-tag",
            "A global tag contradicts the sample that used it.",
            samples=names(using),
            key="globalTag, release, dataset.campaign",
            found=f"{tag}: {told}, but {own}",
            expected="a tag made for this release and campaign",
            remedy="find out which is wrong: the tag list of the steering, or the metadata",
        )


def _told(tag: str, part: Part) -> Iterator[tuple[str, str]]:
    release, campaign = RELEASE.match(part.block.release), part.block.campaign
    of_release, of_campaign = _TAG_RELEASE.search(tag), _TAG_CAMPAIGN.search(tag)
    # Analysis tags are made for later light releases as well; staging tags name an older major.
    if release and of_release and int(of_release[1]) > int(release[1]):
        yield f"made for release {of_release[1]}", f"the release is {part.block.release}"
    if of_campaign:
        kind = re.sub(r"\d+", "", of_campaign[1]).lower()
        same_kind = re.match(rf"{kind}(\d+)", campaign, re.IGNORECASE)
        if same_kind and f"{kind}{same_kind[1]}" != of_campaign[1].lower():
            yield f"made for {of_campaign[1]}", f"the campaign is {campaign}"
    if part.plays_data and not part.record.is_mc and tag.startswith("mc_"):
        yield "made for simulation", "the sample is data"
    if part.record.run_dependence == "ri" and tag.startswith("data_"):
        yield "made for data", "the sample is run-independent simulation"


def _releases(members: Sequence[Part]) -> Iterator[Finding]:
    simulated = [part for part in members if not part.plays_data]
    yield from disagreements(
        "release",
        "Simulated samples were made with different releases.",
        "release",
        simulated,
        lambda part: part.block.release,
        "produce them with one release",
    )
    majors = {m[1] for part in simulated if (m := RELEASE.match(part.block.release))}
    odd = [
        part
        for part in members
        if part.plays_data and majors and (m := RELEASE.match(part.block.release)) and m[1] not in majors
    ]
    if odd:
        yield Finding(
            "release",
            "Data and simulation were made with different major releases.",
            samples=names(odd),
            key="release",
            found=", ".join(sorted({part.block.release for part in odd})),
            expected=f"release-{' or release-'.join(sorted(majors))}",
            remedy="use the simulation campaign that belongs to this processing",
        )
