"""What benchmarks/fit.py compares: the reference models, our engine, pyhf and cabinetry."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

sys.path.insert(0, str(Path(__file__).parents[1]))

Workspace = dict[str, Any]


def model(channels: int, bins: int, samples: int, norms: int, shapes: int, seed: int = 1) -> Workspace:
    """Make a workspace: a signal bump over falling backgrounds, normsys, histosys and pooled staterror."""
    import numpy as np

    rng = np.random.default_rng(seed)
    x = (np.arange(bins) + 0.5) / bins
    spec: list[Workspace] = []
    observed = []
    for c in range(channels):
        total, entries = np.zeros(bins), []
        for s in range(samples):
            if s == 0:
                nominal = 30 * np.exp(-0.5 * ((x - 0.6) / 0.25) ** 2)
            else:
                nominal = 400 / s * np.exp(-x * (0.5 + 0.3 * s)) * (1 + 0.3 * np.sin(3 * x + s + c))
            total += nominal
            modifiers: list[Workspace] = []
            if s == 0:
                modifiers.append({"name": "mu", "type": "normfactor", "data": None})
            for k in range(norms):
                if (s and k % (samples - 1) == s - 1) or k == norms - 1:
                    size = 0.05 + 0.02 * k
                    data = {"hi": 1 + size, "lo": 1 - 0.9 * size}
                    modifiers.append({"name": f"norm{k}", "type": "normsys", "data": data})
            for k in range(shapes):
                if (k + s + c) % 3:
                    shape = rng.normal(0, 0.02) * np.cos(np.pi * x * (1 + k % 4) + k)
                    data = {
                        "hi_data": (nominal * (1 + shape)).tolist(),
                        "lo_data": (nominal * (1 - 0.9 * shape)).tolist(),
                    }
                    modifiers.append({"name": f"shape{k}", "type": "histosys", "data": data})
            errors = (0.5 * np.sqrt(nominal)).tolist()
            modifiers.append({"name": f"stat{c}", "type": "staterror", "data": errors})
            entries.append({"name": f"sample{s}", "data": nominal.tolist(), "modifiers": modifiers})
        spec.append({"name": f"channel{c}", "samples": entries})
        observed.append({"name": f"channel{c}", "data": rng.poisson(total).astype(float).tolist()})
    parameters = [{"name": "mu", "bounds": [[-10.0, 20.0]], "inits": [1.0]}]
    return {
        "version": "1.0.0",
        "channels": spec,
        "observations": observed,
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": parameters}}],
    }


def sparse(channels: int, samples: int, shapes: int, norms: int, seed: int = 1) -> Workspace:
    """Make a workspace of many counting channels, as searches with hundreds of parameters publish them.

    A histosys acts on one cell in ten. Every second normsys shares its parameter with a histosys, and each background
    has a Poisson constrained factor of its own in each channel.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    spec: list[Workspace] = []
    observed = []
    for c in range(channels):
        total, entries = 0.0, []
        for s in range(samples):
            nominal = float(rng.uniform(0.5, 2.0)) if s == 0 else float(rng.uniform(0.2, 30.0))
            total += nominal
            modifiers: list[Workspace] = [{"name": "lumi", "type": "normsys", "data": {"hi": 1.02, "lo": 0.98}}]
            if s == 0:
                modifiers.append({"name": "mu", "type": "normfactor", "data": None})
            else:
                data = [0.1 * nominal]
                modifiers.append({"name": f"stat{c}_{s}", "type": "shapesys", "data": data})
            for k in np.flatnonzero(rng.uniform(size=shapes) < 0.1).tolist():
                up, down = nominal * (1 + rng.normal(0, 0.05, 2))
                modifiers.append(
                    {"name": f"alpha{k}", "type": "histosys", "data": {"hi_data": [up], "lo_data": [down]}}
                )
            for k in range(norms):
                high, low = 1 + float(rng.uniform(0.01, 0.05)), 1 - float(rng.uniform(0.01, 0.05))
                name = f"alpha{k}" if k % 2 else f"norm{k}"
                modifiers.append({"name": name, "type": "normsys", "data": {"hi": high, "lo": low}})
            entries.append({"name": f"sample{s}", "data": [nominal], "modifiers": modifiers})
        spec.append({"name": f"channel{c}", "samples": entries})
        observed.append({"name": f"channel{c}", "data": [float(rng.poisson(total))]})
    parameters = [{"name": "mu", "bounds": [[0.0, 10.0]], "inits": [1.0]}]
    return {
        "version": "1.0.0",
        "channels": spec,
        "observations": observed,
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": parameters}}],
    }


