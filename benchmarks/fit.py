"""Fits of HistFactory models: our engine beside pyhf (SLSQP, Minuit, jax) and cabinetry.

    python benchmarks/fit.py [--models small main] [--published FILE] [--slow] [--repeat 3] [--output fit.json]
                             [--peers pyhf-slsqp pyhf-minuit pyhf-jax cabinetry]

Times are CPU seconds of one thread (the threads of numpy and jax are limited before they are imported). Ours and
the peer's turns alternate, so that a busy machine hits both; the median counts. Before any time is taken a gate
demands that both find the same minimum. ``--slow`` adds what takes a peer minutes: ranking and limit by cabinetry,
the main model by Minuit and cabinetry. At the end the bars that the project sets itself stand beside what was
measured; the exit code is 1 if one is missed.

jax and cabinetry are no dependencies of the project; peers that are not installed are named and left out. An
environment with all of them, apart from the project's own:

    python -m venv peers
    peers/bin/pip install "pyhf[minuit]==0.7.6" jax cabinetry pydantic
    peers/bin/python benchmarks/fit.py --slow --output fit.json
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import math
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

Workspace = dict[str, Any]
PEERS = ("pyhf-slsqp", "pyhf-minuit", "pyhf-jax", "cabinetry")


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


MODELS: dict[str, Callable[[], Workspace]] = {
    "small": lambda: model(1, 12, 5, 7, 45),
    "main": lambda: model(3, 24, 7, 12, 70),
}


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
        self._select()
        spec = pyhf.Workspace(workspace)
        self.model = spec.model()
        self.data = spec.data(self.model)

    def _select(self) -> None:
        optimizers = self.pyhf.optimize
        if self.kind == "pyhf-minuit":
            self.pyhf.set_backend("numpy", optimizers.minuit_optimizer())
        else:
            backend = "jax" if self.kind == "pyhf-jax" else "numpy"
            self.pyhf.set_backend(backend, optimizers.scipy_optimizer(), precision="64b")

    def fit(self) -> tuple[float, float]:
        """Return μ̂ and 2NLL."""
        self._select()
        values, twice_nll = self.pyhf.infer.mle.fit(self.data, self.model, return_fitted_val=True)
        return float(values[self.model.config.poi_index]), float(twice_nll)

    def cls(self, mu: float) -> float:
        """Return the observed asymptotic CLs at ``mu``."""
        self._select()
        logging.getLogger("pyhf").setLevel(logging.ERROR)  # it recommends q for models with μ < 0; q̃ is wanted
        return float(self.pyhf.infer.hypotest(mu, self.data, self.model))


class Cabinetry:
    """cabinetry, which fits with pyhf and Minuit.

    Its direct use of Minuit (``custom_fit``) is taken: through pyhf's interface, its default, the fit of the small
    model ended 0.01 σ from the minimum, and the ranking with FailedMinimization.
    """

    name = "cabinetry"

    def __init__(self, workspace: Workspace, ours: Ours) -> None:
        import cabinetry

        self.cabinetry = cabinetry
        self.model, self.data = cabinetry.model_utils.model_and_data(workspace)
        self.ours = ours

    def fit(self) -> tuple[float, float]:
        """Return μ̂ and 2NLL."""
        found = self.cabinetry.fit.fit(self.model, self.data, custom_fit=True)
        return float(found.bestfit[self.model.config.poi_index]), float(found.best_twice_nll)

    def fit_with_errors(self) -> tuple[float, float, float]:
        """Return μ̂ with its MINOS errors."""
        name = self.model.config.poi_name
        found = self.cabinetry.fit.fit(self.model, self.data, minos=[name], custom_fit=True)
        low, high = found.minos_uncertainty[name]
        return float(found.bestfit[self.model.config.poi_index]), float(low), float(high)

    def ranking(self) -> dict[str, tuple[float, float]]:
        """Return post-fit impacts up and down of every parameter.

        The parameters are held where we hold them: Minuit's errors, from finite differences, are up to 0.7 % smaller,
        which would shift impacts by as much and say nothing about the fits. Its default tolerance leaves 0.003 σ.
        """
        import numpy as np

        engine = self.ours.engine
        best = engine.minimise()
        covariance = engine.covariance(best.x, best.free)
        errors = np.sqrt(np.diag(covariance))
        start = self.cabinetry.fit.FitResults(
            best.x, errors, list(engine.problem.names), covariance / np.outer(errors, errors), best.twice_nll
        )
        found = self.cabinetry.fit.ranking(self.model, self.data, fit_results=start, custom_fit=True, tolerance=1e-3)
        return {
            label: (float(up), float(down))
            for label, up, down in zip(found.labels, found.postfit_up, found.postfit_down, strict=True)
        }

    def limit(self) -> list[float]:
        """Return observed and expected 95 % limits."""
        found = self.cabinetry.fit.limit(self.model, self.data)
        return [float(found.observed_limit), *map(float, found.expected_limit)]


def judged(ours: Ours) -> float:
    """Return how far, in σ(μ), pyhf's own likelihood moves our impacts: the largest of all parameters, up and down.

    Where a peer's ranking differs by what its tolerance leaves (Minuit's differences end at an EDM of 10⁻⁶ to 10⁻⁵, a
    few 10⁻³ σ) this says who is right: from each of our conditional minima one Newton step is taken with the gradient
    and Hessian that jax derives from pyhf's likelihood. At the minimum it leads nowhere.
    """
    import jax
    import numpy as np
    import pyhf

    pyhf.set_backend("jax", precision="64b")
    spec = pyhf.Workspace(ours.workspace)
    model = spec.model()
    data = np.asarray(spec.data(model))

    def twice_nll(x: Any) -> Any:
        return -2 * model.logpdf(x, data)[0]

    slope, curvature = jax.jit(jax.grad(twice_nll)), jax.jit(jax.hessian(twice_nll))
    engine = ours.engine
    best, poi = engine.minimise(), engine.problem.poi
    errors = np.sqrt(np.diag(engine.covariance(best.x, best.free)))
    largest = 0.0
    for index in np.flatnonzero(best.free):
        if index == poi:
            continue
        free = best.free.copy()
        free[index] = False
        for sign in (1.0, -1.0):
            held = {int(index): float(best.x[index] + sign * errors[index])}
            x = engine.minimise(fixed=held, start=best.x).x
            block = np.asarray(curvature(x))[np.ix_(free, free)]
            move = np.zeros_like(x)
            move[free] = -np.linalg.solve(block, np.asarray(slope(x))[free])
            largest = max(largest, abs(float(move[poi])) / ours.sigma)
    return largest


def cpu(function: Callable[[], Any]) -> tuple[float, Any]:
    """Return CPU seconds of a call, and its result."""
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def alternate(ours: Callable[[], Any], theirs: Callable[[], Any], repeat: int) -> tuple[float, float, Any, Any]:
    """Take turns; return the median times and the last results."""
    mine, peers = [], []
    for _ in range(repeat):
        mine.append(cpu(ours))
        peers.append(cpu(theirs))
    return (
        statistics.median(t for t, _ in mine),
        statistics.median(t for t, _ in peers),
        mine[-1][1],
        peers[-1][1],
    )


def available(peer: str) -> bool:
    """Tell whether a peer can be imported."""
    needed = {"pyhf-jax": "jax", "cabinetry": "cabinetry"}.get(peer, "pyhf")
    return importlib.util.find_spec(needed) is not None


def make_peer(peer: str, workspace: Workspace, ours: Ours) -> Any:
    """Build a peer's model."""
    return Cabinetry(workspace, ours) if peer == "cabinetry" else Pyhf(workspace, peer)


