"""Combine pyhf workspaces into one, with a map of the parameters they share.

The map is a YAML or JSON file:

    poi: mu
    shared:
      mu: {hta: mu, sl: mu}
      corr_bb: {hta: corr_bb_c1, sl: corr_bb}
    separate: [uncorr_signal]

Names that occur in several workspaces must stand under ``shared`` or ``separate``; every conflict is named at once.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from analysis import io
from analysis.errors import FitError, InputError
from analysis.log import logger

HELP = "combine pyhf workspaces"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--workspace", action="append", required=True, metavar="LABEL=JSON", help="a workspace and its label"
    )
    parser.add_argument("--map", required=True, metavar="YAML", help="which parameters are shared")
    parser.add_argument("--output", required=True, metavar="JSON", help="the combined workspace")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    import yaml
    from pydantic import ValidationError

    from analysis.inference.combine import CombinationMap, combine

    paths = {}
    for text in args.workspace:
        label, equals, path = text.partition("=")
        if not (label and equals and path) or label in paths:
            raise FitError("a workspace is LABEL=FILE, each label once", where="--workspace", found=text)
        paths[label] = path
    try:
        plan = CombinationMap.model_validate(yaml.safe_load(Path(args.map).read_text()))
    except FileNotFoundError:
        raise InputError("the map is missing", file=args.map) from None
    except (yaml.YAMLError, ValidationError) as error:
        raise InputError("the map is not valid", file=args.map, found=error) from None
    combined = combine({label: io.read_json(path) for label, path in paths.items()}, plan)
    io.write_json(args.output, dict(combined))
    logger.info(
        "%d channels, %d parameters: %s", len(combined.channels), len({n for n, _ in combined.modifiers}), args.output
    )