MODELS: dict[str, Callable[[], Workspace]] = {
    "small": lambda: model(1, 12, 5, 7, 45),
    "main": lambda: model(3, 24, 7, 12, 70),
    "large": lambda: sparse(50, 7, 280, 30),
}


class Engine(Protocol):
    """What is common to ours and the peers'."""

    name: str

    def select(self) -> None:
        """Make pyhf's backend the one that is used; a switch takes time, which is nobody's."""

    def fit(self) -> tuple[float, float]:
        """Return μ̂ and 2NLL."""


class Ours:
    """Our engine; built once, as the peers' models are."""

    name = "this project"

    def __init__(self, workspace: Workspace) -> None:
        from analysis.inference.engines import make_engine
        from analysis.inference.problem import load

        self.workspace = workspace
        self.engine = make_engine(load(workspace))
        best = self.engine.minimise()
        poi = self.engine.problem.poi
        self.sigma = math.sqrt(self.engine.covariance(best.x, best.free)[poi, poi])

    def select(self) -> None:
        """Take numpy, as the project does."""
        import pyhf

        pyhf.set_backend("numpy", precision="64b")

    def fit(self) -> tuple[float, float]:
        """Return μ̂ and 2NLL."""
        best = self.engine.minimise()
        return float(best.x[self.engine.problem.poi]), best.twice_nll

    def fit_with_errors(self) -> tuple[float, float, float]:
        """Return μ̂ with its MINOS errors."""
        from analysis.inference.profile import Profile, minos

        best = self.engine.minimise()
        poi = self.engine.problem.poi
        covariance = self.engine.covariance(best.x, best.free)
        low, high, _ = minos(Profile(self.engine, poi, best), math.sqrt(covariance[poi, poi]))
        return float(best.x[poi]), low, high

    def ranking(self) -> dict[str, tuple[float, float]]:
        """Return post-fit impacts up and down of every parameter."""
        from analysis.inference.impacts import impacts

        return {row.name: (row.up, row.down) for row in impacts(self.workspace).impacts}

    def cls(self, mu: float) -> float:
        """Return the observed asymptotic CLs at ``mu``, all fits included."""
        from analysis.inference.limits import AsymptoticCLs

        return AsymptoticCLs.prepare(self.engine, self.engine.minimise()).cls(mu)

    def limit(self) -> list[float]:
        """Return observed and expected 95 % limits."""
        from analysis.inference.limits import AsymptoticCLs

        found = AsymptoticCLs.prepare(self.engine, self.engine.minimise()).limit(0.95)
        return [found.observed, *found.expected]

    def everything(self) -> None:
        """Do what an analyst asks for: read, fit, MINOS(μ), significance, limit, ranking of all parameters."""
        from analysis.inference.fit import fit_workspace

        fit_workspace(self.workspace)
        self.ranking()

    def toys(self, n: int) -> float:
        """Fit ``n`` toys; return the mean of μ̂."""
        from analysis.inference.toys import fit_toys

        return float(fit_toys(self.engine, self.engine.problem.init, n, seed=1).mu_hat.mean())


