"""Toy samples: PYTHIA, a crude detector, semileptonic tags, and ntuples in basf2's layout."""
