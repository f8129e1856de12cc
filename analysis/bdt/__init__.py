"""Boosted decision trees: folds by hash, out-of-fold scores everywhere, η frozen with the model.

``folds``        which fold an event belongs to, whatever the order of the rows
``inputs``       the matrix of inputs, checked for NaN and infinities
``train``        training
``eta``          the monotone map from score to η = 1 − signal efficiency
``model``        what is frozen: trees and η map of every fold, inputs; and its application
``metrics``      weighted ROC, AUC with error, Kolmogorov–Smirnov, correlations
``diagnostics``  from training data and model to the training report
``report``       what the training report holds (training.json)
"""
