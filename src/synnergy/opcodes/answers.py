"""INFERENCE_READ: what a call of a model answered, for the program that made it (INF-6)."""

from __future__ import annotations

from synnergy.opcodes.context import Answer, Context
from synnergy.opcodes.entities import Resource, model_resource
from synnergy.rejected import Rejected
from synnergy.vm.catalogue import domain_opcode
from synnergy.wire.codec import Struct
from synnergy.wire.types import Count, Digest

#: Bytes of elements that one reading may give.
MAX_READ_BYTES = 32_768
#: An element takes at most this, where it is not a string.
WIDEST_ELEMENT = 8


class ReadAnswer(Struct, frozen=True):
    """Read `count` elements from `start` on, of the model's output number `output`.

    `receipt` is what INFERENCE_INVOKE returned in this transaction, to the same program. Elements
    count in row-major order. A string is read alone.
    """

    receipt: Digest
    output: Count
    start: Count
    count: Count


class AnswerRead(Struct, frozen=True):
    """Elements, little-endian, in the width of their type; or a string's UTF-8."""

    data: bytes


def read_resource(context: Context, arguments: ReadAnswer) -> Resource | Rejected:
    """The model that answered: whoever may not call it doesn't learn what it said either."""
    if context.quoting:
        return Rejected(
            "GAS-6",
            "depends_on_answer",
            "this program acts on what a model answers, and a quote runs no model; give a gas"
            " limit of your own",
        )
    answer = _find(context, arguments)
    if isinstance(answer, Rejected):
        return answer
    return model_resource(context, answer.model)


def read_price(context: Context, arguments: ReadAnswer) -> int | Rejected:
    """Gas of the bytes read, before they are (GAS-7)."""
    size = arguments.count * WIDEST_ELEMENT
    answer = _find(context, arguments)
    if isinstance(answer, Rejected):
        return answer
    array = answer.outputs[arguments.output][2]
    if array.dtype.kind == "O":
        text = array.flat[arguments.start]
        # A string has at least a byte a character: one that is too long is not encoded to see it.
        size = len(text) if len(text) > MAX_READ_BYTES else len(text.encode())
    if size > MAX_READ_BYTES:
        return Rejected(
            "INF-6",
            "read_too_large",
            f"{size} bytes are to be read, at most {MAX_READ_BYTES} at a time",
        )
    return context.schedule.intrinsic["output_byte"].gas * size


@domain_opcode(
    0x040002,
    "INFERENCE_READ",
    action="invoke",
    args=ReadAnswer,
    result=AnswerRead,
    price=read_price,
    resource=read_resource,
)
def read(context: Context, arguments: ReadAnswer) -> AnswerRead | Rejected:
    """Read elements of what a model answered earlier in this transaction."""
    answer = _find(context, arguments)
    if isinstance(answer, Rejected):
        return answer
    array = answer.outputs[arguments.output][2]
    chosen = array.flat[arguments.start : arguments.start + arguments.count]
    if array.dtype.kind == "O":
        return AnswerRead(chosen[0].encode())
    return AnswerRead(chosen.astype(chosen.dtype.newbyteorder("<"), copy=False).tobytes())


def _find(context: Context, arguments: ReadAnswer) -> Answer | Rejected:
    """The answer, where it is the program's own and has the elements asked for."""
    answer = context.answers.get(arguments.receipt)
    if answer is None or answer.caller != context.actor:
        return Rejected(
            "INF-6",
            "no_answer",
            f"no call of this program's in this transaction has the receipt"
            f" {arguments.receipt.hex()}",
        )
    if arguments.output >= len(answer.outputs):
        return Rejected(
            "INF-6",
            "no_such_output",
            f"the model has {len(answer.outputs)} outputs, no number {arguments.output}",
        )
    array = answer.outputs[arguments.output][2]
    if arguments.start + arguments.count > array.size:
        return Rejected(
            "INF-6",
            "no_such_element",
            f"the output has {array.size} elements, {arguments.count} from {arguments.start} on"
            " were asked for",
        )
    if array.dtype.kind == "O" and arguments.count != 1:
        return Rejected("INF-6", "one_string", "strings are read one at a time")
    return answer
