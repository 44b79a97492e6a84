"""INFERENCE: one call of a licensed model on an attached input (INF-1 … INF-5)."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from synnergy import tensor
from synnergy.gas.meter import OutOfGas
from synnergy.gas.schedule import Schedule
from synnergy.opcodes.context import Answer, Context, Event, Payload, Settlement
from synnergy.opcodes.entities import Resource, load_model, model_resource, valid_approvals
from synnergy.opcodes.licences import call_price, settle
from synnergy.opcodes.plans import load_plan, threads
from synnergy.receipts.receipt import (
    RECEIPT_VERSION,
    Receipt,
    ReceiptApproval,
    ReceiptModel,
    ReceiptOutcome,
    ReceiptPolicy,
    output_salt,
    receipt_id,
)
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.tensor.encoding import NamedTensor, decode_tensors, encode_tensors
from synnergy.tensor.types import Array, MapsType, ValueType, Work
from synnergy.vm.catalogue import domain_opcode
from synnergy.wire.codec import Struct
from synnergy.wire.transaction import MAX_ENVELOPE_BYTES, SALT_BYTES, commit
from synnergy.wire.types import Count, Digest

#: Stands for "under the current offer" where a call is only quoted.
NO_LICENCE = bytes(32)
#: Bytes of the outputs of one call together (INF-5).
MAX_OUTPUT_BYTES = 32 * 1024 * 1024
#: An element of an output takes at least this; a string that much beside its bytes.
SMALLEST_ELEMENT = 1
STRING_HEAD = 1
#: Bytes that an element of an output is priced at, and a string, before they are known (GAS-7).
PRICED_ELEMENT = 8
PRICED_STRING = 64
#: Bytes that strings of an output may have beyond their price (INF-5).
STRINGS_GRACE = 4_096


class Invoke(Struct, frozen=True):
    """Call `model` under `licence` on the tensors in attachment `input`.

    `reference` is the attachment that holds the caller's own free text, if any.
    """

    model: records.ModelId
    licence: Digest
    input: Count
    reference: Count | None


class Invoked(Struct, frozen=True):
    """The receipt to ask for, and the commitment to the output."""

    receipt: Digest
    output: Digest


@dataclass(frozen=True, slots=True)
class Prepared:
    """An input that fits its model, and what running it costs; `paid` of that is charged."""

    plan: tensor.Plan
    arrays: dict[str, Array]
    gas: int
    paid: int


def invoke_resource(context: Context, arguments: Invoke) -> Resource | Rejected:
    """Start the record of this attempt, and check what needs no policy: model and licence."""
    identifier = receipt_id(context.transaction.id, context.invocations)
    context.invocations += 1
    context.attempt = _draft(context, arguments, identifier)
    resource = model_resource(context, arguments.model)
    if isinstance(resource, Rejected):
        return resource
    licence = records.licences.load(context.journal, arguments.licence)
    if context.quoting and arguments.licence == NO_LICENCE:
        return resource
    refused = _check_licence(context, arguments, licence)
    return resource if refused is None else refused


def _check_licence(
    context: Context, arguments: Invoke, licence: records.Licence | None
) -> Rejected | None:
    """A licence from an earlier transaction, the caller's own, for this model, with calls left."""
    shown = arguments.licence.hex()
    if licence is None or licence.model != arguments.model:
        return Rejected(
            "MKT-7", "unlicensed", f"there is no licence {shown} for this model; buy one first"
        )
    if licence.licensee != context.actor:
        return Rejected("MKT-7", "unlicensed", f"the licence {shown} is another wallet's")
    if licence.transaction == context.transaction.id:
        return Rejected(
            "MKT-7", "licence_too_new", "a licence can be used from the next transaction on"
        )
    if licence.status == "spent":
        return Rejected(
            "MKT-7", "exhausted", f"all {licence.calls} calls of the licence {shown} are used"
        )
    if licence.status != "open" or licence.expires <= context.block.time:
        return Rejected(
            "MKT-7", "licence_expired", f"the licence {shown} has ended; what was left is refunded"
        )
    return None


def invoke_price(context: Context, arguments: Invoke) -> int | Rejected | OutOfGas:
    """Gas of the tensor work, from graph and shapes, under the table the licence pins (GAS-7)."""
    prepared = prepare(context, arguments)
    if isinstance(prepared, Rejected | OutOfGas):
        return prepared
    context.prepared = prepared
    return prepared.gas - prepared.paid


