"""A small campaign to try everything with: two real calibrations on collisions that are made here.

The centre-of-mass energy comes from the invariant mass of muon pairs, the scale of photon energies from e⁺e⁻ → γγ,
whose photons have a known energy for each direction once the collision energy is known: so one depends on the other.
Offsets are planted in the samples and found again by the fits.
"""
