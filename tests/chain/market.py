"""Steps of the market on top of the harness that several tests share."""

from __future__ import annotations

import numpy as np

from synnergy.identity.keys import KeyPair
from synnergy.opcodes import inference, licences
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.vm.program import encode_program, function, instruction, program
from synnergy.wire.codec import decode, encode
from synnergy.wire.transaction import Attachment
from tests.ledger.harness import CONSUMER, REGULATOR, Ledger, salted, tensors

PRICE = 1_000
ROWS = np.array([[1, 2], [3, 4]], np.float32)


def licensed(
    ledger: Ledger,
    content: bytes,
    calls: int = 3,
    price: int = PRICE,
    consumer: KeyPair = CONSUMER,
    **publish: object,
) -> tuple[bytes, bytes]:
    """A published, approved, offered and bought model: (model id, licence id)."""
    model = ledger.publish(content, **publish)  # type: ignore[arg-type]
    ledger.ok(REGULATOR, "MODEL_APPROVE", ledger.approval(model))
    assert ledger.offer(model, price).status == "ok"
    return model, buy(ledger, model, calls, consumer)


def buy(
    ledger: Ledger, model: bytes, calls: int, consumer: KeyPair = CONSUMER, periods: int = 0
) -> bytes:
    """A licence under the offer that stands; its id."""
    output = ledger.ok(consumer, "LICENCE_BUY", buying(ledger, model, calls, periods))
    made = decode(output, licences.Bought, 1_000)
    assert not isinstance(made, Rejected)
    return made.licence


def buying(ledger: Ledger, model: bytes, calls: int, periods: int = 0) -> licences.Buy:
    offer = records.offers.load(ledger.state, model)
    assert offer is not None
    return licences.Buy(model, ledger.model(model).digest, offer.id, calls, periods)


def calling(model: bytes, licence: bytes) -> inference.Invoke:
    return inference.Invoke(model, licence, 0, None)


def call(
    ledger: Ledger,
    model: bytes,
    licence: bytes,
    rows: np.ndarray = ROWS,
    consumer: KeyPair = CONSUMER,
    **header: object,
) -> bytes:
    """The envelope of one INVOKE."""
    attachment = salted(tensors(X=rows))
    arguments = calling(model, licence)
    return ledger.envelope(consumer, "INFERENCE_INVOKE", arguments, (attachment,), **header)


def input_attachment(rows: np.ndarray = ROWS) -> tuple[Attachment, ...]:
    return (salted(tensors(X=rows)),)


def program_of(*steps: tuple[str, object], ending: tuple[bytes, ...] = ()) -> tuple[bytes, bytes]:
    """A program, no template, that carries out verbs one after the other: (code, data).

    `ending` are instructions after the last verb.
    """
    body = [
        *(instruction("CORE_I64_CONST", 0), instruction("CORE_I64_CONST", 0)),
        *(instruction("CORE_INPUT_SIZE"), instruction("CORE_INPUT_COPY")),
    ]
    data = b""
    for verb, arguments in steps:
        encoded = encode(arguments)
        body += [
            instruction("CORE_I64_CONST", len(data)),
            instruction("CORE_I64_CONST", len(encoded)),
            instruction("CORE_I64_CONST", 65_536),
            instruction("CORE_I64_CONST", 65_536),
            instruction(verb),
            instruction("CORE_DROP"),
        ]
        data += encoded
    return encode_program(program(function(*body, *ending), memory_pages=2)), data
