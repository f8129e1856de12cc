"""Kaon identification: the uncertainties of the table of data/simulation ratios."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.config.models import Systematics
from analysis.systematics.components import Elements, Family
from analysis.systematics.source import SIMULATED, Columns, Shift, Source, Variation
from analysis.weights.kaon_id import KaonIdTable, kaon_id_variations

COLUMNS = frozenset({"K_p", "K_theta", "K_charge", "K_mcPDG"})


def sources(table: KaonIdTable | None, settings: Systematics) -> Iterator[Source | Family]:
    """Yield ``corr_pid_c1``, the table's correlated part, and ``corr_pid_c2`` …, its statistical part.

    The systematic uncertainties of the table move all bins together. The statistical ones are independent from bin to
    bin; their principal components in the space of the templates become parameters.
    """
    if table is None or not settings.kaon_id:
        return

    def systematic(columns: Columns) -> Variation:
        found = kaon_id_variations(table, columns)
        return Variation(Shift(found.syst_up), Shift(found.syst_down))

    def statistical(columns: Columns) -> Elements:
        found = kaon_id_variations(table, columns)
        return Elements(found.bin, found.stat_up, found.stat_down)

    yield Source(
        "corr_pid_c1",
        "kaon identification",
        SIMULATED,
        COLUMNS,
        systematic,
        "systematic uncertainties of the table `weights.kaon_id`, all bins together",
    )
    yield Family(
        "corr_pid",
        2,
        "kaon identification",
        SIMULATED,
        COLUMNS,
        "statistical uncertainties of the table `weights.kaon_id`, independent from bin to bin",
        len(table.names),
        statistical,
    )