def prepare(context: Context, arguments: Invoke) -> Prepared | Rejected | OutOfGas:
    """Check the input against the model before anything is charged for execution (INF-2).

    The input's bytes are charged before they are read, and one row's work before the plan is made
    for this shape: a caller that catches a refusal could have it all done again for nothing.
    """
    model = load_model(context, arguments.model)
    if isinstance(model, Rejected):
        return model
    licence = records.licences.load(context.journal, arguments.licence)
    attachment = context.attachment(arguments.input)
    if isinstance(attachment, Rejected):
        return attachment
    if len(attachment.salt) != SALT_BYTES:
        return Rejected("TX-4", "missing_salt", "an input's attachment needs a salt of 32 bytes")
    if arguments.reference is not None:
        reference = context.attachment(arguments.reference)
        if isinstance(reference, Rejected):
            return reference
        if len(reference.salt) != SALT_BYTES or arguments.reference == arguments.input:
            return Rejected("TX-4", "bad_reference", "a reference is a salted attachment apart")
    schedule = context.schedule_of(licence.gas_version) if licence else context.schedule
    # A program may read one input in many calls, but carried it only once.
    reading = schedule.intrinsic["byte"].gas * len(attachment.content)
    if not context.meter.charge(reading):
        return OutOfGas(reading)
    tensors = decode_tensors(attachment.content, MAX_ENVELOPE_BYTES)
    if isinstance(tensors, Rejected):
        return tensors
    plan = load_plan(context, model.digest)
    if isinstance(plan, Rejected):
        return plan
    arrays = {name: array for name, _, array in tensors}
    rows = max((array.shape[0] for array in arrays.values() if array.ndim), default=1)
    limit = licence.max_rows if licence else None
    least = _work_gas(schedule, plan.cost.work)
    try:
        plan.check_inputs(arrays, allow_missing=model.allow_missing)
        if limit is not None and rows > limit:
            return Rejected(
                "INF-3",
                "too_many_rows",
                f"{rows} rows were given, the offer allows {limit} a call",
            )
        if not context.meter.charge(least):
            return OutOfGas(least)
        specialised = plan.specialise({name: array.shape for name, array in arrays.items()})
    except tensor.BadInput as bad:
        return Rejected("INF-2", "bad_input", str(bad))
    except tensor.Unsupported as unsupported:
        return Rejected("INF-2", "bad_input", f"the model has no plan for it: {unsupported}")
    if specialised.memory > schedule.limits["memory_bytes"].gas:
        return Rejected(
            "INF-5",
            "too_much_memory",
            f"this input needs {specialised.memory} bytes, at most"
            f" {schedule.limits['memory_bytes'].gas} are allowed; send fewer rows",
        )
    produced = sum(kind.elements for _, kind in specialised.outputs)
    if produced * SMALLEST_ELEMENT > MAX_OUTPUT_BYTES:
        return _too_large()
    gas = (
        reading
        + max(_work_gas(schedule, specialised.work), least)
        + schedule.intrinsic["output_byte"].gas
        * sum(_priced_bytes(kind) for _, kind in specialised.outputs)
    )
    return Prepared(plan, arrays, gas, reading + least)


@domain_opcode(
    0x040001,
    "INFERENCE_INVOKE",
    action="invoke",
    args=Invoke,
    result=Invoked,
    price=invoke_price,
    resource=invoke_resource,
)
def invoke(context: Context, arguments: Invoke) -> Invoked | Rejected:
    """Run a licensed model bit-exactly; the call is settled the moment it returns."""
    if context.quoting:
        return Invoked(bytes(32), bytes(32))
    prepared = context.prepared
    draft = context.attempt
    assert isinstance(prepared, Prepared) and draft is not None
    try:
        outputs = prepared.plan.execute(prepared.arrays, threads=threads())
    except (tensor.BadInput, tensor.Unsupported):
        # What the engine says may quote the input, which a result must never keep.
        context.failed_models.append(arguments.model)
        return Rejected(
            "INF-4",
            "model_failed",
            "the model cannot compute this input; running it locally says why",
        )
    if not _fits(outputs):
        context.failed_models.append(arguments.model)
        return _too_large()
    content = encode_tensors(outputs)
    attachment = context.transaction.attachments[arguments.input]
    salt = output_salt(attachment.salt, draft.id)
    output = commit(salt, content)
    licence = records.licences.load(context.journal, arguments.licence)
    assert licence is not None
    price = call_price(licence, context.block.time)
    receipt = msgspec.structs.replace(
        draft,
        price=price,
        policy=receipt_policy(context),
        output=output,
        outcome=ReceiptOutcome("ok", "", ""),
    )
    event = Event(
        "inference.invoked",
        {
            "model": arguments.model.hex(),
            "licence": arguments.licence.hex(),
            "caller": context.actor,
            "receipt": draft.id.hex(),
            "price": str(price),
        },
    )
    settlement = Settlement(
        licence=licence.id,
        tensor_gas=prepared.gas,
        receipt=receipt,
        event=event,
        output=(output, Payload(salt, content, (context.sender,))),
    )
    settle(context.journal, settlement)
    context.settlements.append(settlement)
    context.events.append(event)
    context.answers[draft.id] = Answer(context.actor, arguments.model, outputs)
    context.attempt = None
    return Invoked(draft.id, output)


