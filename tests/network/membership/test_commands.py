"""NET-11: the commands of regulators and operators, and the file they hand to each other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from synnergy.api.app import create_app
from synnergy.api.node import Node as ServedNode
from synnergy.chain.genesis import encode_genesis_file
from synnergy.cli.validators import indispensable
from synnergy.client import api, replies
from synnergy.client.failures import ClientError, WrongUse
from synnergy.client.home import Home
from synnergy.client.keystore import create_wallet
from synnergy.client.validators import make_statement, read_statement, write_statement
from synnergy.engines.cometbft.files import Identity, Layout, create_keys
from synnergy.engines.solo import SoloEngine
from synnergy.identity.keys import KeyPair
from tests.api.schemas import problems
from tests.cli.support import Done, run
from tests.client.conftest import FaultyTransport
from tests.ledger.harness import CONSUMER, OPERATOR, PUBLISHER, REGULATOR, SECOND, SIGNER, Ledger
from tests.network.membership.support import (
    consensus_key,
    newcomer,
    node_id,
    nodes,
    open_network,
)


@dataclass
class World:
    """A home with the wallets of a network's parties, and a node that serves its ledger."""

    home: Home
    ledger: Ledger
    served: TestClient
    capsys: pytest.CaptureFixture[str]

    def run(self, *words: object, home: Home | None = None) -> Done:
        return run(self.capsys, "--home", (home or self.home).root, *words)

    def ok(self, *words: object, home: Home | None = None) -> dict[str, Any]:
        done = self.run("--json", *words, home=home)
        assert done.code == 0, done.out
        return done.json

    def refused(self, *words: object, home: Home | None = None) -> dict[str, Any]:
        done = self.run("--json", *words, home=home)
        assert done.code in (1, 2)
        return done.json["error"]


def make_home(root: Path, ledger: Ledger, **wallets: KeyPair) -> Home:
    home = Home(root)
    for name, keys in wallets.items():
        create_wallet(home.keystore, name, None, keys.seed)
    home.genesis.write_bytes(encode_genesis_file(ledger.application.genesis))
    return home


