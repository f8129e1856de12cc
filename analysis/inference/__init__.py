"""Fits of any pyhf workspace: estimates, intervals, limits, toys and impacts.

The narrow interface is :func:`analysis.inference.fit.fit_workspace`, which takes a workspace and
returns a :class:`analysis.inference.results.FitResult`. pyhf is imported only by the modules
inside.
"""
