"""`python -m caption`: see `caption.cli.program`."""

import sys

from caption.cli.program import main

if __name__ == "__main__":
    sys.exit(main())