@pytest.fixture
def world(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    ledger = open_network(tmp_path / "data", threshold=2)
    home = make_home(
        tmp_path / "home", ledger, regulator=REGULATOR, second=SECOND, publisher=PUBLISHER
    )
    engine = SoloEngine(ledger.application, SIGNER)
    engine.start()
    monkeypatch.delenv("SYNNERGY_NODE", raising=False)
    with TestClient(create_app(ServedNode(ledger.application, engine))) as served:
        transport = FaultyTransport(served._transport)
        real = api.Node
        monkeypatch.setattr(api, "Node", lambda *_, **__: real("http://ledger.test", transport))
        yield World(home, ledger, served, capsys)
    engine.stop()
    ledger.close()


def joining(world: World, tmp_path: Path) -> tuple[Home, Identity, KeyPair]:
    """The home of a machine that would join, its identity and its registered operator."""
    operator = newcomer(world.ledger)
    home = make_home(tmp_path / "joining", world.ledger, operator=operator)
    return home, create_keys(Layout(home.root)), operator


def test_a_node_is_admitted_weighed_and_removed(world: World, tmp_path: Path) -> None:
    home, identity, operator = joining(world, tmp_path)
    file = tmp_path / "joining.json"
    url = "https://new.example"
    made = ("validator", "statement", "--out", file, "--from", "operator", "--endpoint", url)
    stated = world.ok(*made, home=home)
    assert stated == {
        "chain_id": world.ledger.application.chain_id,
        "public_key": identity.public_key,
        "node_id": identity.node_id,
        "operator": operator.address,
        "endpoint": url,
        "file": str(file),
    }
    admit = ("regulator", "validator", "admit", file, "--power", 0, "--from")
    first = world.ok(*admit, "regulator")
    assert (first["agreed"], first["threshold"], first["carried_out"]) == (1, 2, False)
    (waiting,) = world.ok("regulator", "proposals")["proposals"]
    for word in (identity.node_id, identity.public_key, operator.address, url, "power of 0"):
        assert word in waiting["words"]
    agree = ("regulator", "agree", first["proposal"][:16], "--from", "second")
    assert world.ok(*agree)["carried_out"] is True
    listed = {one["public_key"]: one for one in world.ok("validator", "ls")["validators"]}
    assert listed[identity.public_key]["operator"] == operator.address
    assert listed[identity.public_key]["endpoint"] == url
    for who, weight in ((identity.public_key, 4), (operator.address, 5)):
        power = ("regulator", "validator", "power", who, weight, "--from")
        assert world.ok(*power, "second")["carried_out"] is False
        assert world.ok(*power, "regulator")["carried_out"] is True
    assert world.ok("validator", "ls")["power"] == 25
    remove = ("regulator", "validator", "remove", operator.address, "--from")
    assert world.ok(*remove, "second")["carried_out"] is False
    done = world.run(*remove, "regulator")
    assert done.code == 0 and f"{identity.public_key} is removed" in done.out
    assert identity.public_key not in {
        one["public_key"] for one in world.ok("validator", "ls")["validators"]
    }


def test_the_list_is_that_of_the_state(world: World) -> None:
    found = world.ok("validator", "ls")
    assert found["power"] == 20
    assert [one["power"] for one in found["validators"]] == [10, 10, 0]
    first, second, _ = found["validators"]
    assert first["address"] < second["address"] and first["address"].isupper()
    for one in found["validators"]:
        record = nodes(world.ledger)[bytes.fromhex(one["public_key"])]
        assert one["node_id"] == record.node_id.hex()
        assert (one["operator"], one["endpoint"]) == (record.operator, record.endpoint)
        path = f"/v1/state/validators/{one['public_key']}"
        assert world.served.get(path).json()["value"]["node_id"] == one["node_id"]
    document = world.served.get("/openapi.json").json()
    answer, schemas = world.served.get("/v1/validators").json(), document["components"]["schemas"]
    assert answer == found
    assert not list(problems(answer, {"$ref": "#/components/schemas/ValidatorsView"}, schemas))
    shown = world.run("validator", "ls")
    assert shown.code == 0 and PUBLISHER.address in shown.out


def test_who_could_stop_the_network_is_given_its_vote_by_force_alone(
    world: World, tmp_path: Path
) -> None:
    """A third of all the power is enough to keep blocks from being decided."""
    power = ("regulator", "validator", "power", "publisher", 5, "--from", "regulator")
    assert world.ok(*power)["agreed"] == 1
    power = ("regulator", "validator", "power", CONSUMER.address, 10, "--from", "regulator")
    error = world.refused(*power)
    assert error["code"] == "indispensable"
    assert "once it has caught up" in error["message"] and "admit" not in error["message"]
    assert world.ok(*power, "--force")["agreed"] == 1

    home, _, _ = joining(world, tmp_path)
    file = tmp_path / "joining.json"
    world.ok("validator", "statement", "--out", file, "--from", "operator", home=home)
    admit = ("regulator", "validator", "admit", file, "--from", "regulator", "--power")
    error = world.refused(*admit, 10)
    assert error["code"] == "indispensable" and "admit it with 0 first" in error["message"]
    assert world.ok(*admit, 0)["agreed"] == 1
    assert world.ok(*admit, 10, "--force")["agreed"] == 1


@pytest.mark.parametrize(
    ("before", "weight", "says"),
    [(0, 9, False), (0, 10, True), (10, 10, False), (11, 10, False), (9, 10, True), (0, 0, False)],
)
def test_a_third_of_all_is_indispensable(before: int, weight: int, says: bool) -> None:
    others = replies.Validator("aa", "", 20, "", "", "", 0)
    own = replies.Validator("bb", "", before, "", "", "", 0)
    found = replies.Validators((others, own), 20 + before)
    assert indispensable(found, "bb", weight) is says


def test_refusals_are_told(world: World, tmp_path: Path) -> None:
    home, _, operator = joining(world, tmp_path)
    file = tmp_path / "file.json"
    world.ok("validator", "statement", "--out", file, "--from", "operator", home=home)
    admit = ("regulator", "validator", "admit", file, "--power", 1, "--from")
    assert world.refused(*admit, "publisher")["code"] == "not_a_regulator"
    unknown = ("regulator", "validator", "remove", operator.address, "--from", "regulator")
    assert world.refused(*unknown)["code"] == "unknown_validator"
    last = ("regulator", "validator", "power", "ab" * 32, 1, "--from", "regulator")
    assert world.refused(*last)["rule"] == "NET-13"
    for weight in (-1, "x"):
        power = ("regulator", "validator", "power", "publisher", weight, "--from", "regulator")
        assert world.run("--json", *power).code == 2
    # Without keys, or without the network's genesis, there is nothing to state.
    state = ("validator", "statement", "--out", tmp_path / "x", "--from", "operator")
    bare = make_home(tmp_path / "bare", world.ledger, operator=operator)
    assert world.refused(*state, home=bare)["code"] == "no_validator"
    bare.genesis.unlink()
    assert world.refused(*state, home=bare)["code"] == "no_genesis"
    odd = world.refused(*state, "--endpoint", "ftp://x", home=home)
    assert odd["code"] == "usage" and "endpoint" in odd["message"]
    Layout(home.root).consensus_key.write_text("{}")
    assert world.refused(*state, home=home)["code"] == "no_validator"
    assert not (tmp_path / "x").exists()


# ---- the file ---------------------------------------------------------------------------------

CHAIN = "test-" + "0" * 32


def written(tmp_path: Path, **changes: object) -> Path:
    """A good statement's file with some of its text changed."""
    signed = make_statement(
        CHAIN, consensus_key("c"), node_id("c").hex(), OPERATOR, "http://c.example"
    )
    path = tmp_path / "statement.json"
    write_statement(signed, path)
    document = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: it for name, it in document.items() if it is not None}))
    return path


