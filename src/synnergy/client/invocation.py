"""Calling a model: input → call → opening kept → receipt and outputs (CLIENT-8)."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import TypeVar

from synnergy.client import replies, verbs
from synnergy.client.failures import ClientError, Dropped, OutcomeUnknown, WrongUse
from synnergy.client.home import Home
from synnergy.client.inputs import canonical_bytes
from synnergy.client.openings import OpeningFile, forget_opening, keep_opening
from synnergy.client.outputs import decode_outputs
from synnergy.client.payloads import fetch_payload
from synnergy.client.transactions import Call, Sender, Sent
from synnergy.opcodes.inference import NO_LICENCE, Invoked
from synnergy.receipts.receipt import output_salt, receipt_id
from synnergy.tensor.encoding import NamedTensor
from synnergy.tensor.types import Array
from synnergy.wire.transaction import SALT_BYTES, Attachment

R = TypeVar("R")

#: A reference is a line, not a document.
MAX_REFERENCE = 1_000


@dataclass(frozen=True, slots=True)
class Invocation:
    """A call that returned: its receipt's id, what it cost, and the outputs."""

    receipt: str
    transaction: str
    height: int
    gas_used: int
    fee: int
    outputs: list[NamedTensor]


def build_call(
    model: replies.Model, licence: bytes | None, arrays: Mapping[str, Array], reference: str | None
) -> Call[Invoked]:
    """The call of a model on arrays, with fresh salts; without a licence it can only be quoted."""
    attachments = [salted(canonical_bytes(arrays, model.inputs))]
    if reference is not None:
        if len(reference) > MAX_REFERENCE:
            raise WrongUse("bad_reference", f"a reference has at most {MAX_REFERENCE} characters")
        attachments.append(salted(reference.encode()))
    return verbs.inference_invoke(
        model=bytes.fromhex(model.id),
        licence=licence or NO_LICENCE,
        input=0,
        reference=1 if reference is not None else None,
        attachments=tuple(attachments),
    )


def invoke(home: Home, sender: Sender, call: Call[Invoked], reference: str | None) -> Invocation:
    """Make a call, keeping its opening before it leaves, and fetch what it returned.

    A refused call that is in a block keeps its opening too: its receipt proves that it was made.
    """
    sent = send_with_opening(
        home, sender, call, lambda transaction: _opening(call, transaction, reference)
    )
    receipt = sent.value.receipt.hex()
    return Invocation(
        receipt=receipt,
        transaction=sent.transaction,
        height=sent.height,
        gas_used=sent.gas_used,
        fee=sent.fee,
        outputs=_fetch_outputs(sender, call, sent.transaction, sent.value),
    )


def send_with_opening(
    home: Home,
    sender: Sender,
    call: Call[R],
    opening_of: Callable[[bytes], OpeningFile],
    gas_limit: int | None = None,
) -> Sent[R]:
    """Send a call, keeping its opening before it leaves (CLIENT-8).

    `opening_of` makes it for a transaction's id. Those of attempts that surely came to nothing are
    forgotten again.
    """
    kept: list[str] = []

    def record(transaction: bytes) -> None:
        opening = opening_of(transaction)
        keep_opening(home, opening)
        kept.append(opening.receipt)

    def forget_but(receipts: Container[object]) -> None:
        for receipt in kept:
            if receipt not in receipts:
                forget_opening(home, receipt)

    try:
        sent = sender.send(call, record, gas_limit)
    except (OutcomeUnknown, Dropped):  # who dropped it may not have been the only one to have it
        forget_but(kept[-1:])
        raise
    except ClientError as failed:
        forget_but((failed.details.get("receipt"),))
        raise
    forget_but(sent.receipts)
    return sent


def _fetch_outputs(
    sender: Sender, call: Call[Invoked], transaction: str, invoked: Invoked
) -> list[NamedTensor]:
    try:
        payload = fetch_payload(sender.node, sender.keys, sender.chain().chain_id, invoked.output)
        if payload.salt != output_salt(call.attachments[0].salt, invoked.receipt):
            raise ClientError("wrong_payload", "the outputs' salt is not derived from the input's")
        return decode_outputs(payload.content)
    except ClientError as failed:
        raise ClientError(
            failed.code,
            f"the call was made and settled (receipt {invoked.receipt.hex()}), but its outputs"
            f" could not be fetched: {failed.message}",
            rule=failed.rule,
            tx=transaction,
            receipt=invoked.receipt.hex(),
        ) from None


def salted(content: bytes) -> Attachment:
    """An attachment under a fresh salt."""
    return Attachment(secrets.token_bytes(SALT_BYTES), content)


def _opening(call: Call[Invoked], transaction: bytes, reference: str | None) -> OpeningFile:
    arguments = call.arguments
    assert isinstance(arguments, verbs.inference.Invoke)
    return OpeningFile(
        receipt=receipt_id(transaction, 0).hex(),
        transaction=transaction.hex(),
        model=arguments.model.hex(),
        licence=arguments.licence.hex(),
        input=call.attachments[0].reference.commitment.hex(),
        input_salt=call.attachments[0].salt.hex(),
        reference_salt=call.attachments[1].salt.hex() if reference is not None else None,
        reference=reference,
    )
