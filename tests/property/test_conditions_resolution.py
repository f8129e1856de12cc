"""Which payload a run gets, against a table filled from the tag of lowest priority upwards."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from analysis.conditions.databases import resolve
from analysis.conditions.iov import IoV
from analysis.conditions.metadata import GlobalTagState
from analysis.conditions.records import GlobalTag, Payload, Validity

EXPERIMENTS, RUNS = 3, 4
POINTS = list(itertools.product(range(EXPERIMENTS), range(RUNS)))
NAMES = ("BeamParameters", "ECLCrystalEnergy")

iovs = st.one_of(
    st.tuples(st.sampled_from(POINTS), st.sampled_from(POINTS)).map(lambda ends: IoV(*min(ends), *max(ends))),
    st.sampled_from(POINTS).map(lambda start: IoV(*start, -1, -1)),
    st.sampled_from(POINTS).map(lambda start: IoV(*start, start[0], -1)),
)
entries = st.tuples(st.sampled_from(NAMES), st.integers(1, 9), iovs)
tag_lists = st.lists(st.lists(entries, max_size=5), max_size=4)


def covers(iov: IoV, point: tuple[int, int]) -> bool:
    """Whether a run lies inside, by comparing pairs."""
    last = (99, 99) if iov.final_experiment < 0 else (iov.final_experiment, 99 if iov.final_run < 0 else iov.final_run)
    return (iov.first_experiment, iov.first_run) <= point <= last


@given(tag_lists)
def test_first_tag_that_holds_the_payload_wins(lists):
    tags = [
        GlobalTag(
            name=f"tag{number}",
            state=GlobalTagState.PUBLISHED,
            content=tuple(
                Validity(payload=Payload(name=name, revision=str(revision)), iov=iov) for name, revision, iov in content
            ),
        )
        for number, content in enumerate(lists)
    ]
    # Fill from the lowest priority upwards, so that higher ones overwrite.
    table: dict[tuple[tuple[int, int], str], tuple[str, str]] = {}
    for number, content in reversed(list(enumerate(lists))):
        for name, revision, iov in reversed(content):
            for point in POINTS:
                if covers(iov, point):
                    table[point, name] = (f"tag{number}", str(revision))
    for point in POINTS:
        found = resolve(tags, *point)
        assert {name: (tag.name, validity.payload.revision) for name, (tag, validity) in found.items()} == {
            name: table[point, name] for name in NAMES if (point, name) in table
        }
