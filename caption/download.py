"""Kept for who imports or runs it from here: `caption.hub.download`, and `caption.cli.download` for
the command.
"""

import sys

from caption.cli.download import (
    EXIT_CORRUPT,
    EXIT_LOCKED,
    EXIT_NETWORK,
    EXIT_UNWRITABLE,
    build_parser,
    main,
)
from caption.cli.exits import EXIT_DISK_FULL, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE
from caption.hub.download import (
    CAPTIONERS,
    DOWNLOADABLE,
    DownloadPlan,
    download_model,
    is_whole,
    plan,
    probe_hub,
)

__all__ = [
    "CAPTIONERS",
    "DOWNLOADABLE",
    "EXIT_CORRUPT",
    "EXIT_DISK_FULL",
    "EXIT_INTERRUPTED",
    "EXIT_LOCKED",
    "EXIT_NETWORK",
    "EXIT_OK",
    "EXIT_UNWRITABLE",
    "EXIT_USAGE",
    "DownloadPlan",
    "build_parser",
    "download_model",
    "is_whole",
    "main",
    "plan",
    "probe_hub",
]

if __name__ == "__main__":
    sys.exit(main())
