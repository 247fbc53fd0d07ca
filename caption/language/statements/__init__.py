"""What a caption states, cut so that each statement can be checked alone, and its simpler forms.

`cuts` says where a caption may be cut, `standalone` whether what is cut says something by itself,
`wording` is a statement's text, also behind a place, and `statement` puts them together.
"""

from caption.language.statements.statement import (
    Mention,
    Statement,
    claimed,
    placed,
    simpler,
    statement_of,
    statements,
    supposed,
    without_an_adjective,
)

__all__ = [
    "Mention",
    "Statement",
    "claimed",
    "placed",
    "simpler",
    "statement_of",
    "statements",
    "supposed",
    "without_an_adjective",
]
