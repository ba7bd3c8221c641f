"""`python -m edge COMMAND`, the same as the console script `edge`."""

import sys

from edge.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
