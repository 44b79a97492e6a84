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
    GenesisWallet,
    chain_id_of,
    decode_genesis_file,
    encode_genesis_file,
    genesis_hash,
)
from synnergy.state.store import Store
from synnergy.wire.codec import encode
from tests.ledger.harness import CONSUMER, OPERATOR, PUBLISHER, REGULATOR, SECOND, genesis, key

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
