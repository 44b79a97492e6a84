"""The whole arrow on ledgers of a test's own: money to the unit, a killed node, two regulators."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.acceptance import market, networks, trained
from tests.acceptance.command_line import NOWHERE, CommandLine, start
from tests.acceptance.conftest import Ledger


def balance(node: str, address: str) -> int:
    return httpx.get(f"{node}/v1/accounts/{address}").json()["balance"]


PASSPHRASE = "a long enough sentence for testers"


def test_every_unit_of_money_is_where_it_should_be(
    own_ledger: Callable[..., Ledger], tmp_path: Path
) -> None:
    """From publication to the last call, balances move by fees and prices and by nothing else."""
    cli = own_ledger().type
    addresses = {
        wallet["name"]: wallet["address"] for wallet in cli.ask("wallet", "ls")["wallets"]
    }
    assert cli.balance("operator") < 9 * 10**15

    def balances() -> dict[str, int]:
        return {who: balance(cli.node, address) for who, address in addresses.items()}

    sale = market.sell(cli, tmp_path, "net", networks.mixture())
    before = balances()
    bought = cli.ask("model", "buy", sale.reference, "--calls", 2, "--from", "consumer")
    after = balances()
    fee = cli.ask("tx", "show", bought["tx"])["result"]["fee"]
    assert fee == bought["gas_used"]
    assert bought["escrow"] == 2 * market.PRICE
    assert after["consumer"] == before["consumer"] - fee - bought["escrow"]
    assert after["operator"] == before["operator"] + fee
    assert after["publisher"] == before["publisher"]

    call = market.invocation(market.Bought(sale, bought["licence"]))
    quote = cli.ask("model", "quote", *call[2:])
    called = cli.ask(*call)
    assert called["gas_used"] == quote["gas"]
    last = balances()
    assert last["consumer"] == after["consumer"] - quote["fee"]
    assert last["publisher"] == after["publisher"] + quote["price"]
    assert last["operator"] == after["operator"] + quote["fee"]
    assert last["regulator"] == after["regulator"]

    stats = cli.ask("model", "stats", sale.reference)
    assert (stats["calls"], stats["revenue"], stats["licensees"]) == (1, market.PRICE, 1)
    assert stats["failures"] == 0 and stats["gas"] > 0

    withdrawn = cli.ask("model", "withdraw", sale.reference, "--from", "publisher")
    assert cli.balance("consumer") == last["consumer"] + market.PRICE
    assert cli.balance("publisher") == last["publisher"] - withdrawn["fee"]


def test_a_killed_node_forgets_nothing(own_ledger: Callable[..., Ledger], tmp_path: Path) -> None:
    """kill -9 between a purchase and a call; receipts hold with the node gone for good."""
    ledger = own_ledger()
    home = ledger.type.home
    model = trained.SOLD["mixed columns as a table"]()
    sale = market.sell(ledger.type, tmp_path, "cut", model)
    bought = market.buy(ledger.type, sale)
    acknowledged = ledger.type.ask("chain", "show")
    ledger.node.stop(signal.SIGKILL)

    gone = ledger.type.type("balance", "consumer")
    assert gone.code == 1 and "synnergy start" in gone.errors

    node = start(home)
    try:
        cli = ledger.type.at(node.url)
        assert cli.ask("chain", "show")["app_hash"] == acknowledged["app_hash"]
        called = cli.ask(*market.invocation(bought))
        receipt = tmp_path / "receipt"
        cli.ask("receipt", "export", called["receipt"], "--out", receipt)
        head = cli.ask("chain", "show")
    finally:
        assert node.stop() == 0
    alone = cli.at(NOWHERE)
    replayed = alone.ask("chain", "replay")
    assert (replayed["height"], replayed["app_hash"]) == (head["height"], head["app_hash"])
    alone.ask("receipt", "verify", receipt, "--model", sale.file, "--input", sale.input)


def test_a_high_risk_model_needs_two_regulators(tmp_path: Path) -> None:
    """Wallets with passphrases in two homes, registrations by file, m-of-n for the policy set."""
    secret = tmp_path / "passphrase"
    secret.write_text(PASSPHRASE + "\n")
    by_variable = CommandLine(tmp_path / "one", environment={"SYNNERGY_PASSPHRASE": PASSPHRASE})
    by_file = ("--passphrase-file", secret)
    second = CommandLine(tmp_path / "two")
    address = second.ask("wallet", "create", "inspector", *by_file)["address"]
    begun = by_variable.ask("init", "--regulator", address, "--threshold", "2")
    assert set(begun) >= {"chain_id", "home", "genesis", "wallets"}
    assert set(begun["wallets"]) == {"operator", "regulator"}
    assert "seed" not in (tmp_path / "one" / "keystore" / "operator.json").read_text()

    node = start(tmp_path / "one")
    try:
        _high_risk(by_variable.at(node.url), second.at(node.url), by_file, tmp_path)
    finally:
        assert node.stop() == 0
    by_variable.ask("chain", "replay")


def _high_risk(
    first: CommandLine, second: CommandLine, by_file: tuple[object, ...], folder: Path
) -> None:
    for name, role in (("publisher", "publisher"), ("consumer", "consumer")):
        made = second.ask("wallet", "create", name, *by_file)
        assert set(made) >= {"name", "address", "public_key"}
        statement = folder / f"{name}.request"
        asked = second.ask("wallet", "request", name, "--out", statement, *by_file)
        assert asked["address"] == made["address"]
        first.ask(
            *("regulator", "register", statement, "--jurisdiction", "GB", "--role", role),
            *("--from", "regulator"),
        )
        first.ask("transfer", made["address"], 50_000_000, "--from", "operator")

    secured = CommandLine(second.home, second.node, {"SYNNERGY_PASSPHRASE": PASSPHRASE})
    sale = market.publish(secured, folder, "grave", networks.mixture(), "--risk", "high")
    once = first.ask("model", "approve", sale.model, "--from", "regulator")
    assert (once["approvals"], once["approvals_required"]) == (1, 2)
    denied = secured.fail(
        *("model", "offer", sale.reference, "--price-per-call", 5, "--from", "publisher")
    )
    assert "second-approval-missing" in denied["message"]
    assert market.approve(secured, sale, "inspector")["approvals"] == 2
    market.offer(secured, sale)
    bought = market.buy(secured, sale)

    stricter = folder / "stricter.cedar"
    text = first.ask("regulator", "policy", "show")["text"]
    stricter.write_text(
        text + '\n@id("nobody-calls")\n@advice("wait for another policy")\n'
        'forbid (principal, action == Action::"invoke", resource);\n'
    )
    proposed = first.ask("regulator", "policy", "set", stricter, "--from", "regulator")
    assert (proposed["agreed"], proposed["carried_out"]) == (1, False)
    secured.ask(*market.invocation(market.buy(secured, sale)))
    agreed = secured.ask("regulator", "policy", "set", stricter, "--from", "inspector")
    assert agreed["carried_out"] is True
    forbidden = secured.fail(*market.invocation(bought))
    assert "nobody-calls" in forbidden["message"]
    assert "wait for another policy" in forbidden["message"]


@pytest.mark.parametrize("given", ["wrong words", None])
def test_a_wallet_opens_only_with_its_passphrase(tmp_path: Path, given: str | None) -> None:
    home = CommandLine(tmp_path / "home")
    home.ask("wallet", "create", "mine", SYNNERGY_PASSPHRASE=PASSPHRASE)
    environment = {} if given is None else {"SYNNERGY_PASSPHRASE": given}
    done = home.type(
        "--json", "wallet", "request", "mine", "--out", tmp_path / "out", **environment
    )
    assert done.code in (1, 2) and done.error["code"]
    assert not (tmp_path / "out").exists()
