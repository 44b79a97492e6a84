"""CHAIN-1, CHAIN-2: the chain id binds the genesis; one that cannot start a chain says why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from synnergy.chain.application import Application
from synnergy.chain.genesis import (
    BadGenesis,
    Genesis,
    GenesisValidator,
    GenesisWallet,
    chain_id_of,
    decode_genesis_file,
    encode_genesis_file,
    genesis_hash,
)
from synnergy.state import records
from synnergy.state.store import Store
from synnergy.wire.codec import encode
from tests.ledger.harness import CONSUMER, OPERATOR, PUBLISHER, REGULATOR, SECOND, genesis, key


def validator(name: str, power: int = 10, operator: str = OPERATOR.address) -> GenesisValidator:
    keys = key(f"validator {name}")
    return GenesisValidator(
        keys.public_key.hex(), power, operator, keys.public_key.hex()[:40], f"http://{name}:7070"
    )


def network(**changes: object) -> Genesis:
    """A genesis of two validators and of a node without a vote."""
    nodes = (
        validator("one"),
        validator("two", 7, CONSUMER.address),
        validator("three", 0, PUBLISHER.address),
    )
    return genesis(**({"signer": "", "validators": nodes} | changes))


CHANGES: dict[str, object] = {
    "name": "other",
    "time": 1,
    "local_only": False,
    "wallets": genesis().wallets[::-1],
    "regulators": (SECOND.address, REGULATOR.address),
    "threshold": 2,
    "fee_account": PUBLISHER.address,
    "minimum_gas_price": 2,
    "protocol_version": 2,
    "gas_version": 2,
    "policy": genesis().policy + "\n",
    "signer": "0" * 64,
    "format": 2,
    "validators": (validator("one"),),
}


def test_the_chain_id_binds_every_field() -> None:
    assert set(CHANGES) == set(Genesis.__struct_fields__)
    known = {chain_id_of(genesis())}
    for field, value in CHANGES.items():
        changed = chain_id_of(genesis(**{field: value}))
        assert changed not in known, field
        known.add(changed)


def test_the_chain_id_is_name_and_hash() -> None:
    """TX-3"""
    identifier = chain_id_of(genesis())
    assert identifier == "test-" + genesis_hash(genesis()).hex()[:32]
    assert len(chain_id_of(genesis(name="a" * 17))) == 50


def test_a_genesis_file_round_trips() -> None:
    content = encode_genesis_file(genesis())
    assert decode_genesis_file(content) == genesis()
    assert json.loads(content)["chain_id"] == chain_id_of(genesis())


def edited(edit: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads(encode_genesis_file(genesis()))
    edit(document)
    return json.dumps(document).encode()


def rename(document: dict[str, Any], name: str) -> None:
    """Change the name, and the chain id as somebody would who means it."""
    document["genesis"]["name"] = name
    made = msgspec.structs.replace(genesis(), name=name)
    document["chain_id"] = chain_id_of(made)


@pytest.mark.parametrize(
    ("says", "content"),
    [
        ("malformed", b""),
        ("malformed", b"{"),
        ("malformed", b"\xff\xfe"),
        ("malformed", b"[]"),
        ("malformed", encode(genesis())),
        ("malformed", edited(lambda d: d.pop("chain_id"))),
        ("malformed", edited(lambda d: d.update(extra=1))),
        ("malformed", edited(lambda d: d["genesis"].update(extra=1))),
        ("malformed", edited(lambda d: d["genesis"].pop("policy"))),
        ("malformed", edited(lambda d: d["genesis"].update(time=-1))),
        ("malformed", edited(lambda d: d["genesis"].update(time=1.5))),
        ("malformed", edited(lambda d: d["genesis"].update(format=10**30))),
        ("malformed", edited(lambda d: d["genesis"].update(format=-(10**30)))),
        ("malformed", edited(lambda d: d["genesis"].update(time=True))),
        ("malformed", edited(lambda d: d["genesis"].update(threshold=0))),
        ("malformed", edited(lambda d: d["genesis"].update(regulators=[]))),
        ("malformed", edited(lambda d: d["genesis"].update(signer="xy"))),
        ("malformed", edited(lambda d: d["genesis"].update(signer="\n"))),
        ("malformed", edited(lambda d: d["genesis"].update(fee_account="syn1"))),
        ("malformed", edited(lambda d: rename(d, "a" * 18))),
        ("malformed", edited(lambda d: rename(d, "UPPER"))),
        ("malformed", edited(lambda d: rename(d, "test\n"))),
        ("malformed", edited(lambda d: d["genesis"]["wallets"][0].update(balance=2**53))),
        ("malformed", edited(lambda d: d["genesis"]["wallets"][0].update(balance=-1))),
        ("malformed", edited(lambda d: d["genesis"]["wallets"][0].update(roles=["king"]))),
        ("malformed", edited(lambda d: d["genesis"]["wallets"][0].update(jurisdiction="GBR"))),
        ("says it is of chain", edited(lambda d: d["genesis"].update(minimum_gas_price=0))),
        ("says it is of chain", edited(lambda d: d.update(chain_id="test-" + "0" * 32))),
    ],
)
def test_a_malformed_genesis_file_is_refused(says: str, content: bytes) -> None:
    with pytest.raises(BadGenesis, match=says):
        decode_genesis_file(content)


def wallets(**changes: object) -> tuple[GenesisWallet, ...]:
    """The harness's wallets with the consumer's changed."""
    return tuple(
        msgspec.structs.replace(wallet, **changes)
        if wallet.address == CONSUMER.address
        else wallet
        for wallet in genesis().wallets
    )


BAD_ADDRESS = "syn1" + "q" * 38
LOCKED = '@id("none") forbid (principal, action, resource);'


@pytest.mark.parametrize(
    ("says", "changes"),
    [
        ("format 2", {"format": 2}),
        ("is not an address", {"fee_account": BAD_ADDRESS}),
        ("is not an address", {"wallets": wallets(address=BAD_ADDRESS)}),
        ("is not an address", {"regulators": (BAD_ADDRESS,)}),
        ("a wallet is listed twice", {"wallets": (*genesis().wallets, genesis().wallets[0])}),
        ("a regulator is listed twice", {"regulators": (REGULATOR.address,) * 2}),
        ("must agree", {"threshold": 3}),
        ("not among the wallets", {"fee_account": key("nobody").address}),
        ("not among the wallets", {"wallets": ()}),
        ("the role regulator", {"regulators": (REGULATOR.address,)}),
        ("the role regulator", {"wallets": wallets(roles=("regulator",))}),
        ("a role is listed twice", {"wallets": wallets(roles=("consumer", "consumer"))}),
        ("not the address of its public key",
         {"wallets": wallets(public_key=OPERATOR.public_key.hex())}),
        ("supply", {"wallets": wallets(balance=2**53 - 1)}),
        ("policy set", {"policy": ""}),
        ("policy set", {"policy": "permit (principal, action, resource);"}),
        ("policy set", {"policy": LOCKED}),
    ],
)  # fmt: skip
def test_a_genesis_that_cannot_start_a_chain_is_refused(
    tmp_path: Path, says: str, changes: dict[str, object]
) -> None:
    store = Store.open(tmp_path / "data")
    with pytest.raises(BadGenesis, match=says):
        Application(store, genesis(**changes))
    assert store.get("meta", b"chain_id") is None
    application = Application(store, genesis())  # the store is as empty as before
    assert application.height == 0
    store.close()


def test_a_network_s_file_is_comet_bft_s(tmp_path: Path) -> None:
    first = network(time=1_700_000_000_123)
    content = encode_genesis_file(first)
    assert decode_genesis_file(content) == first
    read = json.loads(content)
    assert read["genesis_time"] == "2023-11-14T22:13:20.123Z"
    assert read["chain_id"] == chain_id_of(first)
    assert [one["power"] for one in read["validators"]] == ["10", "7"]
    assert read["validators"][0]["pub_key"]["type"] == "tendermint/PubKeyEd25519"
    store = Store.open(tmp_path)
    state = Application(store, first).journal()
    listed = {bytes(key): value for key, value in records.validators.scan(state)}
    assert {value.power for value in listed.values()} == {10, 7, 0}
    store.close()


@pytest.mark.parametrize(
    ("where", "value", "said"),
    [
        (("genesis_time",), "2023-11-14T22:13:20Z", "genesis_time"),
        (("chain_id",), "test-" + "0" * 32, "chain"),
        (("initial_height",), "2", "initial_height"),
        (("app_hash",), "00", "app_hash"),
        (("validators", 0, "power"), "11", "validators"),
        (("validators",), [], "validators"),
        (("consensus_params", "block", "max_bytes"), "1", "consensus_params"),
        (("app_state", "validators"), [], "chain"),
        (("app_state",), None, "malformed"),
    ],
)
def test_what_does_not_follow_from_app_state_is_refused(
    where: tuple[str | int, ...], value: object, said: str
) -> None:
    document = json.loads(encode_genesis_file(network(time=1_700_000_000_123)))
    inner = document
    for part in where[:-1]:
        inner = inner[part]
    inner[where[-1]] = value
    with pytest.raises(BadGenesis, match=said):
        decode_genesis_file(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"signer": "0" * 64}, "not both"),
        ({"validators": (validator("one", 0),)}, "has a vote"),
        ({"validators": (validator("one"), validator("one", 3, CONSUMER.address))}, "public_key"),
        ({"validators": (validator("one"), validator("two"))}, "operator"),
        ({"validators": (validator("one", 1, key("nobody").address),)}, "not among the wallets"),
    ],
)
def test_validators_that_cannot_be_are_named(
    changes: dict[str, object], said: str, tmp_path: Path
) -> None:
    store = Store.open(tmp_path)
    with pytest.raises(BadGenesis, match=said):
        Application(store, network(**changes))
    store.close()
