"""The published Belle II likelihood (HEPData 10.17182/hepdata.166082, arXiv:2507.12393)."""

from __future__ import annotations

import numpy as np
import pyhf
import pytest

from analysis.inference.fit import fit_workspace

# Reference: logpdf at the suggested initial parameters.
LOGPDF = {1.0: -127.21182488859057, 0.5: -136.724765413002, 1.5: -118.74875703814962}


def only(workspace, keep):
    """Keep the channels that ``keep`` accepts."""
    return workspace | {
        key: [item for item in workspace[key] if keep(item["name"])] for key in ("channels", "observations")
    }


def test_likelihood_is_the_published_one(published):
    from analysis.inference.likelihood import Likelihood
    from analysis.inference.problem import load

    problem = load(published)
    likelihood = Likelihood(problem)
    for mu, logpdf in LOGPDF.items():
        x = problem.init.copy()
        x[problem.poi] = mu
        assert -likelihood.value(x[None], likelihood.measure(problem.data[None]))[0] == pytest.approx(logpdf, abs=1e-10)


@pytest.mark.parametrize(
    ("channels", "mu", "over_zero", "from_one", "n_parameters"),
    [
        ("all", (4.599, -1.326, 1.349), 3.46, 2.72, 232),
        ("ITA", (5.415, -1.466, 1.484), 3.54, 2.93, None),
        ("HTA", (2.179, -1.967, 2.364), 1.11, 0.58, None),
    ],
)
def test_published_results(published, channels, mu, over_zero, from_one, n_parameters):
    wanted = {"all": lambda _: True, "ITA": lambda n: n != "sgn1_had", "HTA": lambda n: n == "sgn1_had"}
    workspace = only(published, wanted[channels])
    if channels != "HTA":
        # The ITA value lies within pyhf's default bound of 10, its interval too.
        assert workspace["measurements"][0]["config"]["parameters"] == []
    fit = fit_workspace(workspace)
    assert (fit.mu.value, fit.mu.error_lo, fit.mu.error_hi) == pytest.approx(mu, abs=0.01)
    assert fit.significance.observed == pytest.approx(over_zero, abs=0.02)
    assert fit.significance.sm == pytest.approx(from_one, abs=0.02)
    assert fit.engine.startswith("compiled")
    assert abs(fit.cross_check) < 1e-9
    if n_parameters:
        assert fit.n_parameters == n_parameters


def test_no_peer_finds_a_lower_minimum(published):
    workspace = only(published, lambda name: name == "sgn1_had")
    spec = pyhf.Workspace(workspace)
    model = spec.model()
    pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer(tolerance=1e-10))
    _, twice_nll = pyhf.infer.mle.fit(spec.data(model), model, return_fitted_val=True)
    pyhf.set_backend("numpy")
    fit = fit_workspace(workspace)
    assert 2 * fit.nll <= float(twice_nll) + 1e-6
    assert np.isclose(2 * fit.nll, float(twice_nll), atol=1e-3)
