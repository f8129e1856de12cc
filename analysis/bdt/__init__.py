"""Boosted decision trees: folds by hash, out-of-fold scores everywhere, η frozen with the model.

``folds``    which fold an event belongs to, whatever the order of the rows
``inputs``   the matrix of inputs, checked for NaN and infinities
``eta``      the monotone map from score to η = 1 − signal efficiency
``model``    what is frozen: trees of every fold, inputs, η map; and its application
``train``    training
``metrics``  weighted ROC, AUC with error, Kolmogorov–Smirnov, correlations, histograms
``report``   what the training report holds (training.json)
"""
