"""What people read, by key: `text("error.no_image")`. Imported by the doors (server, web, cli)
only.

A language is a file with one table `TEXTS`, like `caption.locale.zh`; every language has the same
keys with the same placeholders.
"""

from caption.locale.zh import TEXTS


def text(key: str, /, **values: object) -> str:
    """The sentence of that key with its values put in. Raises `KeyError` for an unknown key or a
    missing value.
    """
    return TEXTS[key].format_map(values)


def has_text(key: str, /) -> bool:
    """Whether there is such a sentence: where a place may word something in its own way."""
    return key in TEXTS


__all__ = ["has_text", "text"]
