"""`python -m caption`: see `caption.cli.main`."""

import sys

from caption.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
