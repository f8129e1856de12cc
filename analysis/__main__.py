"""Entry point of ``python -m analysis``."""

import faulthandler
import sys

from analysis.cli import main

if __name__ == "__main__":
    # A memory-mapped file that is cut short under us ends the process (SIGBUS): say at least where.
    faulthandler.enable()
    sys.exit(main())
