"""Which names a policy text can read: height and time differ in every block, and most sets read
neither (POL-15)."""

from __future__ import annotations

from collections.abc import Sequence

from synnergy.policy.tokens import Token

_ACCESS = frozenset([".", "[", "has"])


def names_read(tokens: Sequence[Token]) -> frozenset[str] | None:
    """The attributes a text may read, or None where it may read any.

    An attribute is read by naming it, as a word or as a string. Two things hide names: an escape
    in a string, and `context` used as a whole.
    """
    names: set[str] = set()
    for index, token in enumerate(tokens):
        if token.kind == "string":
            if "\\" in token.text:
                return None
            names.add(token.content)
        elif token.kind == "name":
            if token.text == "context" and _after(tokens, index) not in _ACCESS:
                return None
            names.add(token.text)
    return frozenset(names)


def _after(tokens: Sequence[Token], index: int) -> str:
    return tokens[index + 1].text if index + 1 < len(tokens) else ""
