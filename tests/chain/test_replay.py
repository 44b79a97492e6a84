"""CHAIN-9: a replay gives the same headers, and notices whatever was changed on the disk."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from synnergy.chain.archive import height_key, load_block
from synnergy.chain.block import StoredBlock
from synnergy.chain.replay import ReplayResult, replay
from synnergy.opcodes.context import Payload
from synnergy.pipeline import TransactionResult
from synnergy.receipts.header import header_signing_bytes
from synnergy.state import records
from synnergy.state.store import Batch, Store
from synnergy.wire.codec import decode_trusted, encode
from tests.chain.script import play
from tests.ledger.harness import CONSUMER, SIGNER, Ledger, genesis


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, bytes]:
    """The folder of a chain with a history, its height and its app hash."""
    folder = tmp_path_factory.mktemp("played") / "data"
    ledger = Ledger(folder)
    play(ledger)
    application = ledger.application
    ledger.close()
    return folder, application.height, application.app_hash


def changed(played: tuple[Path, int, bytes], to: Path, change: Callable[[Batch], None]) -> Path:
    """A copy of the chain's folder with something changed."""
    shutil.copytree(played[0], to)
    store = Store.open(to)
    with store.write() as batch:
        change(batch)
    store.close()
    return to


def test_a_replay_gives_the_same_headers(played: tuple[Path, int, bytes]) -> None:
    folder, height, app_hash = played
    seen: list[tuple[int, int]] = []
    found = replay(folder, genesis(), lambda *progress: seen.append(progress))
    assert found == ReplayResult(height, app_hash, None)
    assert seen == [(at, height) for at in range(1, height + 1)]


def test_a_replay_of_another_genesis_stops_at_once(played: tuple[Path, int, bytes]) -> None:
    found = replay(played[0], genesis(name="other"))
    assert found.height == 0 and found.problem is not None and "genesis" in found.problem


def test_a_replay_runs_beside_the_node(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "data")
    ledger.block()
    # LMDB opens an environment once in a process, so that "beside" needs a copy here.
    shutil.copytree(ledger.store.path, tmp_path / "copy")
    assert replay(tmp_path / "copy", genesis()).problem is None
    ledger.close()


def edit_block(batch: Batch, height: int, edit: Callable[[StoredBlock], StoredBlock]) -> None:
    block = load_block(batch.get, height)
    assert block is not None
    batch.put("blocks", height_key(height), encode(edit(block)))


def resign(block: StoredBlock, **changes: object) -> StoredBlock:
    """What somebody who holds the chain's key could forge."""
    header = msgspec.structs.replace(block.header, **changes)
    return StoredBlock(
        header, SIGNER.sign(header_signing_bytes(header)), block.transactions, block.events
    )


def first(batch: Batch, database: str, number: int = 0) -> tuple[bytes, bytes]:
    return batch.scan(database, b"", None)[number]


def swap_transactions(block: StoredBlock) -> StoredBlock:
    swapped = block.transactions[::-1]
    return msgspec.structs.replace(block, transactions=swapped)


def drop_a_transaction(batch: Batch) -> None:
    edit_block(batch, 1, lambda b: msgspec.structs.replace(b, transactions=b.transactions[1:]))


def change_a_result(batch: Batch) -> None:
    key, value = first(batch, "results")
    result = decode_trusted(value, TransactionResult)
    batch.put("results", key, encode(msgspec.structs.replace(result, fee=result.fee + 1)))


def change_an_input(batch: Batch) -> None:
    key, value = first(batch, "payloads")
    payload = decode_trusted(value, Payload)
    content = payload.content[:-1] + bytes((payload.content[-1] ^ 1,))
    batch.put("payloads", key, encode(msgspec.structs.replace(payload, content=content)))


def change_every_output(batch: Batch) -> None:
    for key, value in batch.scan("payloads", b"", None):
        payload = decode_trusted(value, Payload)
        if payload.salt != b"s" * 32:  # the tests' own salt, of inputs
            batch.put("payloads", key, encode(msgspec.structs.replace(payload, content=b"?")))


def change_a_chunk(batch: Batch) -> None:
    key, value = first(batch, "artefacts")
    payload = decode_trusted(value, Payload)
    batch.put("artefacts", key, encode(msgspec.structs.replace(payload, content=b"?")))


def change_a_balance(batch: Batch) -> None:
    raw = records.accounts.raw_key(CONSUMER.address)
    account = decode_trusted(batch.get("state", raw) or b"", records.Account)
    batch.put("state", raw, encode(records.Account(account.balance + 1, account.nonce)))


def change_a_receipt(batch: Batch) -> None:
    key, value = first(batch, "receipts")
    batch.put("receipts", key, value[:-1] + bytes((value[-1] ^ 1,)))


def forget_a_proof(batch: Batch) -> None:
    batch.delete("proofs", first(batch, "proofs")[0])


def move_a_transaction(batch: Batch) -> None:
    one, other = first(batch, "transactions"), first(batch, "transactions", 1)
    batch.put("transactions", one[0], other[1])


CHANGES: list[tuple[str, Callable[[Batch], None], int]] = [
    ("it is missing", lambda batch: batch.delete("blocks", height_key(3)), 3),
    ("signature", lambda b: edit_block(b, 2, lambda k: msgspec.structs.replace(
        k, signature=bytes(64))), 2),
    ("signature", lambda b: edit_block(b, 2, lambda k: msgspec.structs.replace(
        k, header=msgspec.structs.replace(k.header, time=k.header.time + 1))), 2),
    ("app_hash is", lambda b: edit_block(b, 2, lambda k: resign(k, app_hash=bytes(32))), 2),
    ("results is", lambda b: edit_block(b, 2, lambda k: resign(k, results=bytes(32))), 2),
    ("transactions is", lambda b: edit_block(b, 2, lambda k: resign(
        k, transactions=bytes(32))), 2),
    ("does not follow", lambda b: edit_block(b, 2, lambda k: resign(k, previous=bytes(32))), 2),
    ("does not follow", lambda b: edit_block(b, 2, lambda k: resign(
        k, height=2, time=k.header.time - 1)), 3),
    ("app_hash is", lambda b: edit_block(b, 1, swap_transactions), 1),
    ("app_hash is", drop_a_transaction, 1),
    ("results kept", change_a_result, 1),
    ("it is unreadable", lambda batch: batch.put("blocks", height_key(3), b"?"), 3),
    (".", change_an_input, 0),
    ("output kept", change_every_output, 0),
    ("lacks an attachment", change_a_chunk, 0),
    ("state", change_a_balance, 0),
    ("receipt", change_a_receipt, 0),
    ("proofs kept", forget_a_proof, 0),
    ("another place", move_a_transaction, 0),
]  # fmt: skip


@pytest.mark.parametrize(("says", "change", "height"), CHANGES)
def test_what_was_changed_is_noticed(
    played: tuple[Path, int, bytes],
    tmp_path: Path,
    says: str,
    change: Callable[[Batch], None],
    height: int,
) -> None:
    found = replay(changed(played, tmp_path / "changed", change), genesis())
    assert found.problem is not None and re.search(says, found.problem)
    if height:
        assert found.height == height and found.problem.startswith(f"block {height}: ")
