"""The command line: `python -m caption describe | batch | alt-text | models | info`.

Results go to standard output, everything else to standard error. Errors are one sentence; exit
codes are those of `caption.cli.exits`. What takes long to import is imported by the command that
needs it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from caption.cli.exits import (
    EXIT_DISK_FULL,
    EXIT_INTERRUPTED,
    EXIT_READER_GONE,
    EXIT_USAGE,
    Unable,
)
from caption.cli.options import option_message
from caption.cli.parser import build_parser
from caption.cli.terminal import drop_output, prepare_streams, say
from caption.errors import CaptionError, is_disk_full
from caption.locale import messages, text


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code. Wrong arguments and `--help` end in `SystemExit`."""
    prepare_streams()
    try:
        return _run(argv)
    except KeyboardInterrupt:
        return _fail(text("cli.stopped"), EXIT_INTERRUPTED)
    except BrokenPipeError:
        drop_output()
        return EXIT_READER_GONE
    except Unable as reason:
        return _fail(str(reason))
    except CaptionError as error:
        exit_code = EXIT_DISK_FULL if error.code == "disk_full" else EXIT_USAGE
        return _fail(option_message(error), exit_code)
    except OSError as error:
        if not is_disk_full(error):
            return _fail(text("cli.io_error", error=error))
        drop_output()
        return _fail(messages.message(CaptionError(str(error), code="disk_full")), EXIT_DISK_FULL)


def _run(argv: Sequence[str] | None) -> int:
    try:
        args = build_parser().parse_args(argv)
        exit_code: int = args.run(args)
        return exit_code
    finally:
        # a reader that has gone away is noticed here, not at the interpreter's end
        sys.stdout.flush()


def _fail(sentence: str, exit_code: int = EXIT_USAGE) -> int:
    say(sentence)
    return exit_code
