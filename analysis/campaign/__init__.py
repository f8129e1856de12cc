"""Prompt-calibration campaigns: from one YAML through review and calibration to a closed bucket.

A campaign recalibrates one bucket, an interval of runs. Its only interface is a git repository of its own, in which
every campaign has a folder; see `analysis.campaign.layout`. basf2's words are used throughout: a *task* is one
calibration (`CalibrationSettings`), run as ``b2caf-prompt-run`` runs it.
"""