def _too_large() -> Rejected:
    return Rejected(
        "INF-5",
        "output_too_large",
        f"the output of a call has at most {MAX_OUTPUT_BYTES} bytes, and its strings together"
        f" {PRICED_STRING} each and {STRINGS_GRACE} besides; send fewer rows",
    )


def _work_gas(schedule: Schedule, work: Work) -> int:
    return schedule.tensor_gas(work.macs, work.elements, work.functions, work.steps)


def _priced_bytes(kind: ValueType) -> int:
    """Bytes that an output is priced at: its elements', and the labels of maps (GAS-7)."""
    each = PRICED_STRING if kind.dtype == "string" else PRICED_ELEMENT
    return each * kind.elements + _label_bytes(kind)


def _label_bytes(kind: ValueType) -> int:
    labels = kind.labels if isinstance(kind, MapsType) else ()
    return sum(PRICED_ELEMENT if isinstance(item, int) else len(item.encode()) for item in labels)


def _fits(outputs: list[NamedTensor]) -> bool:
    """Whether outputs keep to the limit, and their strings to what they were priced at."""
    room, strings = MAX_OUTPUT_BYTES, STRINGS_GRACE
    for _, kind, array in outputs:
        room -= _label_bytes(kind)
        if array.dtype.kind != "O":
            room -= array.nbytes
            continue
        strings += PRICED_STRING * array.size
        for text in array.reshape(-1).tolist():
            taken = len(text.encode()) + STRING_HEAD
            room, strings = room - taken, strings - taken
            if room < 0 or strings < 0:
                return False
    return room >= 0


def receipt_policy(context: Context) -> ReceiptPolicy | None:
    """The verdict on the operation at hand, with the set it was made under."""
    if context.verdict is None:
        return None
    version = context.governance().policy_version
    record = records.policies.load(context.journal, version)
    assert record is not None
    return ReceiptPolicy(
        version, record.hash, context.verdict.allowed, context.verdict.determining
    )


def _draft(context: Context, arguments: Invoke, identifier: bytes) -> Receipt:
    """What is known of a call before it is allowed; fee and gas are filled in at the end."""
    governance = context.governance()
    references = context.transaction.body.attachments
    model = records.models.load(context.journal, arguments.model)
    licence = records.licences.load(context.journal, arguments.licence)

    def commitment(index: int | None) -> bytes | None:
        if index is None or index >= len(references):
            return None
        return references[index].commitment

    return Receipt(
        receipt_version=RECEIPT_VERSION,
        id=identifier,
        chain_id=context.block.chain_id,
        height=context.block.height,
        time=context.block.time,
        transaction=context.transaction.id,
        index=context.invocations - 1,
        caller=context.actor,
        origin=context.sender,
        model=_receipt_model(context, governance, model) if model else None,
        licence=arguments.licence,
        price=0,
        fee=0,
        gas=0,
        gas_version=licence.gas_version if licence else context.schedule.version,
        protocol_version=governance.protocol_version,
        policy=None,
        reference=commitment(arguments.reference),
        input=commitment(arguments.input),
        output=None,
        outcome=ReceiptOutcome("refused", "", ""),
    )


def _receipt_model(
    context: Context, governance: records.Governance, model: records.Model
) -> ReceiptModel:
    given = valid_approvals(context.journal, governance, model, context.block.time)
    return ReceiptModel(
        id=model.id,
        name=model.name,
        version=model.version,
        digest=model.digest,
        publisher=model.publisher,
        risk=model.risk,
        jurisdictions=model.jurisdictions,
        allow_missing=model.allow_missing,
        approvals=tuple(
            ReceiptApproval(item.regulator, item.height, item.until, item.evidence)
            for item in given
        ),
        licence_text=model.licence_text,
        intended_use=model.intended_use,
        limitations=model.limitations,
    )
