"""What a command has to say: fields for programs, sentences and tables for people."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

UNWRAPPED = 10_000

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Reply:
    """A command's answer. `problem` (code, sentence) says that it is a failure all the same."""

    fields: Mapping[str, Any]
    shown: tuple[RenderableType, ...]
    problem: tuple[str, str] | None = None


def reply(fields: Mapping[str, Any], *shown: RenderableType) -> Reply:
    """An answer; without anything to show, its fields are listed."""
    return Reply(fields, shown or (listing(fields),))


def plain(text: object) -> Text:
    """Text as it is: no markup, and no control characters that would reach the terminal."""
    return Text(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(text)))


def listing(fields: Mapping[str, Any]) -> RenderableType:
    """Names and values, one a line; long texts stay on their own."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in fields.items():
        grid.add_row(plain(name), plain(_worded(value)))
    return grid


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> RenderableType:
    """Rows under headings; "nothing yet" where there are none."""
    shown = Table(*headings, box=None, header_style="bold", pad_edge=False)
    for column in shown.columns:
        column.overflow = "fold"
    for row in rows:
        shown.add_row(*(plain(_worded(cell)) for cell in row))
    return shown if shown.row_count else Text("nothing yet", style="dim")


def print_reply(answer: Reply, *, as_json: bool) -> None:
    """Write an answer to stdout: exactly one JSON object, or what people read."""
    if as_json:
        print_json(answer.fields)
        return
    # Where nobody looks at a terminal, nothing is wrapped: ids stay in one piece.
    if sys.stdout.isatty():
        _print(answer, Console(file=sys.stdout, highlight=False))
        return
    text = io.StringIO()
    _print(answer, Console(file=text, highlight=False, width=UNWRAPPED))
    # Columns are filled up to the widest cell: blanks that nobody needs at the end of a line.
    sys.stdout.write("\n".join(line.rstrip(" ") for line in text.getvalue().split("\n")))


def _print(answer: Reply, console: Console) -> None:
    for item in answer.shown:
        console.print(item, soft_wrap=isinstance(item, Text))


def print_json(fields: Mapping[str, Any]) -> None:
    """One JSON object on one line, at once."""
    sys.stdout.write(json_line(fields))
    sys.stdout.flush()


def json_line(fields: Mapping[str, Any]) -> str:
    """One JSON object on one line, in ASCII, whatever the terminal's encoding is."""
    return json.dumps(msgspec.to_builtins(fields), separators=(",", ":")) + "\n"


def print_line(text: str) -> None:
    """One line of something that goes on, at once."""
    sys.stdout.write(plain_line(text))
    sys.stdout.flush()


def plain_line(text: str) -> str:
    """One line without what would reach the terminal."""
    return " ".join(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", text).split("\n")) + "\n"


def print_error(code: str, message: str, rule: str = "") -> None:
    """One line on stderr."""
    where = f" [{rule}]" if rule else ""
    line = " ".join(_CONTROL.sub(" ", message).split())
    sys.stderr.write(f"error: {line} ({code}){where}\n")
    sys.stderr.flush()


def _worded(value: object) -> str:
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case list() | tuple() | dict():
            return msgspec.json.encode(value).decode()
        case _:
            return str(value)
