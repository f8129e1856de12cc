"""Figures: pure functions from data to a matplotlib figure; only :func:`analysis.plots.style.save` writes files."""

# Panels on one page of input variables; the workflow counts the pages by it, without importing matplotlib.
PANELS_PER_PAGE = 6
