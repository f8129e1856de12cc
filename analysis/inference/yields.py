"""Expected events before and after the fit, with their errors."""

from __future__ import annotations

import numpy as np

from analysis.inference.engine import Engine, Floats, Minimum
from analysis.inference.results import ChannelYields, Yields


def yields(engine: Engine, best: Minimum, covariance: Floats) -> Yields:
    """Return pre- and post-fit yields; the errors are J V Jᵀ.

    Parameters
    ----------
    engine
        A fitted engine.
    best
        Its minimum.
    covariance : (P, P) float64
        Of the parameters; zero for those held.
    """
    problem = engine.problem
    by_sample = engine.expected(best.x)
    jacobian = engine.expected_jacobian(best.x)
    spread = jacobian @ covariance @ jacobian.T
    prior = np.where(np.isnan(problem.width) | problem.fixed, 0.0, problem.width) ** 2
    jacobian_0 = engine.expected_jacobian(problem.init)
    prefit_error = np.sqrt(np.einsum("bp,p,bp->b", jacobian_0, prior, jacobian_0))
    prefit = engine.expected(problem.init).sum(axis=0)
    error = np.sqrt(np.maximum(np.diag(spread), 0.0))
    channels = []
    for name, where in problem.model.config.channel_slices.items():
        present = {
            sample["name"]
            for channel in problem.model.spec["channels"]
            if channel["name"] == name
            for sample in channel["samples"]
        }
        channels.append(
            ChannelYields(
                channel=name,
                observed=problem.data[where].tolist(),
                samples={
                    sample: by_sample[row, where].tolist()
                    for row, sample in enumerate(problem.model.config.samples)
                    if sample in present
                },
                # As the model has it: never below 0, whatever the samples add up to.
                total=np.maximum(by_sample[:, where].sum(axis=0), 0.0).tolist(),
                total_error=error[where].tolist(),
                prefit=prefit[where].tolist(),
                prefit_error=prefit_error[where].tolist(),
            )
        )
    return Yields(channels=channels, covariance=spread.tolist())
