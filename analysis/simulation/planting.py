"""Differences between pseudo-data and simulation, planted for calibrations and systematic uncertainties to find.

All are factors on the expected number of an event, taken from its first candidate: nothing is moved or smeared, so that
a factor of one plants nothing. What was planted is written to ``*.truth.json``, which no stage of the analysis reads.
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
    for mode, efficiency in planted.tag_efficiency.items():
        # nothing is planted in wrong tags: their rate has no efficiency of its own
        result *= np.where((c["Btag_D_decayModeID"] == mode) & (c["Btag_isSignal"] == 1), efficiency, 1.0)
    kaon = np.abs(c["K_mcPDG"]) == 321
    result *= np.where(kaon, planted.kaon_efficiency, planted.kaon_fake_rate)
    result *= 1 + planted.e_ecl_slope * (2 * c["roeEextra"] / MAX_E_EXTRA - 1)
    for name, fraction in planted.branching_fractions.items():
        result *= np.where((c["Bsig_label"] & Label[name]) > 0, fraction, 1.0)
    return result
