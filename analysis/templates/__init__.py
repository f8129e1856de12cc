"""Templates: every sample histogrammed in the bins of the likelihood, with its systematic variations."""
