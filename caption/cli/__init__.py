"""The command line: `python -m caption describe | batch | alt-text | models | info`, a file per
command.
"""

from caption.cli.program import main

__all__ = ["main"]
