"""What is left of a sample when files are left out."""

import pytest

from analysis.basf2 import SampleType
from analysis.errors import InputError
from analysis.sample_size import SampleSize, corrected_size


def test_nothing_lost_nothing_changed():
    size = SampleSize(100.0, 2.0)
    assert corrected_size(size, SampleType.DATA, None, {}) == size
    assert corrected_size(SampleSize(None, None), SampleType.MIXED, None, {"f": None}) == SampleSize(None, None)


def test_generated_events_and_luminosity_shrink():
    size = corrected_size(SampleSize(1000.0, 50.0), SampleType.MIXED, 1000, {"a": 100, "b": 150})
    assert size == SampleSize(750.0, 37.5)


def test_generated_events_need_no_total():
    assert corrected_size(SampleSize(1000.0, None), SampleType.MIXED, None, {"a": 100}) == SampleSize(900.0, None)


@pytest.mark.parametrize(
    ("size", "kind", "total", "lost", "said"),
    [
        (SampleSize(None, 5.0), SampleType.DATA, 0, {"f": 0}, "would change the luminosity"),
        # not told here, but the analysis scales everything to it
        (SampleSize(None, None), SampleType.DATA, None, {"f": None}, "would change the luminosity"),
        (SampleSize(10.0, None), SampleType.SIGNAL, 10, {"e": 1, "f": None}, "nobody tells"),
        (SampleSize(None, 5.0), SampleType.SIGNAL, None, {"f": 3}, "nobody tells"),
        (SampleSize(10.0, None), SampleType.SIGNAL, 10, {"f": 10}, "leave nothing"),
        (SampleSize(None, 5.0), SampleType.SIGNAL, 10, {"f": 10}, "leave nothing"),
    ],
)
def test_refusals_name_the_file(size, kind, total, lost, said):
    with pytest.raises(InputError, match=said) as caught:
        corrected_size(size, kind, total, lost)
    assert caught.value.file == "f"
    assert caught.value.remedy
