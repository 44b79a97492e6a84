"""Each way to be refused says which; nothing moves but the fee where one is due."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.acceptance import market, networks
from tests.acceptance.command_line import CommandLine
from tests.acceptance.conftest import Ledger
from tests.acceptance.envelopes import TYPE, Hand, post


def registered(cli: CommandLine, name: str, country: str = "GB", money: int = 1_000_000) -> str:
    """A new consumer with some money; its address."""
    address = cli.ask("wallet", "create", name)["address"]
    cli.ask(
        *("regulator", "register", name, "--jurisdiction", country, "--role", "consumer"),
        *("--from", "regulator"),
    )
    if money:
        cli.ask("transfer", name, money, "--from", "operator")
    return address


def account(cli: CommandLine, address: str) -> dict[str, Any]:
    return httpx.get(f"{cli.node}/v1/accounts/{address}").json()


def refused(cli: CommandLine, address: str, *words: object) -> dict[str, Any]:
    """The error of a refusal that took its fee and nothing else from this wallet."""
    before = account(cli, address)["balance"]
    error = cli.fail(*words)
    assert account(cli, address)["balance"] == before - error.get("fee", 0)
    assert ("tx" in error) == ("fee" in error)
    return error


def test_the_unregistered_can_only_receive(cli: CommandLine, bought: market.Bought) -> None:
    address = cli.ask("wallet", "create", "unknown")["address"]
    poor = cli.fail("transfer", "consumer", 5, "--from", "unknown")
    assert poor["code"] == "unregistered"
    cli.ask("transfer", address, 900_000, "--from", "operator")
    reference = bought.sale.reference
    for words in (
        ("transfer", "consumer", 5, "--from", "unknown"),
        ("model", "buy", reference, "--calls", 1, "--from", "unknown"),
        market.invocation(bought, "unknown"),
    ):
        error = refused(cli, address, *words)
        assert error["code"] == "unregistered" and "regist" in error["message"], words
    assert cli.balance("unknown") == 900_000


def test_the_frozen_keep_what_they_have(cli: CommandLine, on_sale: market.Sale) -> None:
    address = registered(cli, "cold")
    bought = market.buy(cli, on_sale, who="cold")
    cli.ask("regulator", "freeze", "cold", "--reason", "an inquiry", "--from", "regulator")
    for words in (
        ("transfer", "consumer", 5, "--from", "cold"),
        market.invocation(bought, "cold"),
    ):
        error = refused(cli, address, *words)
        assert error["code"] == "frozen_wallet" and "frozen-wallet" in error["message"]
        assert "unfreeze" in error["message"]
    cli.ask("regulator", "unfreeze", "cold", "--from", "regulator")
    cli.ask(*market.invocation(bought, "cold"))


def test_a_model_stays_in_its_jurisdictions(cli: CommandLine, tmp_path: Path) -> None:
    home = market.sell(cli, tmp_path, "home", networks.mixture(), "--jurisdictions", "GB,DE")
    address = registered(cli, "abroad", "FR")
    error = refused(cli, address, "model", "buy", home.reference, "--calls", 1, "--from", "abroad")
    assert error["code"] == "outside_approved_jurisdictions"
    assert "outside-approved-jurisdictions" in error["message"]
    asked = cli.ask("regulator", "policy", "check", "abroad", "invoke", home.reference)
    assert "outside-approved-jurisdictions" in str(asked)


def test_nothing_unapproved_is_offered_nor_approved_by_its_publisher(
    cli: CommandLine, tmp_path: Path
) -> None:
    sale = market.publish(cli, tmp_path, "early", networks.mixture())
    publisher = cli.ask("balance", "publisher")["address"]
    offer = ("model", "offer", sale.reference, "--price-per-call", 5, "--from", "publisher")
    assert "approval-missing" in refused(cli, publisher, *offer)["message"]
    itself = refused(cli, publisher, "model", "approve", sale.reference, "--from", "publisher")
    assert itself["code"] in ("not_a_regulator", "policy_denied")
    buy = ("model", "buy", sale.reference, "--calls", 1, "--from", "consumer")
    assert cli.fail(*buy)["code"] == "not_offered"

    approve = ("model", "approve", sale.reference, "--from", "regulator")
    cli.ask(*approve, "--until", "2999-01-01")
    market.offer(cli, sale)
    bought = market.buy(cli, sale)
    cli.ask("model", "revoke", sale.reference, "--reason", "drifted", "--from", "regulator")
    error = cli.fail(*market.invocation(bought))
    assert error["code"] == "licence_expired" and "refunded" in error["message"]


def test_a_licence_is_needed_and_is_used_up(
    cli: CommandLine, on_sale: market.Sale, bought: market.Bought
) -> None:
    address = registered(cli, "guest")
    none = market.Bought(on_sale, "0" * 64)
    assert refused(cli, address, *market.invocation(none, "guest"))["code"] == "unlicensed"
    stolen = refused(cli, address, *market.invocation(bought, "guest"))
    assert stolen["code"] == "unlicensed"
    mine = market.buy(cli, on_sale, who="guest")
    cli.ask(*market.invocation(mine, "guest"))
    assert refused(cli, address, *market.invocation(mine, "guest"))["code"] == "exhausted"


def test_a_licence_expires(own_ledger: Callable[..., Ledger], tmp_path: Path) -> None:
    """After its time the rest of the price is back, and the licence good for nothing."""
    cli = own_ledger().type
    sale = market.publish(cli, tmp_path, "brief", networks.mixture())
    market.approve(cli, sale)
    market.offer(cli, sale, "--expires-after", "0.00001")
    before = cli.balance("consumer")
    bought = cli.ask("model", "buy", sale.reference, "--calls", 3, "--from", "consumer")
    for _ in range(60):
        if cli.balance("consumer") == before - bought["gas_used"]:
            break
    assert cli.balance("consumer") == before - bought["gas_used"]
    error = cli.fail(*market.invocation(market.Bought(sale, bought["licence"])))
    assert "expire" in error["code"] + error["message"]


def test_nobody_spends_what_they_have_not(cli: CommandLine, on_sale: market.Sale) -> None:
    address = registered(cli, "poor", money=10_000)
    for words in (
        ("transfer", "consumer", 10_001, "--from", "poor"),
        ("model", "buy", on_sale.reference, "--calls", 900, "--from", "poor"),
    ):
        assert refused(cli, address, *words)["code"] == "insufficient_funds"
    assert cli.balance("poor") == 10_000


def test_an_envelope_counts_once(ledger: Ledger) -> None:
    """The same bytes again, an expired one, one signed for another chain, a broken signature."""
    cli = ledger.type
    address = registered(cli, "twice")
    hand = Hand(cli.home, cli.node, "twice")
    receiver = cli.ask("wallet", "create", "receiver")["address"]
    envelope = hand.transfer(receiver)
    assert post(cli.node, envelope).status_code == 200
    before = account(cli, address)
    height = cli.ask("chain", "show")["height"]
    wrong = {
        "replayed": envelope,
        "expired": hand.transfer(receiver, expiry_height=height - 1),
        "wrong_chain": hand.transfer(receiver, chain_id="synnergy-" + "0" * 32),
        "insufficient_funds": hand.transfer(receiver, gas_price=10**9),
        "bad_signature": envelope[:-20] + bytes([envelope[-20] ^ 1]) + envelope[-19:],
        "malformed": b"\xc1" + envelope,
    }
    for code, content in wrong.items():
        answer = post(cli.node, content)
        assert answer.status_code == 400 and answer.json()["error"]["code"] == code, answer.text
        assert answer.json()["error"]["message"]
    assert account(cli, address) == before
    assert cli.balance("receiver") == 5


def test_inputs_that_do_not_fit_are_refused_before_anything_is_charged(
    cli: CommandLine, bought: market.Bought, tmp_path: Path
) -> None:
    consumer = cli.ask("balance", "consumer")["address"]
    rows = np.ones((3, 6), np.float32)
    holes = rows.copy()
    holes[1, 2] = np.nan
    np.save(tmp_path / "narrow.npy", rows[:, :4])
    np.save(tmp_path / "holes.npy", holes)
    np.savez(tmp_path / "names.npz", Z=rows)
    np.save(tmp_path / "text.npy", rows.astype(str))
    np.save(tmp_path / "pickled.npy", np.array([{}], object), allow_pickle=True)
    (tmp_path / "ragged.csv").write_text("a,b,c,d,e,f\n1,2,3,4,5\n")
    (tmp_path / "holes.json").write_text('{"X": [[1, 2, null, 4, 5, 6]]}')
    (tmp_path / "infinite.json").write_text('{"X": [[1, 2, "Infinity", 4, 5, 6]]}')
    (tmp_path / "bare.json").write_text('{"X": [[1, 2, NaN, 4, 5, 6]]}')
    (tmp_path / "bytes.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
    before = account(cli, consumer)["balance"]
    names = (
        "narrow.npy holes.npy names.npz text.npy pickled.npy ragged.csv holes.json"
        " infinite.json bare.json bytes.csv"
    )
    for name in names.split():
        error = cli.fail(*market.invocation(bought, given=tmp_path / name))
        assert "fee" not in error, (name, error)
    assert account(cli, consumer)["balance"] == before


def test_too_many_rows_are_refused(cli: CommandLine, tmp_path: Path) -> None:
    sale = market.publish(cli, tmp_path, "narrow", networks.mixture())
    market.approve(cli, sale)
    market.offer(cli, sale, "--max-rows", 2)
    bought = market.buy(cli, sale)
    error = cli.fail(*market.invocation(bought))
    assert "rows" in error["message"] and "2" in error["message"]


def test_hostile_models_are_refused(cli: CommandLine, tmp_path: Path) -> None:
    files = {
        "garbage": b"not a model at all",
        "empty": b"",
        "cut": networks.convolution().content[:-40],
    }
    publisher = cli.ask("balance", "publisher")["address"]
    for name, content in files.items():
        file = tmp_path / f"{name}.onnx"
        file.write_bytes(content)
        before = account(cli, publisher)["balance"]
        error = cli.fail("model", "publish", file, "--name", name, "--from", "publisher")
        assert error["code"]
        assert account(cli, publisher)["balance"] == before
        assert cli.fail("tensor", "check", file)["code"]


def test_nothing_is_paid_for_a_publication_that_cannot_be(
    cli: CommandLine, on_sale: market.Sale, tmp_path: Path
) -> None:
    """A taken version, no name, a node that no ledger computes: all seen before the upload."""
    name = on_sale.reference.partition("/")[2].partition("@")[0]
    wanted = tmp_path / "wanted.onnx"
    wanted.write_bytes(networks.attention(seed=70).content)
    strange = tmp_path / "strange.onnx"
    strange.write_bytes(networks.unknown_operators().content)
    publisher = cli.ask("balance", "publisher")["address"]
    before = account(cli, publisher)
    sent = ("--from", "publisher")
    taken = cli.fail("model", "publish", wanted, "--name", name, *sent)
    assert taken["code"] == "already_published"
    named = cli.fail("model", "publish", wanted, "--name", "Not a name", *sent, code=2)
    assert named["code"] == "bad_name"
    unsupported = cli.fail("model", "publish", strange, "--name", "strange", *sent)
    assert unsupported["code"] == "unsupported_model"
    assert all(word in unsupported["message"] for word in ("NoSuchOperator", "NorThisOne"))
    assert account(cli, publisher) == before


PATHS = (
    "/v1/transactions/zz",
    "/v1/transactions/" + "f" * 64,
    "/v1/blocks/-1",
    "/v1/blocks/99999999999999999999",
    "/v1/blocks/abc",
    "/v1/accounts/nobody",
    "/v1/state/nothing/here",
    "/v1/state/models/xyz",
    "/v1/models/" + "0" * 40,
    "/v1/models?limit=-5",
    "/v1/licences/xyz",
    "/v1/receipts/" + "0" * 64,
    "/v1/payloads/" + "0" * 64,
    "/v1/policy/check?who=a&action=b&resource=c",
    "/v1/documents/1",
    "/v2/anything",
)


@pytest.mark.parametrize("path", PATHS)
def test_bad_requests_get_a_code_and_a_sentence(cli: CommandLine, path: str) -> None:
    answer = httpx.get(cli.node + path)
    assert 400 <= answer.status_code < 500, answer.text
    assert set(answer.json()["error"]) >= {"code", "message"}


def test_bodies_are_limited_and_never_break_the_node(cli: CommandLine) -> None:
    url = f"{cli.node}/v1/transactions"
    generator = np.random.default_rng(3)
    bodies = [b"", b"\x00", b"{}", b"\x93" * 5000, generator.bytes(3000), b"\xdd\xff\xff\xff\xff"]
    for route in (url, f"{cli.node}/v1/quotes"):
        for body in bodies:
            answer = httpx.post(route, content=body, headers=TYPE)
            assert answer.status_code == 400 and answer.json()["error"]["code"], answer.text
        large = httpx.post(route, content=bytes(5 << 20), headers=TYPE)
        assert (large.status_code, large.json()["error"]["code"]) == (413, "too_large")
    assert httpx.post(url, content=b"{}", headers={"content-type": "text/x"}).status_code == 415
    assert httpx.delete(url).status_code == 405
    health = httpx.get(f"{cli.node}/health").json()
    assert set(health) >= {
        *("height", "app_hash", "catching_up", "mempool", "engine"),
        *("policy_version", "protocol_version", "kernel"),
    }
    assert httpx.get(f"{cli.node}/openapi.json").json()["paths"]["/v1/transactions"]
    assert "# HELP" in httpx.get(f"{cli.node}/metrics").text
    block = httpx.get(f"{cli.node}/v1/blocks/{health['height']}").json()
    assert block["app_hash"] == health["app_hash"]
