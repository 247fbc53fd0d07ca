"""Standard output for results, standard error for everything else, and a progress bar that neither
disturbs.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any

from caption.locale import text


def prepare_streams() -> None:
    """UTF-8 whatever the system's language; a closed stream (`>&-`) takes everything in silence."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  it stays open
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")


def drop_output() -> None:
    """Discard what is still buffered: the interpreter would try again at its end, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def put(line: str) -> None:
    """A line on standard output, at once, beside a progress bar too."""
    from tqdm import tqdm

    tqdm.write(line, file=sys.stdout)
    sys.stdout.flush()


def say(sentence: str) -> None:
    """A line on standard error, beside a progress bar too."""
    from tqdm import tqdm

    tqdm.write(" ".join(sentence.split()), file=sys.stderr)


def say_about(name: str, sentence: str) -> None:
    """A line on standard error about a picture or a file."""
    say(text("cli.about", name=name, sentence=sentence))


def progress_bar(total: int, bar_format: str, *, lasting: bool = False) -> Any:
    """A tqdm bar on a terminal's standard error; a `lasting` one stays on the screen, and is also
    written into a file or a pipe every few seconds.
    """
    from tqdm import tqdm

    on_screen = sys.stderr.isatty()
    return tqdm(
        total=total,
        bar_format=bar_format,
        disable=not (on_screen or lasting),
        leave=lasting,
        file=sys.stderr,
        dynamic_ncols=True,
        miniters=0,
        mininterval=0.2 if on_screen else 10.0,
    )
