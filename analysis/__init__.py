"""B⁺ → K⁺νν̄ at Belle II with semileptonic tagging: from basf2 ntuples to the signal strength μ."""

__version__ = "0.1.0"
