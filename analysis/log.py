"""One logger for the package: to a terminal through rich, elsewhere as plain lines, and to the rule's log file."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.logging import RichHandler

from analysis.errors import OutputError

logger = logging.getLogger("analysis")


def configure(*, file: str | Path | None = None, verbose: bool = False) -> None:
    """Send the package's messages to standard error, and to ``file`` if given.

    Parameters
    ----------
    file
        Log file; missing parent folders are made.
    verbose
        Show debug messages too.

    Raises
    ------
    OutputError
        The log file cannot be written.
    """
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    logger.handlers.clear()
    plain = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    console = Console(stderr=True)
    if console.is_terminal:
        logger.addHandler(RichHandler(console=console, show_path=False, omit_repeated_times=False))
    else:
        # rich would fold lines, and fill them up with spaces, at a width that nobody sees.
        stream = logging.StreamHandler()
        stream.setFormatter(plain)
        logger.addHandler(stream)
    if file is not None:
        try:
            Path(file).parent.mkdir(parents=True, exist_ok=True)
            handler = logging.FileHandler(file, mode="w", encoding="utf-8")
        except OSError as error:
            raise OutputError(
                "The log cannot be written.", file=file, found=error.strerror, remedy="give another file by --log"
            ) from None
        handler.setFormatter(plain)
        logger.addHandler(handler)


@contextlib.contextmanager
def errors_only(*names: str) -> Iterator[None]:
    """Silence the messages below errors of some of the package's modules, where what they do is repeated many times.

    Parameters
    ----------
    names
        Names of loggers, such as ``"analysis.templates"``.
    """
    loggers = [logging.getLogger(name) for name in names]
    levels = [each.level for each in loggers]
    try:
        for each in loggers:
            each.setLevel(logging.ERROR)
        yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)
