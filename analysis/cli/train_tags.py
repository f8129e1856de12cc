"""Train the toy's signal probability of tags: the table that the simulation looks it up in."""

from __future__ import annotations

import argparse
import json
import re

from analysis import io, provenance
from analysis.errors import ConfigurationError
from analysis.log import logger

HELP = "simulated generic events -> table of the toy's tag signal probability"
EVENTS = 800_000
SEED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--output", metavar="JSON", required=True,
        help="table to write; the simulation uses analysis/simulation/tags/probability.json",
    )  # fmt: skip
    parser.add_argument(
        "--events", metavar="N", type=int, default=EVENTS, help=f"generic BB̄ events (default {EVENTS}: 2 CPU minutes)"
    )
    parser.add_argument("--seed", metavar="N", type=int, default=SEED, help=f"of all randomness (default {SEED})")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from analysis.seeds import generator, seed_sequence
    from analysis.simulation.tags import training

    if args.events < 1:
        raise ConfigurationError(
            "The number of events is not positive.", where="--events", found=args.events, remedy="give more"
        )
    seeds = 1 + seed_sequence(args.seed, "train_tags").generate_state(1).astype("int64") % 900_000_000
    found = training.sample(args.events, seeds, generator(args.seed, "train_tags", "sample"))
    settings = {"events": args.events, "seed": args.seed}
    collected = provenance.collect("train_tags", settings)
    origin: dict[str, object] = {
        "command": f"python -m analysis train-tags --events {args.events} --seed {args.seed}",
        "software": collected["software"], "libraries": collected["libraries"],
    }  # fmt: skip
    table = training.document(found, origin)
    with io.atomic(args.output) as temporary:
        temporary.write_text(_text(table), encoding="utf-8")
    logger.info("%d candidates, %d of them correct", len(found.signal), int(found.signal.sum()))
    return 0


def _text(table: dict[str, object]) -> str:
    """Return JSON with one line per list of numbers: a changed term is a changed line."""
    text = json.dumps(table, indent=1)
    return re.sub(r"\[[^\[\]]*\]", lambda match: re.sub(r"\s+", " ", match.group()), text) + "\n"
