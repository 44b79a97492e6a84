"""`synnergy contract deploy`, `call`, `show`, `encode`: against a node in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from synnergy.cli.contract_calls import parse_hex
from synnergy.client.arguments import argument_block
from synnergy.client.failures import WrongUse
from synnergy.opcodes.ledger import Transfer
from synnergy.opcodes.licences import Buy
from synnergy.wire.codec import encode
from tests.cli.nodes import running_node
from tests.cli.support import run

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@pytest.fixture
def node(
    surroundings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[str]:
    assert run(capsys, "init", "--dev").code == 0
    with running_node(surroundings) as url:
        monkeypatch.setenv("SYNNERGY_NODE", url)
        yield url


def test_contracts_from_the_command_line(
    node: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def ok(*words: object) -> dict[str, Any]:
        done = run(capsys, "--json", *words)
        assert done.code == 0, done.err
        return done.json

    def refused(*words: object) -> dict[str, Any]:
        done = run(capsys, "--json", *words)
        assert done.code == 1, done.out
        return done.json["error"]

    deployed = ok("contract", "deploy", EXAMPLES / "counter.snasm", "--from", "operator")
    counter = deployed["contract"]
    assert set(deployed) >= {"contract", "tx", "height", "gas_used"}
    for count, (given, limit) in enumerate(
        (("", 100_000), ("00", 999_999), ("0xDEADbeef", None), ("ff" * 3_000, 200_000)), 1
    ):
        more = ("--gas-limit", limit) if limit else ()
        done = ok("contract", "call", counter, "--input", given, *more, "--from", "operator")
        assert (done["output"], done["receipts"]) == (f"{count:02x}", [])
        assert done["gas_used"] < 100_000
    shown = ok("contract", "show", counter)
    assert shown["deployer"] == shown["creator"] == ok("balance", "operator")["address"]

    # The very same program, from its bytes.
    ok("contract", "assemble", EXAMPLES / "counter.snasm", "--out", tmp_path / "counter")
    again = ok("contract", "deploy", tmp_path / "counter", "--from", "operator")["contract"]
    assert again != counter
    assert ok("contract", "show", again)["program"] == shown["program"]

    runaway = ok("contract", "deploy", EXAMPLES / "runaway.snasm", "--from", "operator")
    line = ("contract", "call", runaway["contract"], "--input", "", "--from", "operator")
    burnt = refused(*line, "--gas-limit", 250_000)
    assert (burnt["code"], burnt["gas_used"]) == ("out_of_gas", 250_000)
    assert refused(*line)["code"] == "quote_too_long"  # nobody pays for trying
    assert ok("contract", "call", counter, "--input", "", "--from", "operator")["output"] == "05"

    assert refused("contract", "call", counter, "--input", "", "--from", "consumer")["code"]
    nowhere = ok("balance", "consumer")["address"]
    missing = refused("contract", "call", nowhere, "--input", "", "--from", "operator")
    assert missing["code"] == "not_found"
    assert refused("contract", "show", nowhere)["code"] == "not_found"
    assert ok("tx", "show", deployed["tx"])["status"] == "ok"


@pytest.mark.parametrize("given", ("0", "xy", "0x0", "00 11", "é0", "0x0x00"))
def test_what_is_no_hex_is_said_so(given: str) -> None:
    with pytest.raises(WrongUse, match="pairs of hex digits"):
        parse_hex(given)
    assert parse_hex("") == parse_hex("0x") == b""
    assert parse_hex("0xAbcd") == parse_hex("abCD") == b"\xab\xcd"


def test_argument_blocks_are_written_from_json(capsys: pytest.CaptureFixture[str]) -> None:
    to = "syn1" + "q" * 38
    text = json.dumps({"amount": 300, "to": to})
    assert argument_block("ledger_transfer", text) == encode(Transfer(to, 300))
    done = run(capsys, "--json", "contract", "encode", "LEDGER_TRANSFER", text)
    assert done.json == {"arguments": encode(Transfer(to, 300)).hex()}
    for verb, wrong in (
        ("NO_SUCH_VERB", "{}"),
        ("LEDGER_TRANSFER", "{"),
        ("LEDGER_TRANSFER", "[]"),
        ("LEDGER_TRANSFER", '{"to": "syn1"}'),
        ("LEDGER_TRANSFER", json.dumps({"amount": -1, "to": to})),
        ("LICENCE_BUY", '{"model": "zz"}'),
    ):
        with pytest.raises(WrongUse):
            argument_block(verb, wrong)
    assert Buy.__struct_fields__[0] == "model"  # what escrowed_oracle.snasm relies on
