"""Work and bytes that contracts, which catch refusals, would have got for nothing."""

from __future__ import annotations

import numpy as np
import pytest

from synnergy.identity.authenticate import decode_transaction
from synnergy.opcodes import (
    answers,
    context,
    models,
)
from synnergy.opcodes.contracts import CallContract
from synnergy.opcodes.erasure import Erase
from synnergy.pipeline import open_context
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.tensor.types import TensorType
from synnergy.vm.program import encode_program, function, instruction, program
from synnergy.wire.codec import encode
from tests.chain.market import buying, calling, licensed, program_of
from tests.chain.small_models import doubled, linear
from tests.contracts.puppet import BUY, CALL, INVOKE, TRANSFER, puppet, step
from tests.contracts.support import answer, ask, call, deploy
from tests.ledger.harness import (
    CONSUMER,
    OPERATOR,
    PUBLISHER,
    REGULATOR,
    Ledger,
    salted,
    tensors,
)


def licence_of(ledger: Ledger, model: bytes, contract: str, calls: int = 1) -> bytes:
    """Bought by the contract, for itself."""
    done = call(ledger, contract, step(BUY, encode(buying(ledger, model, calls))), amount=10_000)
    bought = next(event for event in done.events if event.name == "licence.bought")
    return bytes.fromhex(bought.attributes["licence"])


@pytest.mark.parametrize("kind", ("wrong type", "too large"))
def test_a_refused_call_pays_for_what_was_read_however_often(
    ledger: Ledger, kind: str
) -> None:  # GAS-7
    """Whoever catches a refusal may have the same input decoded a thousand times."""
    ledger.register(OPERATOR, "consumer", "operator")
    model, _ = licensed(ledger, linear())
    contract = deploy(ledger)
    invoke = step(INVOKE, encode(calling(model, licence_of(ledger, model, contract))))
    caught = step(CALL, ask(contract, invoke, gas=5_000_000, catch=True))
    content = (
        tensors(X=np.array(["word"] * 10_000, object))
        if kind == "wrong type"
        else tensors(X=np.ones((10_000, 2), np.float32))
    )
    attachments = (salted(content),)
    used = [
        call(ledger, contract, *[caught] * times, attachments=attachments).gas_used
        for times in (1, 2)
    ]
    assert used[1] - used[0] >= len(content)
    assert len(records.licences.scan(ledger.state)) == 2
    assert all(licence.used == 0 for _, licence in records.licences.scan(ledger.state))


def test_a_call_that_is_refused_for_its_shape_pays_for_one_row(ledger: Ledger) -> None:  # GAS-7
    """The plan for its shape is made before it shows that nothing of it fits."""
    model, licence = licensed(ledger, doubled())
    refused = []
    for rows in (101, 100):  # the offer allows 100
        attachments = (salted(tensors(X=np.ones((rows, 2), np.float32))),)
        arguments = calling(model, licence)
        done = ledger.send(CONSUMER, "INFERENCE_INVOKE", arguments, attachments, gas_limit=40_000)
        refused.append((done.code, done.gas_used, len(attachments[0].content)))
    (code, paid, length), (_, full, _) = refused
    assert code == "too_many_rows"
    assert length <= paid - 12_000 and paid < full + 2 * 8


class Text(str):
    """A string that tells when somebody encodes it."""

    encoded = 0

    def encode(self, *_: object, **__: object) -> bytes:  # type: ignore[override]
        Text.encoded += 1
        return super().encode()


