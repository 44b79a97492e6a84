"""Cedar text cut into tokens, by a grammar a little narrower than Cedar's own (POL-4, POL-5).

Narrower on purpose: whatever this tokenizer accepts, Cedar's lexer must cut in the same places, or
a text could hide something from the scanner. So white space is ASCII, a comment ends at the first
carriage return *or* line feed (as in Cedar), and strings do not span lines.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from synnergy.rejected import Rejected

MAX_TEXT_BYTES = 64 * 1024

# Characters that are invisible or reorder what a reader sees. Listed here rather than taken from
# `unicodedata`, whose tables differ between Python versions.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)

_TOKEN = re.compile(
    r"""
      (?P<blank>   [ \t\r\n]+ | //[^\r\n]* )
    | (?P<name>    [A-Za-z_][A-Za-z0-9_]* )
    | (?P<number>  [0-9]+ )
    | (?P<string>  " (?: [^"\\\r\n] | \\[^\r\n] )* " )
    | (?P<symbol>  && | \|\| | == | != | <= | >= | :: | [@.,;:()\[\]{}<>+\-*!] )
    """,
    re.VERBOSE,
)


class Token(NamedTuple):
    """A piece of Cedar text: `kind` is name, number, string or symbol; `line` counts from 1."""

    kind: str
    text: str
    offset: int
    line: int

    @property
    def end(self) -> int:
        """The offset just past this token, in characters."""
        return self.offset + len(self.text)

    @property
    def content(self) -> str:
        """What stands between the quotes of a string token, escapes not resolved."""
        return self.text[1:-1]


def decode_text(text: str | bytes) -> str | Rejected:
    """The policy text: at most 64 kB of UTF-8 without invisible characters (POL-4)."""
    if len(text) > MAX_TEXT_BYTES:
        return _too_long(len(text))
    try:
        encoded = text.encode() if isinstance(text, str) else text
        decoded = encoded.decode()
    except UnicodeError:
        return Rejected("POL-4", "policy_not_utf8", "the policy text is not UTF-8")
    if len(encoded) > MAX_TEXT_BYTES:
        return _too_long(len(encoded))
    invisible = _INVISIBLE.search(decoded)
    if invisible is not None:
        line = decoded.count("\n", 0, invisible.start()) + 1
        return Rejected(
            "POL-4",
            "policy_invisible_character",
            f"line {line} of the policy text holds the invisible character "
            f"U+{ord(invisible.group()):04X}; remove it",
        )
    return decoded


def tokenize(source: str) -> tuple[Token, ...] | Rejected:
    """Every token of `source`, without white space and comments (POL-5)."""
    tokens: list[Token] = []
    offset, line = 0, 1
    while offset < len(source):
        match = _TOKEN.match(source, offset)
        if match is None:
            return _unreadable(source, offset, line)
        kind = str(match.lastgroup)
        if kind != "blank":
            tokens.append(Token(kind, match.group(), offset, line))
        line += source.count("\n", offset, match.end())
        offset = match.end()
    return tuple(tokens)


def _unreadable(source: str, offset: int, line: int) -> Rejected:
    character = source[offset]
    if character == "?":
        return Rejected(
            "POL-5",
            "policy_template",
            f"line {line} of the policy text has a template slot; templates are not accepted, "
            "write the policy out",
        )
    if character == '"':
        problem = "a string that does not end on its line"
    else:
        problem = f"{character!a}, which is no part of a policy"
    return Rejected("POL-5", "policy_unreadable", f"line {line} of the policy text has {problem}")


def _too_long(size: int) -> Rejected:
    return Rejected(
        "POL-4",
        "policy_too_long",
        f"the policy text has {size} bytes or more; at most {MAX_TEXT_BYTES} are accepted",
    )
