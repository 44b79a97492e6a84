"""Every command: one JSON object with the fields that were promised, and the right exit code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.acceptance import market, networks
from tests.acceptance.command_line import NOWHERE, CommandLine
from tests.acceptance.conftest import Ledger


@pytest.fixture
def alone(tmp_path: Path) -> CommandLine:
    """A home that doesn't exist yet, and no node."""
    return CommandLine(tmp_path / "home")


def test_beginning_a_ledger(alone: CommandLine) -> None:
    begun = alone.ask("init", "--dev")
    assert set(begun) >= {"chain_id", "home", "genesis", "wallets"}
    assert set(begun["wallets"]) == {"operator", "regulator", "publisher", "consumer"}
    assert Path(begun["genesis"]).is_file()
    assert len(begun["chain_id"]) <= 50
    assert int(begun["chain_id"][-32:], 16) >= 0
    assert all(address.startswith("syn1") for address in begun["wallets"].values())
    assert alone.fail("init", "--dev")["code"]
    loudly = CommandLine(alone.home.parent / "loud").type("init", "--dev")
    assert loudly.code == 0 and "local" in (loudly.output + loudly.errors).lower()


def test_what_needs_no_node(alone: CommandLine, tmp_path: Path) -> None:
    prices = alone.ask("gas", "ls")["prices"]
    assert all({"name", "gas", "description"} <= set(price) for price in prices)
    assert all(isinstance(price["gas"], int) and price["description"] for price in prices)
    shown = alone.ask("gas", "show", "MODEL_PUBLISH")
    assert {"name", "gas", "description"} <= set(shown)
    assert alone.fail("gas", "show", "NO_SUCH_THING")["code"]
    alone.ask("gas", "check")
    opcodes = alone.ask("opcode", "ls")["opcodes"]
    assert all({"code", "name", "gas", "policy"} <= set(opcode) for opcode in opcodes)
    assert {opcode["name"] for opcode in opcodes} <= {price["name"] for price in prices}

    model = networks.mixture()
    file = tmp_path / "model.onnx"
    file.write_bytes(model.content)
    checked = alone.ask("tensor", "check", file)
    assert {"inputs", "outputs", "cost", "memory", "unsupported"} <= set(checked)
    np.save(tmp_path / "rows.npy", model.held_out["X"])
    ran = alone.ask("tensor", "run", file, "--input", tmp_path / "rows.npy")
    assert set(ran["outputs"]) == {"Y", "Z"}

    made = alone.ask("wallet", "create", "mine", SYNNERGY_PASSPHRASE="something to remember")
    assert {"name", "address", "public_key"} <= set(made)
    listed = alone.ask("wallet", "ls")["wallets"]
    assert [wallet["address"] for wallet in listed] == [made["address"]]
    alone.ask("init", "--dev")
    assert "synnergy start" in alone.fail("chain", "replay")["message"]


