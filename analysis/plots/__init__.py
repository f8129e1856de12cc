"""Figures: pure functions from data to a matplotlib figure; only :func:`analysis.plots.style.save` writes files."""
