"""ERASE-1 … ERASE-8, CHAIN-12, CHAIN-13: payloads go, and every hash stays."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from synnergy.chain import payloads
from synnergy.chain.archive import StoredReceipt, WriteSet, load_block, load_payload
from synnergy.chain.block import StoredBlock
from synnergy.chain.payloads import Erased, PayloadChanges, load_erased
from synnergy.chain.replay import replay
from synnergy.identity.keys import KeyPair
from synnergy.opcodes import artefacts, erasure, models
from synnergy.opcodes import ledger as money
from synnergy.pipeline import TransactionResult
from synnergy.receipts.header import header_signing_bytes
from synnergy.receipts.receipt import Receipt
from synnergy.state import records
from synnergy.state.store import Batch, Store
from synnergy.wire.codec import decode_trusted, encode
from synnergy.wire.transaction import Attachment, Envelope
from tests.chain.market import call, calling, input_attachment, licensed, program_of
from tests.chain.script import play
from tests.chain.small_models import linear
from tests.ledger.harness import (
    CONSUMER,
    DAY,
    OPERATOR,
    PUBLISHER,
    REGULATOR,
    SECOND,
    SIGNER,
    Ledger,
    genesis,
    salted,
)

MARKER = b"born on 1 April 1984, blood group AB"


def note(number: int = 0) -> Attachment:
    return salted(MARKER + number.to_bytes(4, "big"))


def carrying(ledger: Ledger, sender: KeyPair, *attachments: Attachment, **header: object) -> bytes:
    arguments = money.Transfer(OPERATOR.address, 1)
    return ledger.envelope(sender, "LEDGER_TRANSFER", arguments, attachments, **header)


def erasing(ledger: Ledger, sender: KeyPair, *commitments: bytes, **header: object) -> bytes:
    arguments = erasure.Erase(commitments, "asked to")
    return ledger.envelope(sender, "LEDGER_ERASE", arguments, **header)


def commitment(attachment: Attachment) -> bytes:
    return attachment.reference.commitment


def kept(ledger: Ledger, of: bytes) -> bool:
    return load_payload(ledger.store.get, of) is not None


def receipt_of(ledger: Ledger, identifier: bytes) -> Receipt:
    stored = ledger.store.get("receipts", identifier)
    assert stored is not None
    return decode_trusted(decode_trusted(stored, StoredReceipt).leaf, Receipt)


def set_retention(ledger: Ledger, period: int) -> None:
    ledger.ok(REGULATOR, "REGULATION_SET_RETENTION", erasure.SetRetention(period))


def called(ledger: Ledger) -> tuple[TransactionResult, Receipt]:
    model, licence = licensed(ledger, linear())
    result = ledger.block(call(ledger, model, licence))[0]
    assert result.status == "ok"
    return result, receipt_of(ledger, result.receipts[0])


def test_an_erased_call_replays_from_what_it_wrote(tmp_path: Path) -> None:  # CHAIN-13
    ledger = Ledger(tmp_path / "data")
    result, receipt = called(ledger)
    assert receipt.input is not None and receipt.output is not None
    asked = ledger.block(erasing(ledger, CONSUMER, receipt.input, receipt.output))[0]
    assert asked.status == "ok"
    assert [event.name for event in asked.events] == ["ledger.erasure_requested"] * 2
    for gone in (receipt.input, receipt.output):
        assert not kept(ledger, gone)
        why = load_erased(ledger.store.get, gone)
        assert why == Erased(
            asked.transaction, CONSUMER.address, ledger.application.height, ledger.time
        )
    # What comes later reads the state that the erased call wrote.
    friend = money.Transfer(PUBLISHER.address, 5)
    assert ledger.send(CONSUMER, "LEDGER_TRANSFER", friend).status == "ok"
    height, app_hash = ledger.application.height, ledger.application.app_hash
    ledger.close()
    found = replay(tmp_path / "data", genesis())
    assert found.problem is None
    assert (found.height, found.app_hash) == (height, app_hash)
    assert found.not_recomputed == (result.transaction,)


def test_a_whole_history_replays_without_any_payload(tmp_path: Path) -> None:
    """Calls good and bad, refusals that carried something, a program of two calls: all erased."""
    ledger = Ledger(tmp_path / "data")
    play(ledger)
    height, app_hash = ledger.application.height, ledger.application.app_hash
    with ledger.store.write() as batch:
        batch.clear("payloads")
    ledger.close()
    found = replay(tmp_path / "data", genesis())
    assert found.problem is None
    assert (found.height, found.app_hash) == (height, app_hash)
    assert len(found.not_recomputed) == len(set(found.not_recomputed)) >= 5


def test_nodes_that_erased_and_that_did_not_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def history(folder: Path) -> tuple[list[StoredBlock | None], int]:
        ledger = Ledger(folder)
        _, receipt = called(ledger)
        assert receipt.input is not None
        ledger.block(carrying(ledger, CONSUMER, note()))
        set_retention(ledger, DAY)
        ledger.block(erasing(ledger, REGULATOR, receipt.input))
        ledger.block(advance=2 * DAY)
        ledger.block(carrying(ledger, CONSUMER, note()))
        heights = range(ledger.application.height + 1)
        blocks = [load_block(ledger.store.get, height) for height in heights]
        payload_count = len(ledger.store.scan("payloads", b"", None))
        ledger.close()
        return blocks, payload_count

    erased, few = history(tmp_path / "one")
    monkeypatch.setattr(PayloadChanges, "erase", lambda *_: None)
    monkeypatch.setattr(PayloadChanges, "_expire", lambda *_: None)
    whole, many = history(tmp_path / "other")
    assert erased == whole
    assert few < many


def test_the_transactions_root_does_not_see_attachments(ledger: Ledger) -> None:  # CHAIN-12
    ledger.block(carrying(ledger, CONSUMER, note()))
    block = load_block(ledger.store.get, ledger.application.height)
    assert block is not None
    kept_of_it = decode_trusted(block.transactions[0].content, Envelope)
    assert kept_of_it.attachments == () and len(kept_of_it.body.attachments) == 1
    assert MARKER not in encode(block)


# ---- who may ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "gone"),
    [(CONSUMER, True), (REGULATOR, True), (SECOND, True), (PUBLISHER, False), (OPERATOR, False)],
)
def test_the_owner_and_regulators_erase(ledger: Ledger, who: KeyPair, gone: bool) -> None:
    ledger.block(carrying(ledger, CONSUMER, note()))
    result = ledger.block(erasing(ledger, who, commitment(note())))[0]
    assert result.status == "ok"  # what is whose no validator has to know (ERASE-1)
    assert kept(ledger, commitment(note())) is not gone
    assert (load_erased(ledger.store.get, commitment(note())) is not None) is gone


def test_whoever_shows_a_payload_again_cannot_take_it(ledger: Ledger) -> None:  # ERASE-3
    ledger.block(carrying(ledger, CONSUMER, note()))
    ledger.block(carrying(ledger, PUBLISHER, note()))
    ledger.block(erasing(ledger, PUBLISHER, commitment(note())))
    payload = load_payload(ledger.store.get, commitment(note()))
    assert payload is not None and payload.parties == (CONSUMER.address,)
    ledger.block(carrying(ledger, PUBLISHER, note()))
    ledger.block(erasing(ledger, CONSUMER, commitment(note())))
    assert not kept(ledger, commitment(note()))


def test_twice_unknown_and_duplicates_are_harmless(ledger: Ledger) -> None:
    ledger.block(carrying(ledger, CONSUMER, note()))
    wanted = commitment(note())
    first = ledger.block(erasing(ledger, CONSUMER, wanted, wanted))[0]
    again = ledger.block(erasing(ledger, CONSUMER, wanted))[0]
    unknown = ledger.block(erasing(ledger, CONSUMER, bytes(32)))[0]
    assert {first.status, again.status, unknown.status} == {"ok"}
    why = load_erased(ledger.store.get, wanted)
    assert why is not None and why.transaction == first.transaction
    assert load_erased(ledger.store.get, bytes(32)) is None


def test_chunks_of_models_are_exempt(ledger: Ledger) -> None:  # ERASE-7
    content = linear()
    digest = ledger.upload(content)
    artefact = records.artefacts.load(ledger.state, digest)
    assert artefact is not None
    for who in (PUBLISHER, REGULATOR):
        assert ledger.block(erasing(ledger, who, *artefact.chunks))[0].status == "ok"
    assert all(ledger.store.get("artefacts", chunk) for chunk in artefact.chunks)
    assert load_erased(ledger.store.get, artefact.chunks[0]) is None


def test_one_input_of_several_calls_goes_for_all(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "data")
    model, licence = licensed(ledger, linear(), calls=4)
    two, data = program_of(*(("INFERENCE_INVOKE", calling(model, licence)),) * 2)
    results = [
        ledger.send(CONSUMER, "INFERENCE_INVOKE", data, input_attachment(), code=two)
        for _ in range(2)
    ]
    receipts = [receipt_of(ledger, one) for result in results for one in result.receipts]
    assert len(receipts) == 4 and len({receipt.input for receipt in receipts}) == 1
    ledger.block(erasing(ledger, CONSUMER, receipts[0].input or b""))
    assert not kept(ledger, receipts[0].input or b"")
    assert all(kept(ledger, receipt.output or b"") for receipt in receipts)
    ledger.close()
    found = replay(tmp_path / "data", genesis())
    assert found.problem is None
    assert found.not_recomputed == tuple(result.transaction for result in results)


def test_only_what_took_effect_erases(ledger: Ledger) -> None:
    ledger.block(carrying(ledger, CONSUMER, note()))
    steps = (
        ("LEDGER_ERASE", erasure.Erase((commitment(note()),), "asked to")),
        ("LEDGER_TRANSFER", money.Transfer(OPERATOR.address, 10**15)),
    )
    code, data = program_of(*steps)
    result = ledger.send(CONSUMER, "LEDGER_ERASE", data, code=code)
    assert (result.status, result.code) == ("refused", "insufficient_funds")
    assert kept(ledger, commitment(note()))


@pytest.mark.parametrize(
    "arguments",
    [
        {"payloads": [], "reason": "r"},
        {"payloads": [bytes(32)] * 65, "reason": "r"},
        {"payloads": [bytes(31)], "reason": "r"},
        {"payloads": [bytes(32)], "reason": ""},
        {"payloads": [bytes(32)], "reason": "r" * 201},
        {"payloads": [bytes(32)]},
    ],
)
def test_arguments_out_of_range(ledger: Ledger, arguments: dict[str, object]) -> None:
    result = ledger.send(CONSUMER, "LEDGER_ERASE", encode(arguments))
    assert (result.status, result.rule) == ("refused", "WIRE-1")


# ---- within one block --------------------------------------------------------------------------


def test_the_order_within_a_block_counts(ledger: Ledger) -> None:  # ERASE-3, ERASE-4
    wanted = commitment(note())
    carried_first = [
        carrying(ledger, CONSUMER, note()),
        erasing(ledger, CONSUMER, wanted, nonce=1),
    ]
    assert [one.status for one in ledger.block(*carried_first)] == ["ok", "ok"]
    assert not kept(ledger, wanted) and load_erased(ledger.store.get, wanted) is not None
    ledger.block(carrying(ledger, PUBLISHER, note()))
    erased_first = [
        erasing(ledger, PUBLISHER, wanted),
        carrying(ledger, CONSUMER, note()),
    ]
    assert [one.status for one in ledger.block(*erased_first)] == ["ok", "ok"]
    payload = load_payload(ledger.store.get, wanted)
    assert payload is not None and payload.parties == (CONSUMER.address,)
    assert load_erased(ledger.store.get, wanted) is None


def test_a_payload_beside_a_chunk_of_the_same_commitment(ledger: Ledger) -> None:
    attachment = note()
    chunk = Attachment(b"", attachment.salt + attachment.content)
    ledger.block(carrying(ledger, CONSUMER, attachment))
    ledger.block(carrying(ledger, PUBLISHER, chunk))
    ledger.block(erasing(ledger, CONSUMER, commitment(attachment)))
    assert ledger.store.get("payloads", commitment(attachment)) is None
    assert ledger.store.get("artefacts", commitment(attachment)) is not None


# ---- retention ---------------------------------------------------------------------------------


def test_payloads_go_when_their_time_is_over(tmp_path: Path) -> None:  # ERASE-5, ERASE-6
    ledger = Ledger(tmp_path / "data")
    result, receipt = called(ledger)
    carried_at = ledger.time
    ledger.block(advance=300 * DAY)
    assert kept(ledger, receipt.input or b"")
    set_retention(ledger, 400 * DAY)
    assert ledger.application.next_deadline() is not None
    due = carried_at + 400 * DAY
    assert records.retention_of(ledger.state) == 400 * DAY
    ledger.block(advance=due - ledger.time - 1)
    assert kept(ledger, receipt.input or b"") and kept(ledger, receipt.output or b"")
    assert ledger.application.next_deadline() == due
    ledger.block(advance=1)
    for gone in (receipt.input, receipt.output):
        assert not kept(ledger, gone or b"")
        why = load_erased(ledger.store.get, gone or b"")
        assert why == Erased(None, None, ledger.application.height, due)
    assert ledger.application.next_deadline() is None
    ledger.close()
    found = replay(tmp_path / "data", genesis())
    assert (found.problem, found.not_recomputed) == (None, (result.transaction,))


def test_a_payload_carried_again_is_young_again(ledger: Ledger) -> None:
    set_retention(ledger, DAY)
    ledger.block(carrying(ledger, CONSUMER, note()))
    ledger.block(carrying(ledger, PUBLISHER, note()), advance=DAY - 1_000)
    ledger.block(advance=2_000)
    assert kept(ledger, commitment(note()))
    ledger.block(advance=DAY)
    assert not kept(ledger, commitment(note()))
    assert ledger.store.scan("ages", b"", None) == []


def test_a_block_forgets_a_bounded_number_and_the_next_goes_on(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payloads, "MOST_EXPIRED", 3)
    for number in range(5):
        ledger.block(carrying(ledger, CONSUMER, note(number), note(number + 100)))
    set_retention(ledger, DAY)

    def left() -> int:
        return len(ledger.store.scan("payloads", b"", None))

    counts = [left()]
    for _ in range(4):
        ledger.block(advance=DAY)
        counts.append(left())
    assert counts == [10, 7, 4, 1, 0]


def test_asking_reads_no_content(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """However large a payload is, a stranger's request for it costs the node the same."""
    ledger.block(carrying(ledger, CONSUMER, note()))
    read: list[str] = []
    get = Store.get

    def counted(self: Store, database: str, key: bytes) -> bytes | None:
        read.append(database)
        return get(self, database, key)

    monkeypatch.setattr(Store, "get", counted)
    ledger.block(erasing(ledger, PUBLISHER, commitment(note())))
    ledger.block(erasing(ledger, CONSUMER, commitment(note())))
    assert "payloads" not in read and read.count("facts") == 2


