"""Toy samples: PYTHIA, a crude detector, semileptonic tags, and ntuples in basf2's layout.

Read from `chunk` down.

One file, and what it is written as:

``chunk``         a file of simulation, or of pseudo-data mixed from all processes
``planting``      differences between pseudo-data and simulation
``runs``          runs of data taking, of pseudo-data and run-dependent simulation
``background``    beam background, run by run
``buckets``       which calibrated bucket and which runs a file is of
``ntuple``        the TTree, byte for byte the same from the same seed
``sidecar``       the metadata beside it
``decay_hashes``  hashes of true decays, and the tree that tells what they stand for

Processes: decays are generated once and used many times, those with good prospects most often, with weights:

``bbbar``         signal, charged, mixed: pairs of B decays, with true tags and wrong ones
``continuum``     light quarks and τ pairs: events turned about the beams
``charm``         cc̄: events and decays of their charmed hadrons, drawn together
``whole``         every decay used once: what the pools are compared with

What they are made with, step by step:

``pools``         tags that are found, to be paired
``pairs``         pairs for wrong tags, drawn by what is found of either decay
``prospects``     importance before anything is measured: how often to use what
``triage``        which events are worth going on with, once particles are found or measured
``sides``         decays in the laboratory, measured step by step
``rows``          candidates on their way to the ntuple

Reconstruction, of any event:

``candidates``    tag and kaon, the rest of the event, its shape, systematic variations
``eventshape``    KSFW moments, CLEO cones, sphericity
``tags``          combining, matching to truth, signal probability and its training
``tag_modes``     the FEI's modes of B, D* and D
``response``      tracks, clusters, fakes made to order
``detector``      every number of the detector, with its source

Generation and truth:

``generator``     PYTHIA, as arrays
``dalitz``        electrons of π⁰ decays in continuum, made more often
``channels``      forced tags, added rare decays, strata
``true_tags``     what a decay is to a tag
``truth``         labels of the signal side's decay
``histories``     who decayed to whom, as basf2's decay strings
``pairing``       from rest frames to the laboratory
``kinematics``    four-vectors
``jagged``        lists of different lengths in flat arrays
"""
