"""Differences between pseudo-data and simulation, planted for calibrations and systematic uncertainties to find.

All are factors on the expected number of an event, taken from its first candidate (that of the tag: from its first
correct one): nothing is moved or smeared, so that a factor of one plants nothing. What was planted is written to
``*.truth.json``, which no stage of the analysis reads.
"""

from __future__ import annotations

import numpy as np

from analysis.config.models import Planted
from analysis.simulation.candidates import MAX_E_EXTRA
from analysis.simulation.jagged import Floats
from analysis.simulation.rows import Rows
from analysis.simulation.truth import Label


def factor(rows: Rows, planted: Planted) -> Floats:
    """Return data over simulation of every row, (n,).

    Parameters
    ----------
    rows
        Of one process, with truth.
    planted
        What to plant.
    """
    c = rows.columns
    result = np.ones(len(rows))
    result *= _tag_efficiency(rows, planted)
    kaon = np.abs(c["K_mcPDG"]) == 321
    result *= np.where(kaon, planted.kaon_efficiency, planted.kaon_fake_rate)
    result *= 1 + planted.e_ecl_slope * (2 * c["roeEextra"] / MAX_E_EXTRA - 1)
    for name, fraction in planted.branching_fractions.items():
        result *= np.where((c["Bsig_label"] & Label[name]) > 0, fraction, 1.0)
    return result


def _tag_efficiency(rows: Rows, planted: Planted) -> Floats:
    """Return the factor of the tag's mode, the same for all rows of an event; one in events without a correct tag.

    Nothing is planted in wrong tags: their rate has no efficiency of its own.
    """
    correct = np.flatnonzero(rows.columns["Btag_isSignal"] == 1)
    events, first = np.unique(rows.event[correct], return_index=True)
    mode = rows.columns["Btag_decayModeID"][correct[first]]
    of_event = np.ones(len(events))
    for number, efficiency in planted.tag_efficiency.items():
        of_event[mode == number] = efficiency
    place = np.searchsorted(events, rows.event)
    known = place < len(events)
    known[known] = events[place[known]] == rows.event[known]
    result = np.ones(len(rows))
    result[known] = of_event[place[known]]
    return result
