"""Captions as dependency trees: a parser made for written sentences, and rules that captions need.

`parser` holds spaCy and asks it, `clauses` says where a text is cut into clauses before that, and
`rules` mend what it misreads. A `Tree` is what all that looks at the words of captions works on.
"""

from caption.language.parse.parser import is_word, load, load_in_background, parse
from caption.language.parse.tree import Token, Tree

__all__ = ["Token", "Tree", "is_word", "load", "load_in_background", "parse"]
