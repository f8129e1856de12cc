"""Matrices of correlations, with their numbers in the cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from analysis.plots.histograms import Floats
from analysis.plots.style import DIVERGING, text_colour


def draw_matrix(axes: Axes, matrix: Floats, labels: Sequence[str], figure: Figure, *, size_of_text: float) -> None:
    """Draw a correlation matrix with its numbers in per cent.

    Parameters
    ----------
    axes, figure
        Where; the colour bar goes beside the axes.
    matrix : (n, n) float64
        Cells with NaN stay empty.
    labels
        Of rows and columns, n.
    size_of_text
        Of the numbers, points.
    """
    size = len(labels)
    scale = Normalize(-1.0, 1.0)
    image = axes.imshow(np.ma.masked_invalid(matrix), cmap=DIVERGING, norm=scale, interpolation="none")
    for row in range(size):
        for column in range(size):
            value = matrix[row, column]
            if np.isfinite(value) and abs(value) >= 0.005:
                red, green, blue, _ = image.cmap(scale(value))
                axes.text(
                    column, row, f"{100 * value:.0f}".replace("-", "−"), ha="center", va="center",
                    fontsize=size_of_text, color=text_colour((red, green, blue)),
                )  # fmt: skip
    axes.set_xticks(range(size), labels, rotation=90, fontsize=8.5)
    axes.set_yticks(range(size), labels, fontsize=8.5)
    axes.tick_params(which="both", top=False, right=False, left=False, bottom=False)
    bar = figure.colorbar(image, ax=axes, shrink=0.85, pad=0.02)
    bar.set_label("Correlation; numbers in %", loc="center")
