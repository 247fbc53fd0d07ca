"""`python -m caption`: see `caption.cli`."""

import sys

from caption.cli import main

if __name__ == "__main__":
    sys.exit(main())
