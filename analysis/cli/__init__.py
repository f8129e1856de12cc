"""The commands: ``python -m analysis COMMAND …``. One module per command; each parses, reads, calls, writes.

A command's module has ``HELP`` (one line), ``add_arguments(parser)`` and ``run(args)``; it is imported only when its
command is asked for, so that ``skim`` does not pay for ``pyhf``.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence

# Before numpy is imported: not even the last digit may depend on the number of cores, and our matrices are small.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import analysis
from analysis import __version__, log
from analysis.errors import AnalysisError

# What a shell gives for SIGINT.
INTERRUPTED = 130


def commands() -> list[str]:
    """Return the names of all commands, from the modules of this package."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def build_parser(command: str | None) -> argparse.ArgumentParser:
    """Return the parser, with the arguments of ``command`` filled in, or of all commands if None."""
    parser = argparse.ArgumentParser(prog="python -m analysis", description=analysis.__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--log", metavar="FILE", help="write messages to this file too")
    parser.add_argument("--verbose", action="store_true", help="show debug messages")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in commands():
        if command is not None and name != command:
            continue
        module = importlib.import_module(f"{__name__}.{name}")
        # Raw: descriptions have lists and examples, which would be run together.
        sub = subparsers.add_parser(
            name.replace("_", "-"),
            help=module.HELP,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(sub)
        sub.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status: 0 done, 1 an error that the user can mend, 2 wrong usage, 130 Ctrl-C."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    known = {name.replace("_", "-"): name for name in commands()}
    command = next((known[word] for word in arguments if word in known), None)
    args = build_parser(command).parse_args(arguments)
    try:
        log.configure(file=args.log, verbose=args.verbose)
        status = args.run(args)
    except AnalysisError as error:
        log.logger.error("%s: %s", type(error).__name__, error)
        return 1
    except KeyboardInterrupt:
        log.logger.error("interrupted; no output is half-written")
        return INTERRUPTED
    return int(status or 0)
