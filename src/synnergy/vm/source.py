"""Assembly text as statements of tokens, each with its place; mistakes are told by place."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NoReturn

_TOKEN = re.compile(r'x?"(?:[^"\\]|\\.)*"|[^\s,;"]+|,')
_SKIPPED = re.compile(r"\s*(?:;.*)?")
_ESCAPE = re.compile(r'\\(?:([0-9a-fA-F]{2})|(["\\nrt]))')
_INTEGER = re.compile(r"(-?)(?:0[xX]([0-9a-fA-F]+(?:_[0-9a-fA-F]+)*)|([0-9]+(?:_[0-9]+)*))")
#: More than any 64-bit integer takes; Python itself reads only so many.
_DIGITS = 40
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_LETTERS = {'"': b'"', "\\": b"\\", "n": b"\n", "r": b"\r", "t": b"\t"}


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """What is wrong in a text, and where; line and column count from 1."""

    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.line}:{self.column}: {self.message}"


@dataclass(frozen=True, slots=True)
class Token:
    """A word, or a string with its quotes, and where it begins."""

    text: str
    line: int
    column: int

    @property
    def is_string(self) -> bool:
        return self.text.endswith('"')


Statement = list[Token]


class Wrong(Exception):
    """A mistake in the statement at hand. Never leaves the assembler, which goes on after it."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(str(mistake))
        self.mistake = mistake


def wrong(token: Token, message: str, *, shift: int = 0) -> NoReturn:
    raise Wrong(Mistake(token.line, token.column + shift, message))


def near(word: str, names: Iterable[str]) -> str:
    """A question whether one of the names was meant, where one is like the word; else nothing."""
    found = difflib.get_close_matches(word, sorted(names), n=1)
    return f"; did you mean {found[0]}?" if found else ""


def read_statements(source: str) -> tuple[list[Statement], list[Mistake]]:
    """Statements end with their line or a comma; `;` begins a comment, up to the end of the line.

    One that begins with a string continues the one before.
    """
    statements: list[Statement] = []
    mistakes: list[Mistake] = []
    for number, line in enumerate(source.split("\n"), 1):
        statement: Statement = []
        try:
            for token in _tokens(line, number):
                if token.text == ",":
                    _add(statements, statement)
                    statement = []
                else:
                    statement.append(token)
        except Wrong as found:
            mistakes.append(found.mistake)
            continue
        _add(statements, statement)
    return statements, mistakes


def _add(statements: list[Statement], statement: Statement) -> None:
    if statement and statement[0].is_string and statements:
        statements[-1].extend(statement)
    elif statement:
        statements.append(statement)


def _tokens(line: str, number: int) -> Iterator[Token]:
    at = 0
    while True:
        skipped = _SKIPPED.match(line, at)
        assert skipped is not None
        at = skipped.end()
        if at == len(line):
            return
        found = _TOKEN.match(line, at)
        if found is None:
            raise Wrong(Mistake(number, at + 1, "the string isn't closed"))
        yield Token(found[0], number, at + 1)
        at = found.end()


def integer_in(text: str) -> int | None:
    """Decimal or 0x hexadecimal, perhaps negative, perhaps with `_` between digits."""
    found = _INTEGER.fullmatch(text)
    if found is None or len(text) > _DIGITS:
        return None
    sign, hexadecimal, decimal = found.groups()
    value = int(hexadecimal or decimal, 16 if hexadecimal else 10)
    return -value if sign else value


def name_of(token: Token, what: str) -> str:
    """The name that a token is. `what` says whose, as in "a local"."""
    if _NAME.fullmatch(token.text) is None:
        why = "a name has letters, digits, '_' and '.', and begins with no digit"
        wrong(token, f"{token.text} can't name {what}: {why}")
    return token.text


def bytes_of(token: Token) -> bytes:
    r"""The bytes of "text with \00 escapes", or of x"00 ff"."""
    if not token.is_string:
        wrong(token, f'{token.text} should be a string: "text" or x"00ff"')
    if token.text.startswith("x"):
        try:
            return bytes.fromhex(token.text[2:-1])
        except ValueError:
            wrong(token, f"{token.text} isn't pairs of hexadecimal digits")
    inner = token.text[1:-1]
    out = bytearray()
    at = 0
    while at < len(inner):
        if inner[at] != "\\":
            out += inner[at].encode("utf-8", "surrogatepass")
            at += 1
            continue
        found = _ESCAPE.match(inner, at)
        if found is None:
            known = r"\00 to \ff, \n, \r, \t, \" and \\"
            wrong(token, f"there is no escape {inner[at : at + 2]}, only {known}", shift=at + 1)
        digits, letter = found.groups()
        out += bytes.fromhex(digits) if digits else _LETTERS[letter]
        at = found.end()
    return bytes(out)
