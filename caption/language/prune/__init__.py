"""Cutting what is not supported out of a caption, so that the rest is still a caption.

`cutting` says which tokens stay: `hanging` where they hang once others are gone, `needs` what a
word can't do without, `marks` which commas and "and" stay between them. `pieces` are what stays as
words that remember their tokens, and `finish` makes a sentence of them.
"""

from caption.language.prune.cutting import pruned

__all__ = ["pruned"]
