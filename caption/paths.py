"""Where the data lies that comes with the program: in an installed wheel inside the package, in a
clone in `models/` beside it.
"""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
PACKED_MODELS = PACKAGE / "_models"  # the bundled models; in an installed wheel only


def bundled_folder(name: str) -> Path:
    """The folder `name` among what is bundled; whether it is whole is the reader's to check."""
    packed = PACKED_MODELS / name
    return packed if packed.is_dir() else PACKAGE.parent / "models" / name
