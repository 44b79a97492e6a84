"""TX-1 … TX-5: golden bytes, round trips, and what becomes of an envelope that somebody edits."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synnergy.identity.authenticate import Transaction, authenticate, decode_transaction
from synnergy.identity.keys import KeyPair
from synnergy.rejected import Rejected
from synnergy.wire.codec import decode, encode
from synnergy.wire.transaction import (
    MAX_ENVELOPE_BYTES,
    Attachment,
    Body,
    BodySignature,
    Envelope,
    commit,
    signing_bytes,
    transaction_id,
)

CHAIN = "vectors-0123456789abcdef0123456789abcdef"
VECTORS: dict[str, dict[str, str]] = json.loads(
    Path(__file__).parent.parent.joinpath("vectors", "envelopes.json").read_text("utf-8")
)
PAIR = KeyPair.from_seed(hashlib.sha256(b"envelope vectors").digest())
OTHER = KeyPair.from_seed(hashlib.sha256(b"somebody else").digest())

numbers = st.integers(0, 2**53 - 1)
salts = st.just(b"") | st.binary(min_size=32, max_size=32)
attachments = st.lists(st.builds(Attachment, salts, st.binary(max_size=40)), max_size=4).map(tuple)


@st.composite
def envelopes(draw: st.DrawFn) -> Envelope:
    attached = draw(attachments)
    body = Body(
        chain_id=CHAIN,
        sender=PAIR.address,
        nonce=draw(numbers),
        gas_limit=draw(numbers),
        gas_price=draw(numbers),
        expiry_height=draw(numbers),
        code=draw(st.binary(max_size=60)),
        data=draw(st.binary(max_size=60)),
        attachments=tuple(attachment.reference for attachment in attached),
    )
    signature = BodySignature(PAIR.public_key, PAIR.sign(signing_bytes(body)))
    return Envelope(body, (signature,), attached)


@pytest.mark.parametrize("vector", VECTORS.values(), ids=list(VECTORS))
def test_golden_bytes(vector: dict[str, str]) -> None:
    """TX-1: the recorded bytes decode, re-encode, hash and authenticate as they did."""
    raw = bytes.fromhex(vector["envelope"])
    transaction = authenticate(raw, CHAIN)
    assert isinstance(transaction, Transaction), transaction
    assert encode(transaction.body).hex() == vector["body"]
    assert transaction.id.hex() == transaction_id(transaction.body).hex() == vector["id"]
    assert signing_bytes(transaction.body).hex() == vector["signing_bytes"]
    assert transaction.raw == raw
    signature = BodySignature(transaction.public_key, transaction.signature)
    assert encode(Envelope(transaction.body, (signature,), transaction.attachments)) == raw


@given(envelopes())
def test_envelopes_round_trip(envelope: Envelope) -> None:
    raw = encode(envelope)
    assert decode(raw, Envelope, MAX_ENVELOPE_BYTES) == envelope
    transaction = authenticate(raw, CHAIN)
    assert isinstance(transaction, Transaction)
    assert (transaction.body, transaction.attachments) == (envelope.body, envelope.attachments)
    assert transaction.id == transaction_id(envelope.body)


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_refused_without_raising(data: bytes) -> None:
    assert isinstance(authenticate(data, CHAIN), Rejected)


def check_edited(raw: bytes, edited: bytes) -> None:
    """No edit by somebody without the key is accepted: not as another, nor as the same one."""
    found = authenticate(edited, CHAIN)
    if edited == raw:
        assert isinstance(found, Transaction)
    else:
        assert isinstance(found, Rejected), edited.hex()
        assert found.rule and found.code and found.message


@settings(max_examples=200, deadline=None)
@given(envelopes(), st.data())
def test_no_edited_envelope_is_accepted(envelope: Envelope, data: st.DataObject) -> None:
    raw = encode(envelope)
    edited = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(edited)))
        edited[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    check_edited(raw, bytes(edited))


def test_no_bit_of_an_envelope_may_change() -> None:
    """Every bit of every byte of the golden envelopes, one at a time."""
    for name in ("the smallest", "two attachments"):
        raw = bytes.fromhex(VECTORS[name]["envelope"])
        for bit in range(8 * len(raw)):
            edited = bytearray(raw)
            edited[bit // 8] ^= 1 << bit % 8
            check_edited(raw, bytes(edited))


def signed(body: Body, *pairs: KeyPair, attached: tuple[Attachment, ...] = ()) -> bytes:
    signatures = tuple(BodySignature(p.public_key, p.sign(signing_bytes(body))) for p in pairs)
    return encode(Envelope(body, signatures, attached))


def body(**changes: object) -> Body:
    fields: dict[str, object] = {
        "chain_id": CHAIN,
        "sender": PAIR.address,
        "nonce": 0,
        "gas_limit": 1,
        "gas_price": 1,
        "expiry_height": 1,
        "code": b"",
        "data": b"",
        "attachments": (),
    }
    return Body(**(fields | changes))  # type: ignore[arg-type]


SALTED = Attachment(b"s" * 32, b"content")
PLAIN = Attachment(b"", b"content")


@pytest.mark.parametrize(
    ("rule", "code", "raw"),
    [
        ("TX-5", "wrong_signatures", signed(body())),
        ("TX-5", "wrong_signatures", signed(body(), PAIR, PAIR)),
        ("TX-5", "wrong_signatures", signed(body(), PAIR, OTHER)),
        ("TX-3", "wrong_chain", signed(body(chain_id="vectors-" + "0" * 32), PAIR)),
        ("WIRE-1", "malformed", signed(body(chain_id=CHAIN + "\n"), PAIR)),
        ("WIRE-1", "malformed", signed(body(chain_id="x" * 60), PAIR)),
        ("WIRE-1", "malformed", signed(body(nonce=2**53), PAIR)),
        ("WIRE-1", "malformed", signed(body(code=bytes(65_537)), PAIR)),
        ("WIRE-1", "malformed", signed(body(data=bytes(262_145)), PAIR)),
        ("TX-4", "wrong_attachments", signed(body(), PAIR, attached=(SALTED,))),
        ("TX-4", "wrong_attachments", signed(body(attachments=(SALTED.reference,)), PAIR)),
        ("TX-4", "wrong_attachments",
         signed(body(attachments=(SALTED.reference,)), PAIR, attached=(PLAIN,))),
        ("TX-4", "wrong_attachments",
         signed(body(attachments=(SALTED.reference,)), PAIR, attached=(SALTED, SALTED))),
        ("TX-4", "wrong_attachments",
         signed(body(attachments=(SALTED.reference, PLAIN.reference)), PAIR,
                attached=(PLAIN, SALTED))),
        ("TX-4", "malformed", signed(
            body(attachments=(Attachment(b"s", b"c").reference,)), PAIR,
            attached=(Attachment(b"s", b"c"),))),
        ("WIRE-2", "too_large", signed(
            body(attachments=(Attachment(b"", bytes(MAX_ENVELOPE_BYTES)).reference,)), PAIR,
            attached=(Attachment(b"", bytes(MAX_ENVELOPE_BYTES)),))),
    ],
)  # fmt: skip
def test_what_is_inadmissible_by_itself(rule: str, code: str, raw: bytes) -> None:
    found = authenticate(raw, CHAIN)
    assert isinstance(found, Rejected)
    assert (found.rule, found.code) == (rule, code)


def test_a_signature_for_one_domain_is_none_for_another() -> None:
    """TX-1: a signature over the bare id, or over the bare body, signs no transaction."""
    shown = body()
    for message in (transaction_id(shown), encode(shown), b"synnergy/sign/transaction/1"):
        signature = BodySignature(PAIR.public_key, PAIR.sign(message))
        found = authenticate(encode(Envelope(shown, (signature,), ())), CHAIN)
        assert isinstance(found, Rejected) and found.code == "bad_signature"


def test_attachments_do_not_change_the_id_but_their_commitments_do() -> None:
    one, other = (body(attachments=(a.reference,)) for a in (SALTED, PLAIN))
    assert transaction_id(one) != transaction_id(other)
    assert commit(b"", b"s" * 32 + b"content") == SALTED.reference.commitment
    moved = Attachment(b"", b"s" * 32 + b"content")
    raw = signed(body(attachments=(SALTED.reference,)), PAIR, attached=(moved,))
    found = authenticate(raw, CHAIN)
    assert isinstance(found, Rejected) and found.code == "wrong_attachments"


def test_decoding_alone_does_not_verify() -> None:
    unsigned = encode(Envelope(body(), (BodySignature(PAIR.public_key, bytes(64)),), ()))
    assert isinstance(decode_transaction(unsigned, CHAIN), Transaction)
    found = authenticate(unsigned, CHAIN)
    assert isinstance(found, Rejected) and found.code == "bad_signature"