def gate(ours: Ours, peer: Any) -> dict[str, float]:
    """Demand one minimum: ours never above the peer's, and μ̂ as close as the peer's tolerance allows."""
    mu, twice_nll = ours.fit()
    peer_mu, peer_twice_nll = peer.fit()  # also warms a compiler up
    above = twice_nll - peer_twice_nll
    if above > 1e-6 or above < -0.1:
        raise SystemExit(f"gate: 2NLL {twice_nll!r} here, {peer_twice_nll!r} by {peer.name}")
    return {"mu": mu, "mu_peer": peer_mu, "twice_nll_minus_peer": above}


def tasks(ours: Ours, peer: Any, slow: bool) -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """Return what both can do."""
    found: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {"fit": (ours.fit, peer.fit)}
    if isinstance(peer, Pyhf) and peer.kind != "pyhf-minuit":
        found["CLs at 2"] = (lambda: ours.cls(2.0), lambda: peer.cls(2.0))
    if isinstance(peer, Cabinetry):
        found["fit + MINOS"] = (ours.fit_with_errors, peer.fit_with_errors)
        if slow and len(ours.engine.problem.names) < 100:  # hours for more parameters
            found["ranking"] = (ours.ranking, peer.ranking)
            found["limit"] = (ours.limit, peer.limit)
    return found


def compare(task: str, ours: Any, theirs: Any, sigma: float) -> dict[str, float]:
    """Return the largest difference of two results: relative to σ(μ), but absolute for CLs."""
    if isinstance(ours, dict):
        if ours.keys() != theirs.keys():
            raise SystemExit(f"{task}: the parameters differ: {sorted(ours.keys() ^ theirs.keys())[:5]} …")
        pairs = [pair for key in ours for pair in zip(ours[key], theirs[key], strict=True)]
    elif isinstance(ours, float):
        pairs = [(ours, theirs)]
    else:
        pairs = list(zip(ours, theirs, strict=True))
    if task == "fit":
        pairs = pairs[:1]  # μ̂; 2NLL is the gate's
    largest = max(abs(a - b) for a, b in pairs)
    return {"difference": largest} if task.startswith("CLs") else {"difference_in_sigma": largest / sigma}


