"""Publish, approve, offer, buy, invoke, verify: the whole arrow without engine or network."""

from __future__ import annotations

import msgspec
import numpy as np
import onnxruntime
import pytest

from synnergy.chain.export import export_receipt
from synnergy.identity.authenticate import Transaction, decode_transaction
from synnergy.opcodes import inference, licences, models
from synnergy.receipts.file import Opening, decode_receipt_file, encode_receipt_file
from synnergy.receipts.receipt import Receipt, output_salt
from synnergy.receipts.verify import TrustedRoot, Verified, verify_receipt
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.tensor.encoding import decode_tensors
from synnergy.wire.codec import decode
from tests.ledger.harness import (
    CONSUMER,
    OPERATOR,
    PUBLISHER,
    REGULATOR,
    SIGNER,
    Ledger,
    salted,
    tensors,
)

PRICE = 1_000


def bought(
    ledger: Ledger, content: bytes, calls: int = 2, **publish: object
) -> tuple[bytes, bytes]:
    """A published, approved, offered and licensed model: (model id, licence id)."""
    model = ledger.publish(content, **publish)
    ledger.ok(REGULATOR, "MODEL_APPROVE", ledger.approval(model))
    assert ledger.offer(model, PRICE).status == "ok"
    offer = records.offers.load(ledger.state, model)
    assert offer is not None
    arguments = licences.Buy(model, ledger.model(model).digest, offer.id, calls)
    output = ledger.ok(CONSUMER, "LICENCE_BUY", arguments)
    made = decode(output, licences.Bought, 1_000)
    assert isinstance(made, licences.Bought)
    assert made.escrow == PRICE * calls
    return model, made.licence


def invoke(ledger: Ledger, model: bytes, licence: bytes, rows: np.ndarray):
    attachment = salted(tensors(X=rows))
    arguments = inference.Invoke(model, licence, 0, None)
    raw = ledger.envelope(CONSUMER, "INFERENCE_INVOKE", arguments, (attachment,))
    return raw, attachment


def export(ledger: Ledger, receipt: bytes, opening: Opening | None) -> bytes:
    with ledger.store.snapshot() as view:
        content = export_receipt(view, ledger.application.genesis, receipt)
    assert isinstance(content, bytes)
    file = decode_receipt_file(content)
    assert not isinstance(file, Rejected)
    return encode_receipt_file(msgspec.structs.replace(file, opening=opening))


@pytest.fixture
def called(ledger: Ledger, logistic: tuple[bytes, np.ndarray]):
    """A ledger after one call: (ledger, content, rows, receipt id, receipt file, attachment)."""
    content, rows = logistic
    model, licence = bought(ledger, content)
    before = ledger.balance(PUBLISHER.address)
    raw, attachment = invoke(ledger, model, licence, rows)
    transaction = decode_transaction(raw, ledger.application.chain_id)
    assert isinstance(transaction, Transaction)
    quoted = ledger.application.quote(transaction)
    result = ledger.block(raw)[0]
    assert result.status == "ok", result.message
    assert (quoted.gas_used, quoted.fee) == (result.gas_used, result.fee)  # GAS-6
    assert ledger.balance(PUBLISHER.address) == before + PRICE  # MKT-6
    opening = Opening(attachment.salt, None, None)
    return (
        ledger,
        content,
        rows,
        result.receipts[0],
        export(ledger, result.receipts[0], opening),
        attachment,
    )


def test_outputs_are_those_of_onnx_runtime(called) -> None:
    ledger, content, rows, receipt, file, attachment = called
    stored = decode_receipt_file(file)
    assert not isinstance(stored, Rejected)
    leaf = decode(stored.receipt, Receipt, 65_536)
    assert isinstance(leaf, Receipt) and leaf.id == receipt
    payload = ledger.store.get("payloads", leaf.output)
    assert payload is not None
    from synnergy.opcodes.context import Payload

    kept = decode(payload, Payload, 10**7)
    assert isinstance(kept, Payload)
    assert kept.salt == output_salt(attachment.salt, receipt)  # RCPT-2
    assert kept.parties == (CONSUMER.address,)
    outputs = decode_tensors(kept.content, 10**7)
    assert not isinstance(outputs, Rejected)
    found = {name: array for name, _, array in outputs}
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    expected = dict(zip(names, session.run(None, {"X": rows}), strict=True))
    assert set(found) == set(expected)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=1e-5 * np.abs(array).max())


