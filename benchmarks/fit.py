"""Fits of HistFactory models: our engine beside pyhf (SLSQP, Minuit, jax) and cabinetry.

    python benchmarks/fit.py [--models small main large] [--published FILE] [--slow] [--repeat 3] [--output fit.json]
                             [--peers pyhf-slsqp pyhf-minuit pyhf-jax cabinetry cabinetry-jax] [--tasks fit …]

Times are CPU seconds of one thread (the threads of numpy and jax are limited before they are imported). Ours and
the peer's turns alternate, so that a busy machine hits both; the median counts. Before any time is taken a gate
demands that both find the same minimum. ``--slow`` adds what takes a peer minutes: ranking and limit by cabinetry,
the main model by Minuit and cabinetry; ``--tasks`` picks some. The large model (597 parameters, 50 channels) is not
among those that are taken by default: a gradient by differences takes a peer seconds there (``--peers`` alone leaves
them out). cabinetry is timed as it is; its impacts are compared
a second time with settings that let Minuit converge (``cabinetry-jax``). At the end the bars that the project sets
itself stand beside what was measured; the exit code is 1 if one is missed.

jax and cabinetry are no dependencies of the project; peers that are not installed are named and left out. An
environment with all of them, apart from the project's own:

    python -m venv peers
    peers/bin/pip install "pyhf[minuit]==0.7.6" jax cabinetry pydantic threadpoolctl
    peers/bin/python benchmarks/fit.py --slow --output fit.json
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fit_engines import MODELS, Cabinetry, Engine, Ours, Pyhf, Workspace

PEERS = ("pyhf-slsqp", "pyhf-minuit", "pyhf-jax", "cabinetry", "cabinetry-jax")
# What each needs besides pyhf.
NEEDS = {"pyhf-jax": ["jax"], "cabinetry": ["cabinetry"], "cabinetry-jax": ["cabinetry", "jax"]}
TASKS = ("fit", "CLs at 2", "fit + MINOS", "ranking", "limit", "1000 toys", "everything")


@contextmanager
def silent() -> Iterator[None]:
    """Throw away what is printed, by Minuit's own C++ too."""
    sys.stdout.flush()
    kept = os.dup(1)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def cpu(engine: Engine, function: Callable[[], Any]) -> tuple[float, Any]:
    """Return CPU seconds of a call, and its result; the backend of pyhf is that of ``engine`` before it begins."""
    with silent():
        engine.select()
        start = time.process_time()
        result = function()
        return time.process_time() - start, result


def alternate(
    ours: Ours, peer: Engine, turns: tuple[Callable[[], Any], Callable[[], Any]], repeat: int
) -> tuple[float, float, Any, Any]:
    """Take turns; return the median times and the last results."""
    mine, peers = [], []
    for _ in range(repeat):
        mine.append(cpu(ours, turns[0]))
        peers.append(cpu(peer, turns[1]))
    return (
        statistics.median(t for t, _ in mine),
        statistics.median(t for t, _ in peers),
        mine[-1][1],
        peers[-1][1],
    )


def available(peer: str) -> bool:
    """Tell whether a peer can be imported."""
    return all(importlib.util.find_spec(needed) is not None for needed in NEEDS.get(peer, ["pyhf"]))


def make_peer(peer: str, workspace: Workspace, ours: Ours) -> Engine:
    """Build a peer's model."""
    if peer.startswith("cabinetry"):
        return Cabinetry(workspace, ours, converged=peer == "cabinetry-jax")
    return Pyhf(workspace, peer)


def gate(ours: Ours, peer: Engine) -> dict[str, float]:
    """Demand one minimum: ours never above the peer's, and μ̂ as close as the peer's tolerance allows."""
    _, (mu, twice_nll) = cpu(ours, ours.fit)
    _, (peer_mu, peer_twice_nll) = cpu(peer, peer.fit)  # also warms a compiler up
    above = twice_nll - peer_twice_nll
    if above > 1e-6 or above < -0.1:
        raise SystemExit(f"gate: 2NLL {twice_nll!r} here, {peer_twice_nll!r} by {peer.name}")
    return {"mu": mu, "mu_peer": peer_mu, "twice_nll_minus_peer": above}


