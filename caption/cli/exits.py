"""How a command ends: its exit code, or a sentence that says why nothing could be done."""

EXIT_OK = 0
EXIT_USAGE = 2  # also: nothing could be done
EXIT_SOME_FAILED = 3
EXIT_DISK_FULL = 4
EXIT_INTERRUPTED = 130
EXIT_READER_GONE = 141  # as shells report a program that SIGPIPE ended


class Unable(Exception):
    """One sentence for the user; nothing more can be done."""
