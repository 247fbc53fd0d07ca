"""Kept for who imports or runs it from here: `caption.hub.download`, and `caption.cli.download` for
the command.
"""

import sys

from caption.cli.download import main as main
from caption.hub.download import download_model as download_model

if __name__ == "__main__":
    sys.exit(main())
