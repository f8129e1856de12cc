"""Entry point of ``python -m analysis``."""

import faulthandler
import sys

if __name__ == "__main__":
    # A memory-mapped file that is cut short under us ends the process (SIGBUS): say at least where.
    faulthandler.enable()
    try:
        from analysis.cli import main

        sys.exit(main())
    except KeyboardInterrupt:
        # While modules were still being imported; later ones end in `main`.
        sys.exit(130)
