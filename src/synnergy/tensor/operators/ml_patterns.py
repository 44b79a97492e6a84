r"""The regular expressions that tokenizers may use: those searched in linear time (ML-40).

    pattern  = [ \b ] atom { atom } [ \b ]
    atom     = item [ + | {m} | {m,} | {m,n} ]      only the last atom may vary in length
    item     = character | escaped character | . | \d \D \w \W \s \S | [ class ]

A search from one place looks at no more characters than the pattern's least length before it
fails, and a match is consumed. `\b` at the end needs one at the start and items that are word
characters: then each word is searched from its start only. Classes are ASCII, as in RE2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from synnergy.tensor.types import Refuse

#: Characters that the atoms before a match is certain may ask for.
_LONGEST = 64
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}
_CLASSES = {
    "d": "0-9",
    "w": "0-9A-Za-z_",
    "s": r"\t\n\f\r\x20",
}
_POSIX = {
    "alpha": "A-Za-z",
    "digit": "0-9",
    "alnum": "0-9A-Za-z",
    "lower": "a-z",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "space": r"\t\n\v\f\r\x20",
    "punct": r"!-/:-@\[-`{-~",
}
_WORD = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")


@dataclass(slots=True)
class _Reader:
    """A position in a pattern."""

    pattern: str
    place: int = 0

    def peek(self) -> str:
        return self.pattern[self.place : self.place + 1]

    def take(self) -> str:
        character = self.peek()
        if not character:
            raise Refuse(f"the pattern {self.pattern!r} ends too early")
        self.place += 1
        return character

    def skip(self, text: str) -> bool:
        found = self.pattern.startswith(text, self.place)
        if found:
            self.place += len(text)
        return found

    def refuse(self, reason: str) -> Refuse:
        return Refuse(f"the pattern {self.pattern!r} {reason}")


def _escaped(reader: _Reader) -> str:
    """Body of a class for what follows a backslash."""
    character = reader.take()
    if character in _CLASSES:
        return _CLASSES[character]
    if character in _ESCAPES:
        return re.escape(_ESCAPES[character])
    if character.isascii() and not character.isalnum():
        return re.escape(character)
    raise reader.refuse(f"has an escape that is not supported: \\{character}")


def _bracket(reader: _Reader) -> str:
    """`[…]` as a class; the opening bracket has been taken."""
    negated = reader.skip("^")
    body = ""
    while (character := reader.take()) != "]" or not body:
        if character == "[" and reader.peek() == ":":
            reader.take()
            name = ""
            while not reader.skip(":]"):
                name += reader.take()
            if name not in _POSIX:
                raise reader.refuse(f"has a class that is not supported: [:{name}:]")
            body += _POSIX[name]
            continue
        single = character != "\\"
        part = re.escape(character) if single else _escaped(reader)
        follows = reader.pattern[reader.place : reader.place + 2]
        if len(follows) == 2 and follows[0] == "-" and follows[1] != "]":
            reader.take()
            last = reader.take()
            end = re.escape(last) if last != "\\" else _escaped(reader)
            part = f"{part}-{end}"
        body += part
    return f"[{'^' if negated else ''}{body}]"


def _item(reader: _Reader) -> str:
    """One character of the text, as a class."""
    character = reader.take()
    if character == "[":
        return _bracket(reader)
    if character == ".":
        return "(?s:.)"
    if character == "\\":
        following = reader.peek()
        if following.lower() in _CLASSES and following.isupper():
            reader.take()
            return f"[^{_CLASSES[following.lower()]}]"
        return f"[{_escaped(reader)}]"
    if character in "^$*+?{}()|]":
        raise reader.refuse(f"uses {character!r}, which is not supported")
    return f"[{re.escape(character)}]"


def _counts(reader: _Reader) -> tuple[int, int | None]:
    """(least, most) repetitions of the item before; None means any number."""
    if reader.skip("+"):
        counts: tuple[int, int | None] = (1, None)
    elif reader.skip("{"):
        text = ""
        while (character := reader.take()) != "}":
            text += character
        match = re.fullmatch(r"([0-9]{1,3})(,([0-9]{1,3})?)?", text)
        if match is None:
            raise reader.refuse("has a repetition that is not supported")
        least = int(match[1])
        counts = (least, least if match[2] is None else int(match[3]) if match[3] else None)
    else:
        return 1, 1
    if reader.peek() in ("?", "+", "*", "{"):
        raise reader.refuse("has a repetition that is not supported")
    return counts


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """The pattern for Python's engine, which finds the same matches. Raises Refuse."""
    reader = _Reader(pattern)
    leading = reader.skip(r"\b")
    trailing = False
    built = ""
    items: list[str] = []
    least, varies = 0, False
    while reader.peek():
        if reader.pattern[reader.place :] == r"\b":
            trailing = True
            break
        if varies:
            raise reader.refuse(
                "repeats an atom that is not the last one a variable number of times"
            )
        item = _item(reader)
        low, high = _counts(reader)
        if high is not None and high < low:
            raise reader.refuse("has a repetition that is not supported")
        least += low
        varies = high != low
        built += f"{item}{{{low},{'' if high is None else high}}}"
        items.append(item)
    if least == 0 or least > _LONGEST:
        raise reader.refuse(f"does not match at least 1 and at most {_LONGEST} characters")
    if trailing and not leading:
        raise reader.refuse(r"ends with \b but does not start with it")
    if trailing and not all(_only_words(item) for item in items):
        raise reader.refuse(r"ends with \b but matches more than word characters")
    start, end = r"\b" if leading else "", r"\b" if trailing else ""
    try:
        return re.compile(f"{start}{built}{end}", re.ASCII)
    except re.error:
        raise reader.refuse("is not a regular expression") from None


def _only_words(item: str) -> bool:
    if item.startswith("[^"):
        return False
    try:
        compiled = re.compile(item, re.ASCII)
    except re.error:
        return False
    characters = (chr(code) for code in range(0x250))
    return all(c in _WORD for c in characters if compiled.match(c)) and item.isascii()
