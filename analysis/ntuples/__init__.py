"""Reading flat ROOT ntuples: cut expressions, streaming readers, baskets."""
