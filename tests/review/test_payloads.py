"""Who may read a payload when several transactions carry the same bytes; what replays need."""

from __future__ import annotations

from pathlib import Path

from synnergy.chain.archive import StoredReceipt, load_block, load_payload, reattach
from synnergy.chain.replay import replay
from synnergy.identity.keys import KeyPair
from synnergy.opcodes import ledger as money
from synnergy.receipts.receipt import Receipt
from synnergy.wire.codec import decode, decode_trusted
from synnergy.wire.transaction import Attachment, Envelope
from tests.chain.market import ROWS, call, licensed
from tests.chain.small_models import linear
from tests.ledger.harness import CONSUMER, OPERATOR, PUBLISHER, Ledger, genesis, salted, tensors


def carrying(ledger: Ledger, sender: KeyPair, *attachments: Attachment) -> bytes:
    """A transfer that carries attachments for no reason."""
    arguments = money.Transfer(OPERATOR.address, 1)
    return ledger.envelope(sender, "LEDGER_TRANSFER", arguments, attachments)


def test_whoever_shows_a_payload_again_takes_it_from_nobody(tmp_path: Path) -> None:  # TX-4
    """A receipt's opening lets its holder make the call's output and attach it elsewhere."""
    ledger = Ledger(tmp_path / "data")
    model, licence = licensed(ledger, linear())
    receipt = ledger.block(call(ledger, model, licence))[0].receipts[0]
    stored = ledger.store.get("receipts", receipt)
    assert stored is not None
    leaf = decode_trusted(decode_trusted(stored, StoredReceipt).leaf, Receipt)
    assert leaf.input is not None and leaf.output is not None
    for commitment in (leaf.input, leaf.output):
        seen = load_payload(ledger.store.get, commitment)
        assert seen is not None
        again = carrying(ledger, PUBLISHER, Attachment(seen.salt, seen.content))
        assert ledger.block(again)[0].status == "ok"
        payload = load_payload(ledger.store.get, commitment)
        assert payload is not None
        assert payload.parties == tuple(sorted((CONSUMER.address, PUBLISHER.address)))
    ledger.close()
    assert replay(tmp_path / "data", genesis()).problem is None  # CHAIN-9


def test_one_block_with_the_same_payload_twice(ledger: Ledger) -> None:
    attachment = salted(tensors(X=ROWS))
    both = [carrying(ledger, pair, attachment) for pair in (CONSUMER, PUBLISHER)]
    assert [result.status for result in ledger.block(*both)] == ["ok", "ok"]
    payload = load_payload(ledger.store.get, attachment.reference.commitment)
    assert payload is not None
    assert payload.parties == tuple(sorted((CONSUMER.address, PUBLISHER.address)))


def test_an_envelope_that_does_not_authenticate_replays(ledger: Ledger) -> None:  # CHAIN-9
    """Its attachments are nobody's payloads, so the block keeps it as it came."""
    signed = ledger.envelope(
        CONSUMER,
        "LEDGER_TRANSFER",
        money.Transfer(OPERATOR.address, 1),
        (salted(b"content"),),
    )
    envelope = decode(signed, Envelope, 10**7)
    assert isinstance(envelope, Envelope)
    forged = signed.replace(envelope.signatures[0].signature, bytes(64))
    assert ledger.block(forged)[0].status == "inadmissible"
    block = load_block(ledger.store.get, ledger.application.height)
    assert block is not None
    assert reattach(ledger.store.get, block.transactions[0]) == forged


def test_a_payload_attached_as_a_chunk_stays_its_parties(ledger: Ledger) -> None:  # TX-4
    """sha256(salt ‖ content) is also the commitment of a chunk that begins with the salt."""
    attachment = salted(tensors(X=ROWS))
    commitment = attachment.reference.commitment
    chunk = Attachment(b"", attachment.salt + attachment.content)
    assert chunk.reference.commitment == commitment
    for pair, carried in ((CONSUMER, attachment), (PUBLISHER, chunk)):
        assert ledger.block(carrying(ledger, pair, carried))[0].status == "ok"
    payload = load_payload(ledger.store.get, commitment)
    assert payload is not None
    assert (payload.salt, payload.parties) == (attachment.salt, (CONSUMER.address,))
