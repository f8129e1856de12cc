"""What changed between two ledgers: sample by sample, tag by tag, payload by payload, run by run."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.conditions.buckets import Bucket
from analysis.conditions.iov import RunSet
from analysis.conditions.ledger import Ledger
from analysis.conditions.records import LISTS, Block, GlobalTag, SampleConditions, TagUse, Validity

# Every field of the records, so that none can be forgotten; those left out are compared item by item.
_OF_SAMPLE = tuple(name for name in SampleConditions.model_fields if name not in ("sample", "blocks"))
_OF_BLOCK = tuple(name for name in Block.model_fields if name not in ("bucket", "global_tags", *LISTS))
_SETS = tuple(name for name in LISTS if name != "runs")


@dataclass(frozen=True)
class Change:
    """One difference.

    Parameters
    ----------
    sample
        The sample; None for what concerns several (the contents of a global tag).
    place
        Bucket and field, or tag and payload.
    before, after
        Both values; None where there was, or is, none.
    """

    sample: str | None
    place: str
    before: str | None
    after: str | None


def compare(before: Ledger, after: Ledger) -> list[Change]:
    """Return every difference between two ledgers, samples in order, then contents of tags."""
    changes: list[Change] = []
    for name in sorted(before.samples.keys() | after.samples.keys()):
        old, new = before.samples.get(name), after.samples.get(name)
        if old is None or new is None:
            changes.append(Change(name, "sample", _brief_digest(old), _brief_digest(new)))
        elif old.digest != new.digest:
            changes += _sample(old, new)
    changes += _contents(before.global_tags, after.global_tags)
    changes += _campaigns(before.buckets, after.buckets)
    return changes


def _brief_digest(record: SampleConditions | None) -> str | None:
    return None if record is None else record.digest[:12]


def _state(tag: TagUse | None) -> str | None:
    return None if tag is None else str(tag.state)


def _sample(old: SampleConditions, new: SampleConditions) -> Iterator[Change]:
    for field in _OF_SAMPLE:
        yield from _changed(old.sample, field, getattr(old, field), getattr(new, field))
    before = {block.bucket: block for block in old.blocks}
    after = {block.bucket: block for block in new.blocks}
    if len(before) == len(after) == 1 and before.keys() != after.keys():
        # The only bucket was renamed: say so, and compare what is inside.
        (was,), (is_now,) = before, after
        yield from _changed(old.sample, "bucket", was, is_now)
        yield from _block(old.sample, "", before[was], after[is_now])
        return
    for bucket in sorted(before.keys() | after.keys(), key=str):
        place = f"{bucket}: " if bucket else ""
        if bucket not in after:
            yield Change(old.sample, f"{place}bucket", _bucket(before[bucket]), None)
        elif bucket not in before:
            yield Change(old.sample, f"{place}bucket", None, _bucket(after[bucket]))
        else:
            yield from _block(old.sample, place, before[bucket], after[bucket])


def _bucket(block: Block) -> str:
    amount = "" if block.luminosity is None else f", {block.luminosity:.6g} fb⁻¹"
    return f"{block.n_events} events{amount}"


def _changed(sample: str, place: str, before: object, after: object) -> Iterator[Change]:
    if before != after:
        yield Change(sample, place, _text(before), _text(after))


def _text(value: object) -> str | None:
    # Digests are told by their first digits, as everywhere.
    return None if value is None else re.sub(r"^([0-9a-f]{12})[0-9a-f]{52}$", r"\1", str(value))


def _block(sample: str, place: str, old: Block, new: Block) -> Iterator[Change]:
    for field in _OF_BLOCK:
        yield from _changed(sample, place + field, getattr(old, field), getattr(new, field))
    for field in _SETS:
        was, now = getattr(old, field), getattr(new, field)
        yield from _difference(sample, place + field, [x for x in was if x not in set(now)], None)
        yield from _difference(sample, place + field, None, [x for x in now if x not in set(was)])
    yield from _tags(sample, place, old.global_tags, new.global_tags)
    lost, won = old.run_set.difference(new.run_set), new.run_set.difference(old.run_set)
    if lost:
        yield Change(sample, f"{place}runs", _runs(lost), None)
    if won:
        yield Change(sample, f"{place}runs", None, _runs(won))


def _difference(
    sample: str, place: str, lost: Sequence[object] | None, won: Sequence[object] | None
) -> Iterator[Change]:
    if lost or won:
        yield Change(sample, place, _some(lost or ()) or None, _some(won or ()) or None)


def _some(items: Sequence[object], most: int = 5) -> str:
    more = len(items) - most
    return ", ".join(_text(item) or "" for item in items[:most]) + (f" and {more} more" if more > 0 else "")


def _runs(runs: RunSet, most: int = 5) -> str:
    more = len(runs) - most
    shown = " ".join(str(iov) for iov in itertools.islice(runs, most))
    return shown + (f" and {more} more" if more > 0 else "")


def _tags(sample: str, place: str, old: Sequence[TagUse], new: Sequence[TagUse]) -> Iterator[Change]:
    before, after = {tag.name: tag for tag in old}, {tag.name: tag for tag in new}
    for name in [*before, *(name for name in after if name not in before)]:
        was, now = before.get(name), after.get(name)
        if was is None or now is None:
            yield Change(sample, f"{place}global tag {name}", _state(was), _state(now))
            continue
        yield from _changed(sample, f"{place}state of {name}", str(was.state), str(now.state))
        if was.content != now.content:
            contents = [tag.content[:12] if tag.content else None for tag in (was, now)]
            yield Change(sample, f"{place}content of {name}", *contents)
    common_before = [name for name in before if name in after]
    common_after = [name for name in after if name in before]
    if common_before != common_after:
        yield Change(sample, f"{place}order of global tags", ",".join(common_before), ",".join(common_after))


def _contents(before: Mapping[str, GlobalTag], after: Mapping[str, GlobalTag]) -> Iterator[Change]:
    """Compare payload by payload the tags whose contents both ledgers hold."""
    for name in sorted(before.keys() & after.keys()):
        if before[name] == after[name]:
            continue
        was, now = set(before[name].content or ()), set(after[name].content or ())
        for payload in sorted({validity.payload.name for validity in was ^ now}):
            lost = sorted(_validity(v) for v in was - now if v.payload.name == payload)
            won = sorted(_validity(v) for v in now - was if v.payload.name == payload)
            # Pair what was replaced line by line; the rest stands alone.
            for old, new in itertools.zip_longest(lost, won):
                yield Change(None, f"{name}, {payload}", old, new)


def _campaigns(before: Mapping[str, Bucket], after: Mapping[str, Bucket]) -> Iterator[Change]:
    """Compare task by task the campaigns of which both ledgers hold the closing records."""
    for name in sorted(before.keys() & after.keys()):
        old, new = before[name], after[name]
        for task in sorted(old.settings.keys() | new.settings.keys()):
            pair = [_text(bucket.settings.get(task)) for bucket in (old, new)]
            if pair[0] != pair[1]:
                yield Change(None, f"campaign {name}: settings of {task}", *pair)
        if old.forced != new.forced:
            yield Change(None, f"campaign {name}: forced", *("; ".join(b.forced) or None for b in (old, new)))


def _validity(validity: Validity) -> str:
    checksum = f" {validity.payload.checksum[:8]}" if validity.payload.checksum else ""
    return f"revision {validity.payload.revision}{checksum} {validity.iov}"


def compare_provenance(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Return what else differs between two results: code, settings, libraries."""
    changes = []
    for key in ("software", "code", "settings"):
        was, now = str(before[key])[:40], str(after[key])[:40]
        if was != now:
            changes.append(Change(None, f"result: {key}", was[:24], now[:24]))
    libraries = before["libraries"], after["libraries"]
    for name in sorted(libraries[0].keys() | libraries[1].keys()):
        old, new = (versions.get(name) for versions in libraries)
        if old != new:
            changes.append(Change(None, f"result: {name}", old, new))
    return changes


def compare_numbers(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Return the change of μ and its error between two results, where both have them."""
    texts = []
    for result in (before, after):
        mu = result.get("mu")
        known = isinstance(mu, Mapping) and mu.get("value") is not None and mu.get("error") is not None
        texts.append(f"{mu['value']:.6g} ± {mu['error']:.6g}" if known and isinstance(mu, Mapping) else None)
    return [Change(None, "result: mu", *texts)] if texts[0] != texts[1] else []