def test_a_string_that_is_too_long_to_read_is_not_encoded(ledger: Ledger) -> None:  # INF-6
    Text.encoded = 0
    model = ledger.publish(linear())
    ledger.ok(REGULATOR, "MODEL_APPROVE", ledger.approval(model))
    receipt = bytes(32)

    def asked(text: str) -> int | Rejected:
        array = np.empty((1, 1), object)
        array[0, 0] = Text(text)
        raw = ledger.envelope(CONSUMER, "INFERENCE_READ", b"")
        transaction = decode_transaction(raw, ledger.application.chain_id)
        assert not isinstance(transaction, Rejected)
        around = ledger.application.surroundings(
            ledger.application.height + 1, ledger.time, ledger.state, {}
        )
        made = open_context(transaction, ledger.state, around)
        kind = TensorType("string", (1, 1))
        made.answers[receipt] = context.Answer(CONSUMER.address, model, [("Y", kind, array)])
        return answers.read_price(made, answers.ReadAnswer(receipt, 0, 0, 1))  # type: ignore[return-value]

    refused = asked("x" * (answers.MAX_READ_BYTES + 1))
    assert isinstance(refused, Rejected) and refused.code == "read_too_large"
    assert Text.encoded == 0
    assert asked("x" * answers.MAX_READ_BYTES) == answers.MAX_READ_BYTES
    refused = asked("é" * answers.MAX_READ_BYTES)
    assert isinstance(refused, Rejected) and refused.code == "read_too_large"


def test_a_quote_that_depends_on_an_answer_is_refused_though_a_contract_catches_it(
    ledger: Ledger,
) -> None:  # GAS-6
    outer, reader = deploy(ledger), deploy(ledger, puppet("INFERENCE_READ"))
    read = step(TRANSFER, encode(answers.ReadAnswer(bytes(32), 0, 0, 1)))
    caught = step(CALL, ask(reader, read, gas=100_000, catch=True))
    asked = CallContract(outer, caught, 0, None, False)
    raw = ledger.envelope(OPERATOR, "CONTRACT_CALL", asked)
    transaction = decode_transaction(raw, ledger.application.chain_id)
    assert not isinstance(transaction, Rejected)
    quoted = ledger.application.quote(transaction)
    assert (quoted.status, quoted.code) == ("refused", "depends_on_answer")


def test_events_of_erasure_are_paid_by_their_length(ledger: Ledger) -> None:  # ERASE-1
    """A hundred bytes of program would else leave fifty megabytes of events."""
    commitments = tuple(bytes([number]) * 32 for number in range(64))
    steps = [("LEDGER_ERASE", Erase(commitments, "€" * 200))] * 4
    code, data = program_of(*steps)
    done = ledger.block(ledger.envelope(CONSUMER, "", data, code=code))[0]
    assert done.status == "ok"
    # Ten blocks of 64 bytes, at 1,000 each, hold a commitment and the reason.
    assert done.gas_used > 4 * 64 * 10 * 1_000


def test_documents_cost_what_storage_does(ledger: Ledger) -> None:  # GAS-8
    def cost(version: str, text: str | None) -> int:
        digest = ledger.upload(linear(version))
        asked = models.Publish(
            digest, "model", version, "limited", (), text, None, None, allow_missing=False
        )
        done = ledger.send(PUBLISHER, "MODEL_PUBLISH", asked)
        assert done.status == "ok"
        return done.gas_used

    assert cost("1", "x" * 64_000) - cost("2", None) > 2_500 * 1_000


def test_memory_grows_by_zeroes(ledger: Ledger) -> None:  # VM-14
    """Each frame has zeroes of its own, whatever one before wrote."""
    last = 64 * 65_536 - 8
    body = (
        *(instruction("CORE_I64_CONST", 63), instruction("CORE_MEMORY_GROW")),
        instruction("CORE_DROP"),
        *(instruction("CORE_I64_CONST", last), instruction("CORE_I64_LOAD64", 0)),
        *(instruction("CORE_IF", 0), instruction("CORE_UNREACHABLE"), instruction("CORE_END")),
        *(instruction("CORE_I64_CONST", last), instruction("CORE_I64_CONST", -1)),
        instruction("CORE_I64_STORE64", 0),
    )
    contract = deploy(ledger, encode_program(program(function(*body), memory_pages=1)))
    outer = deploy(ledger)
    answer(call(ledger, outer, *[step(CALL, ask(contract))] * 3))
