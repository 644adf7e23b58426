"""`python -m vwserve`."""

import sys

from vwserve.cli import main

if __name__ == "__main__":
    sys.exit(main())