def test_unsupported_nodes_are_all_named(alone: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "strange.onnx"
    file.write_bytes(networks.unknown_operators().content)
    done = alone.type("--json", "tensor", "check", file)
    assert done.code == 1
    assert "NoSuchOperator" in done.output and "NorThisOne" in done.output


LEDGER_COMMANDS = (
    "balance WALLET",
    "transfer WALLET 5 --from WALLET",
    "regulator freeze WALLET --reason x --from WALLET",
    "model show WALLET/m@1",
    "receipt export " + "0" * 64 + " --out FILE",
)


@pytest.mark.parametrize("line", LEDGER_COMMANDS)
def test_without_a_node_they_say_how_to_start_it(
    ledger: Ledger, tmp_path: Path, line: str
) -> None:
    words = line.replace("WALLET", "consumer").replace("FILE", str(tmp_path / "f")).split()
    error = ledger.type.at(NOWHERE).fail(*words)
    assert "synnergy start" in error["message"], error


USAGE = (
    "",
    "model",
    "model invoke",
    "transfer consumer many --from consumer",
    "transfer consumer -5 --from consumer",
    "model publish no-such-file.onnx --name n --from consumer",
    "gas ls --no-such-option",
    "balance syn1notanaddress",
)


@pytest.mark.parametrize("line", USAGE)
def test_wrong_usage_is_two(ledger: Ledger, line: str) -> None:
    done = ledger.type.type("--json", *line.split())
    assert done.code == 2, done
    assert done.error["code"]


def test_json_may_stand_anywhere_and_nothing_else_is_printed(cli: CommandLine) -> None:
    first, last = (
        cli.type("--json", "balance", "consumer"),
        cli.type("balance", "consumer", "--json"),
    )
    assert first.reply["address"] == last.reply["address"]
    assert first.errors == ""
    plain = cli.type("balance", "consumer")
    assert plain.code == 0 and str(first.reply["balance"])[:3] in plain.output.replace(",", "")
    chosen = cli.at(NOWHERE).ask("--node", cli.node, "balance", "consumer")
    assert chosen["balance"] == first.reply["balance"]


def test_fields_of_the_ledgers_commands(
    cli: CommandLine, bought: market.Bought, tmp_path: Path
) -> None:
    reference = bought.sale.reference
    sent = cli.ask("transfer", "publisher", 5, "--from", "consumer")
    assert {"tx", "height", "gas_used"} <= set(sent)
    assert cli.ask("tx", "show", sent["tx"])["height"] == sent["height"]
    assert cli.ask("balance", "consumer")["balance"] > 0

    cli.ask("wallet", "create", "fields")
    statement = tmp_path / "statement"
    asked = cli.ask("wallet", "request", "fields", "--out", statement)
    assert {"name", "address", "public_key"} <= set(asked) and statement.is_file()
    attestation = tmp_path / "attestation.txt"
    attestation.write_text("a notary saw this holder")
    roles = ("--role", "publisher", "--role", "consumer", "--role", "trainer")
    cli.ask(
        *("regulator", "register", statement, "--jurisdiction", "DE", *roles),
        *("--attestation", attestation, "--from", "regulator"),
    )
    wallet = cli.ask("balance", "fields")["wallet"]
    assert wallet["roles"] == ["consumer", "publisher", "trainer"]
    assert wallet["attestation"] is not None

    policy = cli.ask("regulator", "policy", "show")
    assert policy["version"] == 1 and "@id" in policy["text"]
    verdict = cli.ask("regulator", "policy", "check", "consumer", "invoke", reference)
    assert verdict["allowed"] is True

    shown = cli.ask("model", "show", bought.sale.model)
    assert shown["model"] == bought.sale.model and len(shown["digest"]) == 64
    assert bought.sale.model in {model["id"] for model in cli.ask("model", "ls")["models"]}
    stats = cli.ask("model", "stats", reference)
    assert {"calls", "revenue", "gas", "licensees", "failures"} <= set(stats)
    pulled = tmp_path / "pulled.onnx"
    cli.ask("model", "pull", reference, "--out", pulled)
    assert pulled.read_bytes() == bought.sale.file.read_bytes()

    quote = ("model", "quote", reference, "--input", bought.sale.input)
    unlicensed = cli.ask(*quote)
    assert {"gas", "fee", "price", "total"} <= set(unlicensed)
    told = (*quote, "--licence", bought.licence, "--from", "consumer", "--reference", "ä" * 30)
    called = cli.ask(*market.invocation(bought), "--reference", "ä" * 30)
    assert {"receipt", "outputs", "gas_used", "height"} <= set(called)
    assert cli.ask(*told)["gas"] == called["gas_used"]
    latest = cli.fail("model", "show", "publisher/common", code=2)
    assert latest["code"] == "version_missing"


def test_texts_travel_with_a_model(cli: CommandLine, tmp_path: Path) -> None:
    texts = {"--licence-file": "Use it well.", "--intended-use": "For tests — nothing else."}
    words: list[object] = []
    for option, text in texts.items():
        file = tmp_path / option
        file.write_text(text, "utf-8")
        words += [option, file]
    sale = market.publish(
        cli, tmp_path, "told", networks.mixture(), *map(str, words), "--version", "1"
    )
    shown = cli.ask("model", "show", sale.reference)
    assert all(text in str(shown) for text in texts.values())
    evidence = tmp_path / "evidence.txt"
    evidence.write_text("an audit")
    cli.ask(
        *("model", "approve", sale.reference, "--evidence", evidence),
        *("--until", "2031-01-31", "--from", "regulator"),
    )
    approval = cli.ask("model", "show", sale.reference)["approvals"][0]
    assert approval["evidence"] is not None and approval["until"] > 0
