"""Systematic uncertainties that vary events. One module per origin; each yields `Source` objects.

A new one needs a module with a generator of sources, and its line in `sources`. Uncertainties that only scale a sample
(``mu_bkg_*``) and simulation statistics need no varied events: they are in :mod:`analysis.workspace`.
"""

from __future__ import annotations

from analysis.config.models import Dataset, Systematics, Weights
from analysis.systematics import form_factor, kaon_id, reconstruction, scale, tracking
from analysis.systematics.components import Elements, Family
from analysis.systematics.source import Shift, Source, Variation
from analysis.weights.kaon_id import KaonIdTable

__all__ = ["Elements", "Family", "Shift", "Source", "Variation", "sources"]


def sources(
    dataset: Dataset, weights: Weights, settings: Systematics, kaon_id_table: KaonIdTable | None = None
) -> tuple[Source | Family, ...]:
    """Return every source that the configuration switches on, in a fixed order.

    Parameters
    ----------
    dataset, weights, settings
        Parts of the configuration.
    kaon_id_table
        The table named by ``weights.kaon_id``, if there is one.
    """
    return (
        *scale.sources(dataset, settings),
        *kaon_id.sources(kaon_id_table, settings),
        *tracking.sources(settings),
        *form_factor.sources(weights, settings),
        *reconstruction.sources(settings),
    )
