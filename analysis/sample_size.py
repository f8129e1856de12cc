"""How much a sample stands for, and what is left of it when files are left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.basf2 import SampleType
from analysis.errors import InputError


@dataclass(frozen=True)
class SampleSize:
    """How much a sample stands for.

    Attributes
    ----------
    generated_events
        Number of generated events behind its files; None if unknown.
    luminosity
        Equivalent luminosity, fb⁻¹; None if unknown.
    """

    generated_events: float | None
    luminosity: float | None


def corrected_size(size: SampleSize, kind: SampleType, total: int | None, lost: Mapping[str, int | None]) -> SampleSize:
    """Return what is left of a sample's size when files were left out.

    Parameters
    ----------
    size
        With all files.
    kind
        Type of the sample.
    total
        Generated events behind all files, from the metadata; None if unknown.
    lost
        File left out -> generated events behind it; None if unknown.

    Raises
    ------
    InputError
        The size cannot be corrected: of data, whose luminosity belongs to all files together, or where the metadata do
        not tell how many events are lost.
    """
    if not lost:
        return size
    file, remedy = next(iter(lost)), "mend or replace the file, or take it off the sample together with its metadata"
    if kind.is_data:
        raise InputError(
            "A file of data is damaged; leaving it out would change the luminosity.", file=file, remedy=remedy
        )
    if size == SampleSize(None, None):
        return size  # whoever scales the sample later has to be told its size
    unknown = next((name for name, events in lost.items() if events is None), None)
    if unknown is not None or (size.luminosity is not None and not total):
        raise InputError(
            "A damaged file cannot be left out: nobody tells how many generated events are lost with it.",
            file=unknown or file,
            expected="its metadata sidecar, with `mcEvents`, and those of all files (`--record`)",
            remedy=remedy,
        )
    events = sum(number or 0 for number in lost.values())
    left = 1 - events / total if total else 1.0
    generated = None if size.generated_events is None else size.generated_events - events
    if left <= 0 or (generated is not None and generated <= 0):
        raise InputError("Leaving out the damaged files would leave nothing of the sample.", file=file, remedy=remedy)
    return SampleSize(generated, None if size.luminosity is None else size.luminosity * left)
