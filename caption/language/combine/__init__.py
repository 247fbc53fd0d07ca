"""Captions of one picture combined unchecked, for the strategy "forced".

`additions` are what a caption says beyond a text, `combination` puts them behind the leader.
"""

from caption.language.combine.combination import Combined, Phrase, combine

__all__ = ["Combined", "Phrase", "combine"]
