"""Every command: documented, one JSON object whatever happens, the promised exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from synnergy.cli import main as program
from synnergy.cli.command import GLOBAL
from synnergy.cli.reference import Documented, documented, page
from tests.cli.support import run

ROOT = Path(__file__).parents[2]
COMMANDS = documented()


def each(entries: list[Documented]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("entry", entries, ids=[entry.path for entry in entries])


EVERY = each(list(COMMANDS))
WITH_ARGUMENTS = each(
    [entry for entry in COMMANDS if any(option.required for option in entry.command.params)]
)
#: All but those that run until they are stopped, or for a minute; they have tests of their own.
LONG = ("start", "demo", "testnet", "selftest")
SHORT = each([entry for entry in COMMANDS if entry.path.split()[-1] not in LONG])

#: The contract's commands; others may be added, none of these may go.
PROMISED = """
init start transfer balance demo testnet
wallet create|wallet ls|wallet request|tx show
regulator register|regulator freeze|regulator unfreeze
regulator policy show|regulator policy set|regulator policy check
model publish|model approve|model revoke|model offer|model buy|model quote|model invoke
model show|model ls|model stats|model withdraw|model pull
receipt export|receipt show|receipt verify
gas ls|gas show|gas check|opcode ls|tensor run|tensor check|chain replay|events|backup|restore
"""


def words(entry: Documented) -> list[str]:
    return entry.path.split()[1:]


def test_every_promised_command_is_there() -> None:
    paths = {" ".join(words(entry)) for entry in COMMANDS}
    first, *rest = PROMISED.strip().splitlines()
    promised = {*first.split(), *(name for line in rest for name in line.split("|"))}
    assert promised <= paths


@EVERY
def test_every_command_and_option_is_explained(entry: Documented) -> None:
    assert entry.command.help and entry.command.help.strip().endswith(".")
    for parameter in entry.command.params:
        assert parameter.help, f"{entry.path}: {parameter.name}"
    assert f"## `{entry.path}" in page()


def test_the_reference_page_is_current() -> None:
    assert (ROOT / "docs" / "reference" / "cli.md").read_text("utf-8") == page()
    tool = ROOT / "tools" / "generate_cli.py"
    assert subprocess.run([sys.executable, tool, "--check"]).returncode == 0


@EVERY
def test_a_wrong_option_is_one_json_object_and_exit_2(
    entry: Documented, capsys: pytest.CaptureFixture[str]
) -> None:
    for line in (["--json", *words(entry), "--nonsense"], [*words(entry), "--nonsense", "--json"]):
        done = run(capsys, *line)
        assert done.code == 2
        assert done.json["error"]["code"] == "usage"
        assert done.json["error"]["message"]
        assert len(done.err.splitlines()) == 1


@WITH_ARGUMENTS
def test_missing_arguments_are_one_json_object(
    entry: Documented, capsys: pytest.CaptureFixture[str]
) -> None:
    done = run(capsys, *words(entry), "--json")
    assert done.code == 2 and done.json["error"]["code"] == "usage"


def arguments_for(entry: Documented, file: Path) -> list[str]:
    """Well-formed arguments that cannot succeed in an empty home without a node."""
    values = {
        "amount": "1", "price": "1", "calls": "1", "identifier": "ab" * 32, "licence": "ab" * 32,
        "model": "ab" * 20, "jurisdiction": "GB", "role": "consumer", "name": "LEDGER_TRANSFER",
        "who": "nobody", "to": "nobody", "sender": "nobody", "action": "invoke",
        "resource": "ledger", "reason": "because", "settings": "ceiling=1",
        "verb": "LEDGER_TRANSFER",
        "arguments": "{}", "contract": "nobody", "data": "00", "days": "30",
        "out": str(file.parent / "out.npz"),
    }  # fmt: skip
    line: list[str] = []
    for parameter in entry.command.params:
        if not parameter.required or getattr(parameter, "rich_help_panel", None) == GLOBAL:
            continue
        files = parameter.name in ("file", "source") or (
            parameter.name == "model" and parameter.param_type_name == "option"
        )
        value = str(file) if files else values.get(str(parameter.name), "nobody")
        line += [value] if parameter.param_type_name == "argument" else [parameter.opts[0], value]
    return line


@SHORT
def test_failing_commands_are_one_json_object(
    entry: Documented, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "garbage.csv"
    file.write_bytes(b"\x00garbage,\xff")
    done = run(capsys, "--json", *words(entry), *arguments_for(entry, file))
    fields = done.json
    assert done.code in (0, 1, 2)
    assert ("error" in fields) == (done.code != 0)
    if done.code:
        assert fields["error"]["code"] not in ("internal", "")
        assert len(done.err.splitlines()) == 1 and fields["error"]["code"] in done.err


@pytest.mark.parametrize("line", [[], ["model"], ["nothing"], ["model", "nothing"], ["--home"]])
def test_half_a_command(  # CLIENT-16
    capsys: pytest.CaptureFixture[str], line: list[str]
) -> None:
    done = run(capsys, *line, "--json")
    assert done.code == 2 and done.json["error"]["code"] == "usage"
    assert run(capsys, *line).code == 2


def test_options_of_every_command_stand_anywhere(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for line in (
        ["--json", "--home", one, "wallet", "ls"],
        ["wallet", "--json", "--home", one, "ls"],
        ["wallet", "ls", "--home", one, "--json"],
        ["--home", other, "wallet", "ls", "--json", "--home", one],
    ):
        assert run(capsys, *line).json == {"wallets": []}
    done = run(capsys, "--node", "http://127.0.0.1:10", "chain", "show", "--json")
    assert "127.0.0.1:10" in done.json["error"]["message"]


def test_without_a_node_it_says_how_to_start_one(capsys: pytest.CaptureFixture[str]) -> None:
    done = run(capsys, "model", "ls")
    assert done.code == 1 and done.out == ""
    assert "synnergy start" in done.err and len(done.err.splitlines()) == 1


def test_ctrl_c_is_one_json_object(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("synnergy.cli.wallets.list_wallets", interrupt)
    done = run(capsys, "wallet", "ls", "--json")
    assert done.code == 1 and done.json["error"]["code"] == "interrupted"


def test_a_bug_is_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr("synnergy.cli.wallets.list_wallets", broken)
    done = run(capsys, "wallet", "ls", "--json")
    assert done.code == 1 and done.json["error"]["code"] == "internal"
    assert len(done.err.splitlines()) == 1


def test_an_unknown_outcome_is_exit_3_with_the_transaction(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from synnergy.client.failures import OutcomeUnknown

    def unknown(*_: object) -> None:
        raise OutcomeUnknown("ab" * 32, "nothing was heard")

    monkeypatch.setattr("synnergy.cli.wallets.list_wallets", unknown)
    done = run(capsys, "wallet", "ls", "--json")
    assert done.code == 3
    assert done.json["error"]["tx"] == "ab" * 32


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version").out.startswith("synnergy ")
    assert "version" in run(capsys, "--version", "--json").json


def test_help_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    for entry in COMMANDS:
        done = run(capsys, *words(entry), "--help")
        assert done.code == 0 and entry.path in done.out


def test_nothing_of_the_terminal_gets_through(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever a ledger holds, it cannot steer the terminal of who reads it."""
    program.print_error("code", "one\nline \x1b[31mred\x07")
    assert capsys.readouterr().err == "error: one line [31mred (code)\n"
    from synnergy.cli.reply import plain

    assert "\x1b" not in plain("\x1b]0;title\x07[bold]x").plain


def test_bytes_that_are_no_text_are_told_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    done = run(capsys, "wallet", "create", "caf\udce9", "--json")
    assert done.code == 2 and done.json["error"]["code"] == "bad_wallet_name"


def test_a_reader_that_leaves_early_ends_it_quietly() -> None:
    line = f"{sys.executable} -m synnergy opcode ls --json | head -c 5"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert done.stdout == '{"opc' and done.stderr == ""


def test_a_bad_encoding_of_the_terminal_is_no_failure(tmp_path: Path) -> None:
    environment = os.environ | {
        "PYTHONIOENCODING": "ascii",
        "SYNNERGY_HOME": str(tmp_path / "\xe9"),
    }
    command = [sys.executable, "-m", "synnergy", "init", "--dev"]
    done = subprocess.run(command, capture_output=True, env=environment)
    assert done.returncode == 0 and b"is ready" in done.stdout