@pytest.mark.parametrize(
    ("period", "status"), [(1, "refused"), (59_999, "refused"), (60_000, "ok"), (0, "ok")]
)
def test_the_shortest_period(ledger: Ledger, period: int, status: str) -> None:
    arguments = erasure.SetRetention(period)
    assert ledger.send(REGULATOR, "REGULATION_SET_RETENTION", arguments).status == status


def test_retention_needs_m_of_n(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "data", genesis(threshold=2))
    arguments = erasure.SetRetention(DAY)
    assert ledger.send(CONSUMER, "REGULATION_SET_RETENTION", arguments).code == "not_a_regulator"
    assert ledger.send(REGULATOR, "REGULATION_SET_RETENTION", arguments).status == "ok"
    assert records.retention_of(ledger.state) == 0
    other = erasure.SetRetention(2 * DAY)
    assert ledger.send(SECOND, "REGULATION_SET_RETENTION", other).status == "ok"
    assert records.retention_of(ledger.state) == 0
    assert ledger.send(SECOND, "REGULATION_SET_RETENTION", arguments).status == "ok"
    assert records.retention_of(ledger.state) == DAY
    ledger.close()


# ---- what a replay must notice -----------------------------------------------------------------


def raise_a_balance(batch: Batch) -> None:
    key, value = batch.scan("writes", b"", None)[0]
    changes = list(decode_trusted(value, WriteSet).changes)
    raw = records.accounts.raw_key(CONSUMER.address)
    for position, (name, account) in enumerate(changes):
        if name == raw and account is not None:
            record = decode_trusted(account, records.Account)
            more = msgspec.structs.replace(record, balance=record.balance + 1)
            changes[position] = (name, encode(more))
    batch.put("writes", key, encode(WriteSet(tuple(changes))))


