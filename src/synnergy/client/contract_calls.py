"""Calling a contract, with an input that it gives to a model (CLIENT-8)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from synnergy.client import replies
from synnergy.client.home import Home
from synnergy.client.inputs import canonical_bytes, read_inputs
from synnergy.client.invocation import salted, send_with_opening
from synnergy.client.openings import OpeningFile
from synnergy.client.transactions import Call, Sender, Sent
from synnergy.opcodes.contracts import ContractCalled
from synnergy.opcodes.inference import NO_LICENCE
from synnergy.receipts.receipt import receipt_id
from synnergy.wire.transaction import Attachment


@dataclass(frozen=True, slots=True)
class CallInputs:
    """An input file for `model`, carried as attachment 0 of a contract's call."""

    model: replies.Model
    file: Path


def call_with_input(
    home: Home,
    sender: Sender,
    call: Call[ContractCalled],
    given: CallInputs | None,
    gas_limit: int | None,
) -> Sent[ContractCalled]:
    """Call a contract; an input's opening is kept before it leaves, as for any call (CLIENT-8).

    The contract decides which calls it makes; the opening is kept for the first.
    """
    if given is None:
        return sender.send(call, gas_limit=gas_limit)
    content = canonical_bytes(read_inputs(given.file, given.model.inputs), given.model.inputs)
    attachment = salted(content)

    def opening_of(transaction: bytes) -> OpeningFile:
        return _opening(attachment, given.model, transaction)

    call = replace(call, attachments=(attachment,))
    return send_with_opening(home, sender, call, opening_of, gas_limit)


def _opening(attachment: Attachment, model: replies.Model, transaction: bytes) -> OpeningFile:
    return OpeningFile(
        receipt=receipt_id(transaction, 0).hex(),
        transaction=transaction.hex(),
        model=model.id,
        licence=NO_LICENCE.hex(),
        input=attachment.reference.commitment.hex(),
        input_salt=attachment.salt.hex(),
        reference_salt=None,
        reference=None,
    )
