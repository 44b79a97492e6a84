"""The commands as a reference page, made from their declarations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import typer

from synnergy.cli.command import GLOBAL
from synnergy.cli.main import build_app

_MADE = "<!-- made by `make gen`; change the declarations instead -->"

_CONVENTIONS = """\
`WHO` is a wallet's name or an address. `MODEL` is a model's id or PUBLISHER/NAME@VERSION; there is
no implicit latest version. Amounts and prices are integers in smallest units.

Exit codes: 0 success, 1 refused, 2 usage, 3 outcome unknown (the transaction was handed over and
nothing was heard of it; the answer holds its id). With `--json` every command but `start` prints
exactly one JSON object on stdout, a failure too: `{"error": {"code", "message", …}}`."""


@dataclass(frozen=True, slots=True)
class Documented:
    """One command: the words that call it, and its declaration."""

    path: str
    command: Any


def documented() -> list[Documented]:
    """Every command, in the order of `synnergy --help`."""
    return list(_walk("synnergy", typer.main.get_command(build_app())))


def page() -> str:
    """The contents of `docs/reference/cli.md`."""
    commands = documented()
    lines = ["# Commands", "", _MADE, "", _CONVENTIONS, "", "## Options of every command", ""]
    lines += _rows([entry for entry in commands[0].command.params if _is_global(entry)])
    for entry in commands:
        lines += ["", *_section(entry)]
    return "\n".join(lines) + "\n"


def _walk(path: str, command: Any) -> Iterator[Documented]:
    children: dict[str, Any] | None = getattr(command, "commands", None)
    if children is None:
        yield Documented(path, command)
        return
    for name, child in children.items():
        yield from _walk(f"{path} {name}", child)


def _section(entry: Documented) -> list[str]:
    own = [parameter for parameter in entry.command.params if not _is_global(parameter)]
    arguments = [parameter for parameter in own if parameter.param_type_name == "argument"]
    words = " ".join((entry.path, *(_metavar(argument) for argument in arguments)))
    lines = [f"## `{words}`", "", _sentence(entry.command.help)]
    return lines + (["", *_rows(own)] if own else [])


def _rows(parameters: list[Any]) -> list[str]:
    lines = ["| | | |", "|---|---|---|"]
    for parameter in parameters:
        lines.append(f"| {_name(parameter)} | {_duty(parameter)} | {_sentence(parameter.help)} |")
    return lines


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{_metavar(parameter)}`"
    takes = "" if parameter.is_flag else f" {_metavar(parameter)}"
    return f"`{parameter.opts[0]}{takes}`"


def _metavar(parameter: Any) -> str:
    return parameter.metavar or parameter.name.upper().replace("_", "-")


def _duty(parameter: Any) -> str:
    if parameter.required:
        return "required"
    if parameter.is_flag if parameter.param_type_name == "option" else False:
        return ""
    default = parameter.default
    return f"`{default}`" if isinstance(default, str | int) and default != "" else ""


def _is_global(parameter: Any) -> bool:
    return getattr(parameter, "rich_help_panel", None) == GLOBAL


def _sentence(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")
