"""What the detector makes of particles: tracks and calorimeter clusters.

The numbers are those of `analysis.simulation.detector`. Not simulated: material (conversions, scattering, secondary
particles), the field (tracks are straight lines from their vertex), overlapping showers, and time.
"""

from analysis.simulation.response.clusters import Clusters, Kind, beam_clusters, measure_clusters
from analysis.simulation.response.fakes import with_fake_kaon, with_fake_lepton
from analysis.simulation.response.tracks import Detected, Tracks, detect, measure_tracks, measured

__all__ = [
    "Clusters", "Detected", "Kind", "Tracks", "beam_clusters", "detect", "measure_clusters", "measure_tracks",
    "measured", "with_fake_kaon", "with_fake_lepton",
]  # fmt: skip
