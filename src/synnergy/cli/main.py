"""`synnergy`: the commands, and how every failure reaches whoever typed them (CLIENT-16).

Exit codes: 0 success, 1 refused, 2 usage, 3 outcome unknown. With --json there is exactly one JSON
object on stdout in all of these cases; nobody ever sees a traceback.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any, Final

import typer

from synnergy import __version__
from synnergy.cli.command import VALUED_OPTIONS, group
from synnergy.cli.reply import print_error, print_json
from synnergy.client.failures import ClientError, OutcomeUnknown, WrongUse

EXIT_REFUSED = 1
EXIT_USAGE = 2
EXIT_UNKNOWN = 3

#: The modules of `synnergy.cli` that declare commands, in the order in which a reader meets them,
#: and the first words of those; a module is loaded where one of its words may be meant.
MODULES: Final = {
    "start": ("init", "start"),
    "testnet": ("testnet",),
    "backups": ("backup", "restore"),
    "wallets": ("wallet",),
    "ledger": ("transfer", "balance", "tx"),
    "regulators": ("regulator",),
    "validators": ("validator",),
    "market": ("model",),
    "licences": ("licence",),
    "receipts": ("receipt",),
    "payloads": ("payload",),
    "gas": ("gas",),
    "opcodes": ("opcode",),
    "contracts": ("contract",),
    "tensors": ("tensor",),
    "chain": ("chain",),
    "events": ("events",),
    "demo": ("demo",),
}


def build_app(word: str | None = None) -> typer.Typer:
    """All commands, or where `word` begins some of them at least these."""
    app = group(
        "Synnergy: a permissioned ledger for AI. Models are published, approved, licensed and"
        " invoked by transactions, and every receipt can be recomputed bit for bit."
    )
    meant = [module for module, words in MODULES.items() if word in words]
    for module in meant or MODULES:
        importlib.import_module(f"synnergy.cli.{module}").add_to(app)
    return app


def first_word(arguments: Sequence[str]) -> str | None:
    """The command that a line begins with, past options of every command; None if unclear."""
    rest = iter(arguments)
    for argument in rest:
        if not argument.startswith("-"):
            return argument
        name, equals, _ = argument.partition("=")
        if name in VALUED_OPTIONS:
            if not equals:
                next(rest, None)
        elif argument != "--json":
            return None
    return None


def run() -> None:
    """The console script."""
    warnings.showwarning = _warn
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = main(sys.argv[1:])
    except BrokenPipeError:
        # Whoever read the output has seen enough; nothing is left to be flushed to them.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_REFUSED
    sys.exit(code)


def _warn(message: Warning | str, *_: object, **__: object) -> None:
    """A warning as people read it: one line, not where in the code it arose."""
    print(f"warning: {message}", file=sys.stderr)


def main(arguments: Sequence[str]) -> int:
    """Run one command line; its exit code. Raises nothing but BrokenPipeError."""
    given = list(arguments)
    as_json = "--json" in (given[: given.index("--")] if "--" in given else given)
    if given in (["--version"], ["--version", "--json"], ["--json", "--version"]):
        print_json({"version": __version__}) if as_json else print(f"synnergy {__version__}")
        return 0
    try:
        program = typer.main.get_command(build_app(first_word(given)))
        code = program.main(args=given, prog_name="synnergy", standalone_mode=False)
    except ClientError as failed:
        return _fail(failed, as_json)
    except typer.TyperException as wrong:
        return _fail(_usage(wrong, as_json), as_json)
    except (typer.Abort, KeyboardInterrupt):
        return _fail(_interrupted(), as_json)
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else EXIT_REFUSED
    except Exception as bug:
        what = f"{type(bug).__name__}: {bug}" if str(bug) else type(bug).__name__
        return _fail(ClientError("internal", f"this should not happen: {what}"), as_json)
    # An exit code is returned instead of raised; 130 is Ctrl-C before a command began.
    if code == 130:
        return _fail(_interrupted(), as_json)
    return code if isinstance(code, int) else 0


def _interrupted() -> ClientError:
    return ClientError("interrupted", "interrupted")


def _usage(wrong: typer.TyperException, as_json: bool) -> ClientError:
    """What the parser found wrong, as one sentence; a bare group shows its help besides."""
    context: Any = getattr(wrong, "ctx", None)
    message = wrong.format_message()
    if message == "Missing command.":
        message = "a command is missing"
        if not as_json:
            context.get_help()  # Prints it.
    if wrong.exit_code != EXIT_USAGE:
        return ClientError("failed", message)
    hint = f"; see `{context.command_path} --help`" if context is not None else ""
    return WrongUse("usage", message.rstrip(".") + hint)


def _fail(failed: ClientError, as_json: bool) -> int:
    """Tell of a failure on both channels; its exit code."""
    if as_json:
        rule = {"rule": failed.rule} if failed.rule else {}
        error = {"code": failed.code, "message": failed.message, **rule, **failed.details}
        print_json({"error": error})
    print_error(failed.code, failed.message, failed.rule)
    if isinstance(failed, WrongUse):
        return EXIT_USAGE
    if isinstance(failed, OutcomeUnknown):
        return EXIT_UNKNOWN
    return EXIT_REFUSED
