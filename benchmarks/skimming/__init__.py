"""Parts of ``benchmarks/skim.py``: the samples, the contestants, and the formats of the result."""
