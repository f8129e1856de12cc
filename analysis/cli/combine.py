"""Combine pyhf workspaces into one, with a map of the parameters they share.

The map is a YAML or JSON file:

    poi: mu
    shared:
      mu: {hta: mu, sl: mu}
      corr_bb: {hta: corr_bb_c1, sl: corr_bb}
    separate: [uncorr_signal]
    optional: [corr_bb]     # may be missing from a workspace

Names that occur in several workspaces must stand under ``shared`` or ``separate``; every conflict is named at once.
``--sensitivity`` tells what each workspace and the combination expect at μ = 1, and what they observed (unless
``--config`` says that the analysis is blinded); ``--compare`` adds workspaces that are not combined. Events that two
analyses have in common are counted twice: nothing here can know them.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from analysis import config, io, provenance
from analysis.cli._drawing import add_figures, draw, of_sensitivities
from analysis.cli._inference import fitting
from analysis.cli.fit import show
from analysis.errors import FitError, InputError
from analysis.log import logger
from analysis.strict_yaml import load_yaml, place, told

if TYPE_CHECKING:
    from analysis.inference.combine import CombinationMap

HELP = "combine pyhf workspaces"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--workspace", action="append", required=True, metavar="LABEL=JSON", help="a workspace and its label"
    )
    parser.add_argument("--map", required=True, metavar="YAML", help="which parameters are shared")
    parser.add_argument("--output", required=True, metavar="JSON", help="the combined workspace")
    parser.add_argument("--sensitivity", metavar="JSON", help="what each expects at μ = 1, and observed")
    parser.add_argument("--compare", action="append", default=[], metavar="LABEL=JSON", help="a workspace to compare")
    parser.add_argument(
        "--channels", action="append", default=[], metavar="LABEL=START,…", help="keep only channels that begin so"
    )
    parser.add_argument("--config", metavar="YAML", help="configuration: blinding, level")
    parser.add_argument("--account", metavar="JSON", help="account of our workspace: its conditions enter the result")
    add_figures(parser)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from analysis.inference.combine import combine
    from analysis.inference.sensitivity import only

    paths = _labelled(args.workspace, "--workspace", "FILE")
    compared = _labelled(args.compare, "--compare", "FILE")
    channels = _labelled(args.channels, "--channels", "START,…")
    files = {**paths, **compared}
    if len(files) < len(paths) + len(compared) or channels.keys() - files.keys():
        raise FitError(
            "The labels do not match.",
            where="--workspace, --compare, --channels",
            found=", ".join([*paths, *compared, *channels]),
            expected="a label of its own for every workspace; channels of these labels only",
            remedy="correct the labels",
        )
    plan = _read_map(args.map)
    workspaces = {label: _read_workspace(path) for label, path in files.items()}
    for label, starts in channels.items():
        workspaces[label] = only(workspaces[label], starts.split(","), label)
    combined = combine({label: workspaces[label] for label in paths}, plan)
    io.write_json(args.output, dict(combined))
    logger.info(
        "%d channels, %d parameters: %s", len(combined.channels), len({n for n, _ in combined.modifiers}), args.output
    )
    if args.sensitivity:
        _compare(args, dict(combined), workspaces, list(paths))
    elif args.compare or args.figures:
        raise FitError(
            "There is nothing to compare or to draw without sensitivities.",
            where="--compare, --figures",
            remedy="give --sensitivity too, or leave them out",
        )


def _read_workspace(path: str) -> Mapping[str, object]:
    from analysis.inference.problem import read_spec

    content: Mapping[str, object] = io.read_json(path)
    with fitting(path):
        read_spec(content)
    return content


def _read_map(path: str) -> CombinationMap:
    import yaml
    from pydantic import ValidationError

    from analysis.inference.combine import CombinationMap

    try:
        return CombinationMap.model_validate(load_yaml(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(
            "The map of the combination cannot be read.", file=path, found=error.strerror, remedy="correct the path"
        ) from None
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, each['loc'])) or 'the whole'}: {each['msg']}" for each in error.errors()]
        raise InputError(
            "The map of the combination is not valid.",
            file=path,
            found="\n".join(wrong),
            expected=f"the keys {', '.join(CombinationMap.model_fields)}",
            remedy="`python -m analysis combine --help` tells its form",
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(
            "The map of the combination is not valid YAML.",
            file=path,
            where=place(error),
            found=told(error),
            remedy="correct the line",
        ) from None


def _labelled(texts: list[str], option: str, what: str) -> dict[str, str]:
    """Split LABEL=… arguments."""
    found: dict[str, str] = {}
    for text in texts:
        label, equals, value = text.partition("=")
        if not (label and equals and value) or label in found:
            raise FitError(
                "An argument is no label with its value, or the label was given before.",
                where=option,
                found=text,
                expected=f"LABEL={what}, each label once",
                remedy="correct it",
            )
        found[label] = value
    return found


def _compare(
    args: argparse.Namespace,
    combined: Mapping[str, object],
    workspaces: Mapping[str, Mapping[str, object]],
    inputs: list[str],
) -> None:
    from analysis.inference.report import sensitivity_table
    from analysis.inference.sensitivity import sensitivities

    settings = config.load(args.config) if args.config else None
    level = settings.fit.level if settings else config.models.Fit().level
    blinded = settings.blinded if settings else False
    accounts = [args.account] if args.account else []
    origin = provenance.collect(
        "combine",
        {"level": level, "blinded": blinded, "channels": args.channels},
        [*(text.partition("=")[2] for text in (*args.workspace, *args.compare)), args.map, *accounts],
        conditions=provenance.conditions_of(accounts),
    )
    result = sensitivities(
        combined,
        {label: workspaces[label] for label in inputs},
        {label: workspace for label, workspace in workspaces.items() if label not in inputs},
        level=level,
        blinded=blinded,
        provenance=origin,
    )
    io.write_json(args.sensitivity, result.model_dump(mode="json"))
    show(sensitivity_table(result))
    draw(args, lambda tag: of_sensitivities(result, tag), origin)
    logger.info("written: %s", args.sensitivity)
