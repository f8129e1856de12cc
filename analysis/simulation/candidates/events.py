"""Reconstructed events."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.simulation.detector import DETECTOR, Beams
from analysis.simulation.response import Clusters, Tracks
from analysis.simulation.tags import Pi0s, Tags


@dataclass(frozen=True)
class Events:
    """Reconstructed events: tracks, clusters, photon pairs, tags, all sorted by event, and the beams they come from."""

    n: int
    tracks: Tracks
    clusters: Clusters
    pi0s: Pi0s
    tags: Tags
    beams: Beams = DETECTOR.beams