def add_a_write(batch: Batch) -> None:
    key, value = batch.scan("writes", b"", None)[0]
    changes = decode_trusted(value, WriteSet).changes
    batch.put("writes", key, encode(WriteSet((*changes, (b"zz", b"more")))))


def drop_the_writes(batch: Batch) -> None:
    batch.clear("writes")


def lower_the_fee(batch: Batch) -> None:
    key, _ = batch.scan("writes", b"", None)[0]
    stored = batch.get("results", key)
    assert stored is not None
    result = decode_trusted(stored, TransactionResult)
    batch.put("results", key, encode(msgspec.structs.replace(result, fee=result.fee - 1)))


def change_the_receipt(batch: Batch) -> None:
    key, value = batch.scan("receipts", b"", None)[0]
    entry = decode_trusted(value, StoredReceipt)
    receipt = decode_trusted(entry.leaf, Receipt)
    leaf = encode(msgspec.structs.replace(receipt, price=receipt.price + 1))
    batch.put("receipts", key, encode(msgspec.structs.replace(entry, leaf=leaf)))


def swap_the_signature(batch: Batch) -> None:
    key, _ = batch.scan("writes", b"", None)[0]
    block = decode_trusted(batch.get("blocks", key[:8]) or b"", StoredBlock)
    envelope = decode_trusted(block.transactions[0].content, Envelope)
    signature = msgspec.structs.replace(envelope.signatures[0], signature=bytes(64))
    forged = msgspec.structs.replace(envelope, signatures=(signature,))
    stored = msgspec.structs.replace(block.transactions[0], content=encode(forged))
    again = msgspec.structs.replace(block, transactions=(stored,))
    signed = SIGNER.sign(header_signing_bytes(again.header))
    batch.put("blocks", key[:8], encode(msgspec.structs.replace(again, signature=signed)))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (raise_a_balance, "app_hash is"),
        (add_a_write, "app_hash is"),
        (drop_the_writes, "what it wrote is not kept"),
        (lower_the_fee, "results is"),
        (change_the_receipt, "app_hash is"),
        (swap_the_signature, "is not signed"),
    ],
)
def test_a_forged_archive_is_noticed(
    tmp_path: Path, change: Callable[[Batch], None], says: str
) -> None:
    ledger = Ledger(tmp_path / "data")
    _, receipt = called(ledger)
    height = ledger.application.height
    ledger.block(erasing(ledger, CONSUMER, receipt.input or b""))
    with ledger.store.write() as batch:
        change(batch)
    ledger.close()
    found = replay(tmp_path / "data", genesis())
    assert found.problem is not None and found.problem.startswith(f"block {height}: ")
    assert says in found.problem


