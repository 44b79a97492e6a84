"""A command loads the modules that it needs, and nothing else can tell."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer

from synnergy.cli.main import MODULES, build_app, first_word
from synnergy.cli.reference import documented

WORDS = [word for words in MODULES.values() for word in words]
#: What speaks to nodes, runs one or decides what a ledger allows.
HEAVY = ("httpx", "fastapi", "cedarpy", "lmdb", "synnergy.chain.application", "synnergy.opcodes")


def test_the_table_of_modules_has_every_command_in_order() -> None:
    first = [entry.path.split()[1] for entry in documented()]
    assert sorted(set(first)) == sorted(WORDS)
    assert len(set(WORDS)) == len(WORDS)


@pytest.mark.parametrize("word", WORDS)
def test_a_word_brings_its_whole_command(word: str) -> None:
    alone = typer.main.get_command(build_app(word))
    every = typer.main.get_command(build_app())
    assert _shape(alone.commands[word]) == _shape(every.commands[word])  # pyright: ignore


@pytest.mark.parametrize("word", ["recipt", "--help", "", None])
def test_a_word_that_is_no_command_brings_all(word: str | None) -> None:
    assert set(typer.main.get_command(build_app(word)).commands) == set(WORDS)  # pyright: ignore


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("wallet ls", "wallet"),
        ("--json wallet ls", "wallet"),
        ("--home model wallet ls", "wallet"),
        ("--home=model --json --node gas wallet", "wallet"),
        ("--passphrase-file wallet receipt show", "receipt"),
        ("--home", None),
        ("--unknown wallet ls", None),
        ("--help wallet", None),
        ("-- wallet", None),
        ("", None),
    ],
)
def test_the_first_word_stands_past_the_options_of_every_command(
    line: str, word: str | None
) -> None:
    assert first_word(line.split()) == word


def test_verifying_a_receipt_loads_no_ledger_and_no_network() -> None:
    code = (
        "import sys; from synnergy.cli.main import build_app; build_app('receipt');"
        "import synnergy.cli.session; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "synnergy.receipts.verify" in loaded
    assert not set(HEAVY) & set(loaded)


def _shape(command: object) -> object:
    """Names, options and help of a command and of those below it."""
    below = getattr(command, "commands", {})
    options = [(entry.name, entry.opts) for entry in getattr(command, "params", [])]
    return (
        getattr(command, "help", None),
        options,
        {name: _shape(child) for name, child in below.items()},
    )