def test_a_receipt_verifies_offline(called) -> None:
    ledger, content, rows, _, file, _ = called
    trusted = TrustedRoot(ledger.application.chain_id, SIGNER.public_key)
    verified = verify_receipt(file, content, tensors(X=rows), trusted)
    assert isinstance(verified, Verified), verified
    assert verified.receipt.caller == CONSUMER.address
    assert verified.receipt.price == PRICE
    assert [approval.regulator for approval in verified.receipt.model.approvals] == [
        REGULATOR.address
    ]
    assert verified.receipt.policy.allowed


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda a: {**a, "trusted": None}, "untrusted_root"),
        (lambda a: {**a, "trusted": TrustedRoot(a["trusted"].chain_id, OPERATOR.public_key)},
         "bad_header_signature"),
        (lambda a: {**a, "trusted": TrustedRoot("other-" + "0" * 32, SIGNER.public_key)},
         "untrusted_root"),
        (lambda a: {**a, "model": a["model"] + b"\0"}, "wrong_model"),
        (lambda a: {**a, "input": tensors(X=a["rows"] + np.float32(1e-3))}, "wrong_input"),
        (lambda a: {**a, "input": tensors(Y=a["rows"])}, "wrong_input"),
    ],
)  # fmt: skip
def test_verification_names_the_first_thing_that_does_not_hold(called, change, code) -> None:
    ledger, content, rows, _, file, _ = called
    arguments = {
        "trusted": TrustedRoot(ledger.application.chain_id, SIGNER.public_key),
        "model": content,
        "rows": rows,
        "input": tensors(X=rows),
    }
    changed = change(arguments)
    refused = verify_receipt(file, changed["model"], changed["input"], changed["trusted"])
    assert isinstance(refused, Rejected) and refused.code == code


def test_without_its_opening_a_receipt_names_what_is_missing(called) -> None:
    ledger, content, rows, receipt, _, _ = called
    trusted = TrustedRoot(ledger.application.chain_id, SIGNER.public_key)
    refused = verify_receipt(export(ledger, receipt, None), content, tensors(X=rows), trusted)
    assert isinstance(refused, Rejected) and refused.code == "missing_opening"


def test_every_flipped_bit_of_a_receipt_file_is_caught(called) -> None:
    """RCPT-5: each of the file's bits is bound by something."""
    ledger, content, rows, _, file, _ = called
    trusted = TrustedRoot(ledger.application.chain_id, SIGNER.public_key)
    given = tensors(X=rows)
    for at in range(len(file)):
        flipped = bytearray(file)
        flipped[at] ^= 1 << (at % 8)
        refused = verify_receipt(bytes(flipped), content, given, trusted)
        assert isinstance(refused, Rejected), f"a flipped bit in byte {at} went unnoticed"


def test_a_used_up_licence_is_refused_and_the_rest_refunded_at_expiry(
    ledger: Ledger, logistic: tuple[bytes, np.ndarray]
) -> None:
    content, rows = logistic
    model, licence = bought(ledger, content, calls=2)
    for expected in ("ok", "ok", "refused"):
        raw, _ = invoke(ledger, model, licence, rows)
        result = ledger.block(raw)[0]
        assert result.status == expected
    assert result.code == "exhausted"
    assert len(result.receipts) == 1  # RCPT-1: a refused call in a block has a receipt too
    stats = records.stats.load(ledger.state, model)
    assert (stats.calls, stats.revenue, stats.licensees) == (2, 2 * PRICE, 1)


def test_an_expired_licence_is_refunded_by_the_block_after_its_deadline(
    ledger: Ledger, logistic: tuple[bytes, np.ndarray]
) -> None:
    """MKT-8"""
    content, rows = logistic
    model, licence = bought(ledger, content)
    record = records.licences.load(ledger.state, licence)
    before = ledger.balance(CONSUMER.address)
    assert ledger.application.next_deadline() == record.expires
    ledger.block(advance=record.expires - ledger.time)
    assert ledger.balance(CONSUMER.address) == before + 2 * PRICE
    assert records.licences.load(ledger.state, licence).status == "expired"
    raw, _ = invoke(ledger, model, licence, rows)
    result = ledger.block(raw)[0]
    assert (result.status, result.code) == ("refused", "licence_expired")


def test_revocation_refunds_open_licences_and_stops_calls(
    ledger: Ledger, logistic: tuple[bytes, np.ndarray]
) -> None:
    content, _ = logistic
    model, licence = bought(ledger, content)
    before = ledger.balance(CONSUMER.address)
    ledger.ok(REGULATOR, "MODEL_REVOKE", models.Revoke(model, "found biased"))
    ledger.block()
    assert ledger.balance(CONSUMER.address) == before + 2 * PRICE
    assert records.licences.load(ledger.state, licence).status == "closed"
    assert ledger.offer(model).code == "approval_missing"