def test_an_output_that_was_kept_must_open_its_commitment(tmp_path: Path) -> None:
    """Its input is erased, so nobody can compute it again; the receipt still binds it."""
    ledger = Ledger(tmp_path / "data")
    _, receipt = called(ledger)
    ledger.block(erasing(ledger, CONSUMER, receipt.input or b""))
    payload = load_payload(ledger.store.get, receipt.output or b"")
    assert payload is not None
    forged = msgspec.structs.replace(payload, content=payload.content + b"?")
    with ledger.store.write() as batch:
        batch.put("payloads", receipt.output or b"", encode(forged))
    ledger.close()
    found = replay(tmp_path / "data", genesis())
    assert found.problem is not None and "output" in found.problem


def test_a_chunk_beside_an_erased_attachment_is_still_published(tmp_path: Path) -> None:
    """A transaction may carry both; the replay needs the chunk for the blocks that follow."""
    ledger = Ledger(tmp_path / "data")
    content = linear()
    digest = hashlib.sha256(content).digest()
    ledger.ok(PUBLISHER, "MODEL_COMMIT", artefacts.Commit(digest, len(content), (digest,)))
    upload = artefacts.Upload(digest, 0, 0)
    ledger.ok(PUBLISHER, "MODEL_UPLOAD", upload, (Attachment(b"", content), note()))
    ledger.block(erasing(ledger, PUBLISHER, commitment(note())))
    publish = models.Publish(digest, "model", "1", "limited", (), None, None, None, False)
    ledger.ok(PUBLISHER, "MODEL_PUBLISH", publish)
    ledger.close()
    found = replay(tmp_path / "data", genesis())
    assert found.problem is None and len(found.not_recomputed) == 1