def tasks(ours: Ours, peer: Engine, slow: bool) -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """Return what both can do."""
    found: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {"fit": (ours.fit, peer.fit)}
    if isinstance(peer, Pyhf) and peer.kind != "pyhf-minuit":
        found["CLs at 2"] = (lambda: ours.cls(2.0), lambda: peer.cls(2.0))
    if isinstance(peer, Cabinetry):
        found["fit + MINOS"] = (ours.fit_with_errors, peer.fit_with_errors)
        if slow and len(ours.engine.problem.names) < 100:  # hours for more parameters
            found["ranking"] = (ours.ranking, peer.ranking)
            if peer.name == "cabinetry":
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


def alone(name: str, ours: Ours, repeat: int, wanted: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Time ours by itself."""
    for label, function in (
        ("fit", ours.fit),
        ("fit + MINOS", ours.fit_with_errors),
        ("ranking", ours.ranking),
        ("limit", ours.limit),
        ("1000 toys", lambda: ours.toys(1000)),
        ("everything", ours.everything),
    ):
        if label not in wanted:
            continue
        seconds = statistics.median(cpu(ours, function)[0] for _ in range(repeat))
        print(f"{name:<10} {label:<12} {seconds:10.4f} s", flush=True)
        yield {"model": name, "task": label, "peer": None, "ours_s": seconds}


@dataclass(frozen=True)
class Bar:
    """What a row of the results must reach: at least (``least``) or at most (``most``)."""

    model: str
    task: str
    peer: str | None
    key: str
    least: float = -math.inf
    most: float = math.inf

    def check(self, rows: list[dict[str, Any]]) -> bool | None:
        """Print the measured value beside the bar; None where the row is missing."""
        wanted = f"≥ {self.least:g}" if self.least > -math.inf else f"≤ {self.most:g}"
        label = f"{self.model:<10} {self.task:<12} {self.peer or '':<13} {self.key:<20} {wanted:>9}"
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
    Bar("small", "ranking", "cabinetry-jax", "difference_in_sigma", most=1e-3),
    Bar("small", "fit + MINOS", "cabinetry", "difference_in_sigma", most=1e-3),
    Bar("main", "fit + MINOS", "cabinetry", "difference_in_sigma", most=1e-3),
    Bar("small", "CLs at 2", "pyhf-slsqp", "difference", most=1e-5),
    Bar("small", "CLs at 2", "pyhf-jax", "difference", most=1e-5),
    Bar("main", "CLs at 2", "pyhf-jax", "difference", most=1e-5),
    Bar("published", "everything", None, "ours_s", most=10.0),
)


def versus(
    name: str, workspace: Workspace, ours: Ours, kind: str, args: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """Compare with one peer, task by task."""
    if not available(kind):
        print(f"{name:<10} {kind} is not installed: left out")
        return
    if name != "small" and kind in ("pyhf-minuit", "cabinetry", "cabinetry-jax") and not args.slow:
        return
    peer = make_peer(kind, workspace, ours)
    checked = gate(ours, peer)
    print(f"{name:<10} gate passed: 2NLL − {kind}'s = {checked['twice_nll_minus_peer']:.2g}")
    for task, turns in tasks(ours, peer, args.slow).items():
        if task not in args.tasks:
            continue
        ours_s, peer_s, a, b = alternate(ours, peer, turns, 1 if task in ("ranking", "limit") else args.repeat)
        differences = compare(task, a, b, ours.sigma)
        row = {"model": name, "task": task, "peer": kind, "ours_s": ours_s, "peer_s": peer_s, "ratio": peer_s / ours_s}
        difference = ", ".join(f"{key} {value:.2g}" for key, value in differences.items())
        print(
            f"{name:<10} {task:<12} {ours_s:10.4f} s  {kind:<13} {peer_s:10.3f} s  ×{row['ratio']:<8.0f} {difference}",
            flush=True,
        )
        yield row | differences | checked


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="*", default=["small", "main"], choices=list(MODELS))
    parser.add_argument("--published", metavar="FILE", help="a workspace file as a third model")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=PEERS)
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), choices=TASKS)
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
    rows: list[dict[str, Any]] = []

    def keep(row: dict[str, Any]) -> None:
        rows.append(row)
        if args.output:
            Path(args.output).write_text(json.dumps(rows, indent=1) + "\n")

    for name, workspace in workspaces.items():
        ours = Ours(workspace)
        print(f"{name}: {len(ours.engine.problem.names)} parameters, {ours.engine.name}")
        for row in alone(name, ours, args.repeat, args.tasks):
            keep(row)
        for kind in args.peers:
            for row in versus(name, workspace, ours, kind, args):
                keep(row)
    print("bars:")
    if False in [bar.check(rows) for bar in BARS]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