class Pyhf:
    """pyhf with one backend and optimizer."""

    def __init__(self, workspace: Workspace, kind: str) -> None:
        import pyhf

        self.name = kind
        self.pyhf = pyhf
        self.kind = kind
        self.select()
        spec = pyhf.Workspace(workspace)
        self.model = spec.model()
        self.data = spec.data(self.model)

    def select(self) -> None:
        """Take the backend and optimizer."""
        optimizers = self.pyhf.optimize
        if self.kind == "pyhf-minuit":
            self.pyhf.set_backend("numpy", optimizers.minuit_optimizer())
        else:
            backend = "jax" if self.kind == "pyhf-jax" else "numpy"
            self.pyhf.set_backend(backend, optimizers.scipy_optimizer(), precision="64b")

    def fit(self) -> tuple[float, float]:
        """Return μ̂ and 2NLL."""
        values, twice_nll = self.pyhf.infer.mle.fit(self.data, self.model, return_fitted_val=True)
        return float(values[self.model.config.poi_index]), float(twice_nll)

    def cls(self, mu: float) -> float:
        """Return the observed asymptotic CLs at ``mu``."""
        logging.getLogger("pyhf").setLevel(logging.ERROR)  # it recommends q for models with μ < 0; q̃ is wanted
        return float(self.pyhf.infer.hypotest(mu, self.data, self.model))


class Cabinetry:
    """cabinetry, which fits with pyhf and Minuit.

    As it is, its fits stop where Minuit's tolerance and finite differences let them: impacts are within 0.003 σ. Its
    limits are within 0.01 in μ (``poi_tolerance``), and 0.002 σ for another reason: the Asimov data of the bands are
    made from a fit that stopped early; from those of a fit by SLSQP, Minuit finds the CLs that we find.

    ``converged`` takes the settings that let Minuit go to the end: gradients by jax, ``strategy=2``, and a small
    tolerance (without strategy 2 some fits of a ranking fail).
    """

    def __init__(self, workspace: Workspace, ours: Ours, *, converged: bool = False) -> None:
        import cabinetry

        self.name = "cabinetry-jax" if converged else "cabinetry"
        self.cabinetry = cabinetry
        self.backend = "jax" if converged else "numpy"
        self._settings: dict[str, Any] = {"strategy": 2, "tolerance": 1e-5} if converged else {}
        self.select()
        self.model, self.data = cabinetry.model_utils.model_and_data(workspace)
        self.ours = ours

    def select(self) -> None:
        """Take the backend; cabinetry sets Minuit itself."""
        import pyhf

        pyhf.set_backend(self.backend, precision="64b")

    def fit(self) -> tuple[float, float]:
        """Return μ̂ and 2NLL."""
        found = self.cabinetry.fit.fit(self.model, self.data, **self._settings)
        return float(found.bestfit[self.model.config.poi_index]), float(found.best_twice_nll)

    def fit_with_errors(self) -> tuple[float, float, float]:
        """Return μ̂ with its MINOS errors."""
        name = self.model.config.poi_name
        found = self.cabinetry.fit.fit(self.model, self.data, minos=[name], **self._settings)
        low, high = found.minos_uncertainty[name]
        return float(found.bestfit[self.model.config.poi_index]), float(low), float(high)

    def ranking(self) -> dict[str, tuple[float, float]]:
        """Return post-fit impacts up and down of every parameter.

        The parameters are held where we hold them: Minuit's errors, from finite differences, are up to 0.7 % smaller,
        which would shift impacts by as much and say nothing about the fits.
        """
        import numpy as np

        engine = self.ours.engine
        best = engine.minimise()
        covariance = engine.covariance(best.x, best.free)
        errors = np.sqrt(np.diag(covariance))
        start = self.cabinetry.fit.FitResults(
            best.x, errors, list(engine.problem.names), covariance / np.outer(errors, errors), best.twice_nll
        )
        found = self.cabinetry.fit.ranking(self.model, self.data, fit_results=start, **self._settings)
        return {
            label: (float(up), float(down))
            for label, up, down in zip(found.labels, found.postfit_up, found.postfit_down, strict=True)
        }

    def limit(self) -> list[float]:
        """Return observed and expected 95 % limits."""
        found = self.cabinetry.fit.limit(self.model, self.data, **self._settings)
        return [float(found.observed_limit), *map(float, found.expected_limit)]
