"""CHAIN-1, CHAIN-2: a genesis file is refused in a sentence, or begins a chain with its supply."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fuzz import mutate
from fuzz.target import Target, plain
from synnergy.chain.first_state import apply_genesis
from synnergy.chain.genesis import (
    BadGenesis,
    Genesis,
    chain_id_of,
    decode_genesis_file,
    encode_genesis_file,
)
from synnergy.state import records
from synnergy.state.journal import Journal
from synnergy.wire.types import MAX_INTEGER
from tests.ledger.harness import genesis


def check(data: bytes) -> Iterator[str]:
    try:
        first = decode_genesis_file(data)
    except BadGenesis as bad:
        assert str(bad)
        yield plain(str(bad))
        # No change of a file keeps its chain id, so that the file alone would never be read on.
        try:
            first = msgspec.json.decode(data, type=Genesis)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
    file = encode_genesis_file(first)
    assert decode_genesis_file(file) == first
    assert len(chain_id_of(first)) <= 50
    journal = Journal({}.get, lambda start, stop, limit: [])
    try:
        apply_genesis(first, journal)
    except BadGenesis as bad:
        assert str(bad)
        yield plain(str(bad))
        return
    total = sum(account.balance for _, account in records.accounts.scan(journal))
    money = records.money.load(journal, records.SINGLE)
    assert money is not None and total == money.supply <= MAX_INTEGER
    yield f"begun {len(first.wallets)} {len(first.regulators)}"


def seeds() -> dict[str, bytes]:
    small = '@id("all") permit (principal, action, resource);'
    plain = genesis(policy=small)
    made = {
        "plain": plain,
        "default": genesis(),
        "two": genesis(threshold=2, policy=small),
        "poor": genesis(minimum_gas_price=0, policy=small, local_only=False),
    }
    return {name: msgspec.json.encode(value) for name, value in made.items()} | {
        "file": encode_genesis_file(plain)
    }


def _dictionary() -> tuple[bytes, ...]:
    names = [field.encode_name for field in msgspec.structs.fields(Genesis)]
    roles = ["operator", "regulator", "publisher", "consumer", "trainer", "auditor"]
    words = [f'"{word}"' for word in (*names, *roles)]
    return tuple(word.encode() for word in (*words, "9007199254740991", "null", "true", "[]"))


TARGET = Target(
    check, seeds, longest=16_384, mutate=mutate.document, dictionary=_dictionary(), seconds=20
)