def alone(name: str, ours: Ours, repeat: int) -> list[Workspace]:
    """Time ours by itself."""
    rows = []
    for label, function in (
        ("fit", ours.fit),
        ("fit + MINOS", ours.fit_with_errors),
        ("ranking", ours.ranking),
        ("limit", ours.limit),
        ("1000 toys", lambda: ours.toys(1000)),
        ("everything", ours.everything),
    ):
        seconds = statistics.median(cpu(function)[0] for _ in range(repeat))
        rows.append({"model": name, "task": label, "peer": None, "ours_s": seconds})
        print(f"{name:<10} {label:<12} {seconds:10.4f} s", flush=True)
    return rows


@dataclass(frozen=True)
class Bar:
    """What a row of the results must reach: at least (``least``) or at most (``most``)."""

    model: str
    task: str
    peer: str | None
    key: str
    least: float = -math.inf
    most: float = math.inf

    def check(self, rows: list[Workspace]) -> bool | None:
        """Print the measured value beside the bar; None where the row is missing."""
        wanted = f"≥ {self.least:g}" if self.least > -math.inf else f"≤ {self.most:g}"
        label = f"{self.model:<10} {self.task:<12} {self.peer or '':<12} {self.key:<20} {wanted:>9}"
        for row in rows:
            if (row["model"], row["task"], row["peer"]) == (self.model, self.task, self.peer):
                met = self.least <= row[self.key] <= self.most
                print(f"{label} {row[self.key]:12.4g}  {'met' if met else 'MISSED'}")
                return met
        print(f"{label} {'not run':>12}")
        return None


BARS = (
    Bar("main", "fit", "pyhf-slsqp", "ratio", least=500),
    Bar("main", "fit", "pyhf-jax", "ratio", least=40),
    Bar("main", "1000 toys", None, "ours_s", most=3.0),
    Bar("small", "ranking", "cabinetry", "ratio", least=300),
    Bar("small", "ranking", "cabinetry", "difference_in_sigma", most=1e-3),
    Bar("small", "ranking judged", "pyhf-jax", "difference_in_sigma", most=1e-3),
    Bar("small", "fit + MINOS", "cabinetry", "difference_in_sigma", most=1e-3),
    Bar("main", "fit + MINOS", "cabinetry", "difference_in_sigma", most=1e-3),
    Bar("small", "CLs at 2", "pyhf-slsqp", "difference", most=1e-5),
    Bar("small", "CLs at 2", "pyhf-jax", "difference", most=1e-5),
    Bar("main", "CLs at 2", "pyhf-jax", "difference", most=1e-5),
    Bar("published", "everything", None, "ours_s", most=10.0),
)


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--published", metavar="FILE", help="a workspace file as a third model")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=PEERS)
    parser.add_argument("--slow", action="store_true", help="what takes a peer minutes")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--output", metavar="JSON")
    args = parser.parse_args()
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    workspaces = {name: MODELS[name]() for name in args.models}
    if args.published:
        workspaces["published"] = json.loads(Path(args.published).read_text())
    rows: list[Workspace] = []
    for name, workspace in workspaces.items():
        ours = Ours(workspace)
        print(f"{name}: {len(ours.engine.problem.names)} parameters, {ours.engine.name}")
        rows += alone(name, ours, args.repeat)
        for kind in args.peers:
            if not available(kind):
                print(f"{name:<10} {kind} is not installed: left out")
                continue
            if name != "small" and kind in ("pyhf-minuit", "cabinetry") and not args.slow:
                continue
            peer = make_peer(kind, workspace, ours)
            checked = gate(ours, peer)
            if kind == "pyhf-jax" and name == "small":
                rows.append(
                    {"model": name, "task": "ranking judged", "peer": kind, "difference_in_sigma": judged(ours)}
                )
            print(f"{name:<10} gate passed: 2NLL − {kind}'s = {checked['twice_nll_minus_peer']:.2g}")
            for task, (mine, theirs) in tasks(ours, peer, args.slow).items():
                repeat = 1 if task in ("ranking", "limit") else args.repeat
                ours_s, peer_s, a, b = alternate(mine, theirs, repeat)
                row = {"model": name, "task": task, "peer": kind, "ours_s": ours_s, "peer_s": peer_s}
                differences = compare(task, a, b, ours.sigma)
                row |= {"ratio": peer_s / ours_s, **differences, **checked}
                rows.append(row)
                difference = ", ".join(f"{key} {value:.2g}" for key, value in differences.items())
                print(
                    f"{name:<10} {task:<12} {ours_s:10.4f} s  {kind:<12} {peer_s:10.3f} s  ×{row['ratio']:<8.0f}"
                    f" {difference}",
                    flush=True,
                )
                if args.output:
                    Path(args.output).write_text(json.dumps(rows, indent=1) + "\n")
    print("bars:")
    met = [bar.check(rows) for bar in BARS]
    if args.output:
        Path(args.output).write_text(json.dumps(rows, indent=1) + "\n")
    if False in met:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
