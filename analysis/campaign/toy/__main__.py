"""``python -m analysis.campaign.toy calibrate|validate …``: the commands that the example's settings name."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from analysis.campaign.toy.job import read_job, run_calibration, run_validation
from analysis.errors import AnalysisError


def main() -> int:
    """Run one of them in the working directory."""
    parser = argparse.ArgumentParser(prog="python -m analysis.campaign.toy", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    for name in ("calibrate", "validate"):
        action = actions.add_parser(name)
        action.add_argument("caf_config", type=Path)
        action.add_argument("input_data", type=Path)
        action.add_argument("--upstream", type=Path, nargs="*", default=[], help="databases of the tasks before")
        if name == "validate":
            action.add_argument("--database", type=Path, required=True, help="the constants to validate")
    args = parser.parse_args()
    try:
        config, files = read_job(args.caf_config, args.input_data)
        if args.action == "calibrate":
            run_calibration(config, files, args.upstream, Path())
        else:
            run_validation(config, files, args.database, args.upstream, Path())
    except AnalysisError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
