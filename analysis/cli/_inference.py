"""What the commands on a workspace share."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from analysis import config
from analysis.errors import FitError


def choice(args: argparse.Namespace) -> dict[str, object]:
    """Return parameter of interest, measurement and Asimov value of a command with ``--config``.

    A blinded configuration asks for the Asimov data set of μ = 1 unless another is named.
    """
    asimov = args.asimov
    if asimov is None and args.config and config.load(args.config).blinded:
        asimov = 1.0
    return {"poi": args.poi, "measurement": args.measurement, "asimov": asimov}


@contextmanager
def fitting(path: str) -> Iterator[None]:
    """Let errors of what is done with a workspace name its file."""
    try:
        yield
    except FitError as error:
        error.file = error.file or path
        raise


def seed(args: argparse.Namespace) -> int:
    """Return the seed of the command line, of the configuration, or the default one."""
    if args.seed is not None:
        return int(args.seed)
    if args.config:
        return config.load(args.config).seed
    return int(config.Config.model_fields["seed"].default)


def at_least(value: int, least: int, option: str) -> int:
    """Return ``value`` if it is not below ``least``."""
    if value < least:
        raise FitError(
            "A number is too small.", where=option, found=value, expected=f"at least {least}", remedy="give more"
        )
    return value
