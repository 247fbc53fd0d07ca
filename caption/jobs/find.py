"""Which pictures a batch is about: `find_pictures` turns a folder, a list of paths, a pattern or a
picture into a `Selection`, and says why other files were passed over. No picture is opened.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from caption.errors import OptionsError

PICTURE_SUFFIXES = frozenset(
    (
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".webp",
        ".gif",
        ".bmp",
        ".dib",
        ".tif",
        ".tiff",
        ".avif",
    )
)

# Why something is no picture of a batch, or no caption went into it (`Fault.code`); the others are
# codes of `caption.errors`.
FAULTS = {
    "link_loop": "a link that leads round in a circle, or to a folder it lies in",
    "link_outside": "a link that leads out of the folder",
    "link_folder": "a link to a folder inside: its pictures are found where they are",
    "link_broken": "a link to nothing",
    "special_file": "no regular file: a pipe, a socket, a device",
    "unreadable": "it can't be opened or listed",
    "bad_name": "a name that isn't Unicode, or has control characters",
    "name_taken": "its caption file would be that of another picture",
    "unwritable": "its caption file, or the picture's own, can't be written",
    "described": "someone else has described the picture in its metadata",
    "changed": "the picture was changed since it was described",
}


@dataclass(frozen=True)
class Picture:
    """A file to describe. `name` is its path below the source with slashes, or its whole path where
    it lies elsewhere.
    """

    name: str
    path: Path


@dataclass(frozen=True)
class Fault:
    """Something that went wrong with a file: its name and a code, one of `FAULTS` or of
    `caption.errors.HTTP_STATUS`.
    """

    path: str
    code: str


@dataclass(frozen=True)
class Selection:
    """The pictures of a source in the order of their names (a list's own order), and what was
    passed over.
    """

    root: Path
    pictures: tuple[Picture, ...]
    skipped: tuple[Fault, ...]


def find_pictures(source: str | os.PathLike[str], *, recursive: bool = False) -> Selection:
    """What a source means; nothing is opened but a list.

    A folder: its pictures by `PICTURE_SUFFIXES`, with `recursive` those of its folders too. A
    pattern with * ? [ ]: those that match, `**` being any number of folders; `recursive` looks for
    its last part in all folders below. Hidden files and folders are left out, and no link is
    followed but to a file inside. A text file: a path a line, seen from the list's own folder,
    whatever it is. A picture: itself.
    Raises `OptionsError` where there is nothing of the kind.
    """
    path = Path(source)
    if os.path.isdir(path):
        return _matching(path, ("*",), recursive)
    if os.path.isfile(path):
        if path.suffix.lower() in PICTURE_SUFFIXES:
            return Selection(path.parent, (Picture(path.name, path),), ())
        return _listed(path)
    fixed = list(path.parts)
    pattern: list[str] = []
    while any(character in part for part in fixed for character in "*?["):
        pattern.insert(0, fixed.pop())
    root = Path(*fixed)
    if not pattern or not os.path.isdir(root):
        raise OptionsError(f"there is no folder, list or picture {str(path)!r}", name="source")
    return _matching(root, tuple(pattern), recursive)


def _matching(root: Path, pattern: tuple[str, ...], recursive: bool) -> Selection:
    if recursive:
        pattern = (*pattern[:-1], "**", pattern[-1])
    results = list(_walk(root, pattern))
    pictures = [result for result in results if isinstance(result, Picture)]
    skipped = [result for result in results if isinstance(result, Fault)]
    pictures.sort(key=lambda picture: picture.name)
    skipped.sort(key=lambda fault: fault.path)
    return Selection(root, tuple(pictures), tuple(skipped))


def _walk(root: Path, pattern: Sequence[str]) -> Iterator[Picture | Fault]:
    """The pictures below a folder that match, and what is passed over on the way."""
    inside = Path(os.path.realpath(root))
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            entries = _entries(root, folder, pattern, inside)
        except OSError:
            yield Fault(_printable(folder or "."), "unreadable")
            continue
        for name, kind in entries:
            if kind == "folder":
                folders.append(name)
            elif kind == "file":
                yield _picture(name, root / name)
            else:
                yield Fault(_printable(name), kind)


def _entries(
    root: Path, folder: str, pattern: Sequence[str], inside: Path
) -> list[tuple[str, str]]:
    """Name below `root` and kind of everything in a folder that a pattern asks for; no link leads
    out of `inside`. Raises `OSError` where the folder can't be listed.
    """
    with os.scandir(root / folder) as listing:
        entries = [entry for entry in listing if not entry.name.startswith(".")]
    prefix = f"{folder}/" if folder else ""
    kinds = [(f"{prefix}{entry.name}", _kind(entry, inside)) for entry in entries]
    return [(name, kind) for name, kind in kinds if _concerns(name, kind, pattern)]


def _concerns(name: str, kind: str, pattern: Sequence[str]) -> bool:
    """Whether a pattern asks for this entry: a folder to look into, a picture, or something that
    may have been one.
    """
    parts = name.split("/")
    if kind == "folder":
        return _leads_on(parts, pattern)
    if kind == "file":
        return Path(name).suffix.lower() in PICTURE_SUFFIXES and _fits(parts, pattern)
    return _fits(parts, pattern) or _leads_on(parts, pattern)


def _picture(name: str, path: Path) -> Picture | Fault:
    return Picture(name, path) if is_plain(name) else Fault(_printable(name), "bad_name")


def _kind(entry: os.DirEntry[str], inside: Path) -> str:
    """file | folder | why it is passed over, a key of `FAULTS`."""
    try:
        if entry.is_symlink() or _is_junction(entry):
            fault = _link_fault(entry, inside)
            if fault is not None:
                return fault
        if entry.is_dir():
            return "folder"
        return "file" if entry.is_file() else "special_file"
    except OSError as error:
        return "link_loop" if error.errno == errno.ELOOP else "link_broken"


def _link_fault(entry: os.DirEntry[str], inside: Path) -> str | None:
    """Why a link isn't followed: only one to a file inside is. Raises `OSError` where it leads to
    nothing.
    """
    target = Path(os.path.realpath(entry.path, strict=True))
    if not target.is_relative_to(inside):
        return "link_outside"
    if not target.is_dir():
        return None
    lies_in = Path(os.path.realpath(os.path.dirname(entry.path)))
    return "link_loop" if lies_in.is_relative_to(target) else "link_folder"


def _is_junction(entry: os.DirEntry[str]) -> bool:
    """Windows' other kind of link to a folder."""
    tag = getattr(entry.stat(follow_symlinks=False), "st_reparse_tag", 0)
    return tag == getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", -1)


def _fits(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern or not parts:
        return not pattern and not parts
    if pattern[0] == "**":
        return any(_fits(parts[start:], pattern[1:]) for start in range(len(parts) + 1))
    return fnmatch.fnmatch(parts[0], pattern[0]) and _fits(parts[1:], pattern[1:])


def _leads_on(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether something in this folder may fit."""
    if not parts or pattern[0] == "**":
        return True
    return (
        len(pattern) > 1
        and fnmatch.fnmatch(parts[0], pattern[0])
        and _leads_on(parts[1:], pattern[1:])
    )


def _listed(path: Path) -> Selection:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise OptionsError(
            f"{str(path)!r} is neither a picture nor a list of paths: {error}", name="source"
        ) from error
    root = Path(os.path.abspath(path)).parent
    pictures: dict[str, Picture] = {}
    skipped: list[Fault] = []
    for line in filter(None, map(str.strip, lines)):
        target = Path(os.path.normpath(root / line))
        name = target.relative_to(root) if target.is_relative_to(root) else target
        picture = _picture(name.as_posix(), target)
        if isinstance(picture, Fault):
            skipped.append(picture)
        else:
            pictures.setdefault(picture.name, picture)
    return Selection(root, tuple(pictures.values()), tuple(skipped))


def is_plain(name: str) -> bool:
    """Whether a name can stand in any of the formats: UTF-8 has no lone surrogates, an album no
    line breaks in a name.
    """
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in name)


def _printable(name: str) -> str:
    return name if is_plain(name) else name.encode("unicode_escape").decode()