def test_a_file_round_trips(tmp_path: Path) -> None:
    signed = make_statement(CHAIN, consensus_key("c"), node_id("c").hex(), OPERATOR, "")
    path = tmp_path / "statement.json"
    write_statement(signed, path)
    assert read_statement(path, CHAIN) == signed
    assert consensus_key("c").seed.hex() not in path.read_text()


def flipped(text: str, at: int) -> str:
    """One hex digit changed by a bit."""
    return text[:at] + f"{int(text[at], 16) ^ 1:x}" + text[at + 1 :]


def test_a_file_in_which_anything_was_changed_is_refused(tmp_path: Path) -> None:
    good = json.loads(written(tmp_path).read_text())
    changes: list[dict[str, object]] = [
        {name: flipped(str(good[name]), at)}
        for name in ("public_key", "node_id", "signature", "operator_key", "operator_signature")
        for at in (0, 17, len(good[name]) - 1)
    ]
    changes += [
        {"operator": PUBLISHER.address},
        {"endpoint": "http://d.example"},
        {"endpoint": ""},
        {"chain_id": "test-" + "1" * 32},
        {"signature": good["operator_signature"], "operator_signature": good["signature"]},
        {"operator_key": good["public_key"], "operator_signature": good["signature"]}
        | {"signature": good["operator_signature"]},
    ]
    for change in changes:
        with pytest.raises(ClientError) as refused:
            read_statement(written(tmp_path, **change), CHAIN)
        assert refused.value.code == "bad_statement", change
    with pytest.raises(ClientError) as refused:
        read_statement(written(tmp_path), "test-" + "1" * 32)
    assert refused.value.code == "wrong_chain"


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"extra": 1},
        {"signature": None},
        {"signature": "00"},
        {"public_key": "A" * 64},
        {"node_id": "0" * 41},
        {"node_id": "0" * 40 + "\n"},
        {"operator": 5},
    ],
)
def test_what_is_no_statement_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    with pytest.raises(ClientError) as refused:
        read_statement(written(tmp_path, **change), CHAIN)
    assert refused.value.code == "bad_statement_file"


@pytest.mark.parametrize(
    ("identifier", "endpoint"),
    [("xy", ""), ("00" * 19, ""), ("00" * 20, "ftp://x"), ("00" * 20, "http://x\n")],
)
def test_what_no_ledger_would_take_is_not_signed(identifier: str, endpoint: str) -> None:
    with pytest.raises(WrongUse):
        make_statement(CHAIN, consensus_key("c"), identifier, OPERATOR, endpoint)


def test_a_chain_of_one_node_lists_none(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "alone")
    engine = SoloEngine(ledger.application, SIGNER)
    with TestClient(create_app(ServedNode(ledger.application, engine))) as served:
        assert served.get("/v1/validators").json() == {"validators": [], "power": 0}
    ledger.close()
