"""Is the toy what it claims to be? Checks with pass and fail, and what they rest on.

``document``     what ``generator.json`` and ``simulation.json`` hold
``statistics``   two-sample and goodness-of-fit tests for rows that share simulated decays
``ranges``       the values that each column of an ntuple may take
``generator``    q² spectrum, kaon identification, pools against whole events
``tags``         efficiency per mode, mass peaks, signal probability: with ``generator`` all that imports the simulation
``samples``      what the samples of the workflow hold: ranges, composition
"""
