"""Attacks on the market's bookkeeping that stopped or split the chain, or could have."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from onnx import TensorProto, helper

from synnergy.chain.application import Application
from synnergy.chain.replay import replay
from synnergy.opcodes import artefacts, models, plans
from synnergy.opcodes import ledger as money
from synnergy.state import records
from synnergy.vm.program import encode_program, function, instruction, program
from synnergy.wire.codec import encode
from synnergy.wire.transaction import Attachment
from synnergy.wire.types import MAX_INTEGER
from tests.chain.market import ROWS, call, calling, licensed, program_of
from tests.chain.small_models import doubled, linear, model
from tests.ledger.harness import (
    CONSUMER,
    DAY,
    OPERATOR,
    PUBLISHER,
    REGULATOR,
    Ledger,
    genesis,
    salted,
    tensors,
)


@pytest.fixture(autouse=True)
def _no_plans() -> None:
    """Every test begins like a node that was just started."""
    plans._plans.clear()


def publication(digest: bytes, name: str = "model") -> models.Publish:
    return models.Publish(digest, name, "1", "limited", (), None, None, None, False)


def test_a_salted_attachment_with_a_chunks_commitment_changes_nothing(ledger: Ledger) -> None:
    """TX-4: sha256(salt ‖ content) alone doesn't say where the salt ends."""
    content = linear("a file of more than thirty-two bytes")
    model_id, licence = licensed(ledger, content)
    forged = Attachment(content[:32], content[32:])
    assert forged.reference.commitment == hashlib.sha256(content).digest()
    ledger.ok(OPERATOR, "LEDGER_TRANSFER", money.Transfer(CONSUMER.address, 1), (forged,))
    plans._plans.clear()  # as after a restart
    result = ledger.block(call(ledger, model_id, licence))[0]
    assert result.status == "ok", result.message
    replayed = replay(ledger.store.path, genesis()) if ledger.close() is None else None
    assert replayed is not None and replayed.problem is None


def test_a_plan_known_from_before_does_not_stand_for_an_upload(ledger: Ledger) -> None:
    """MKT-3: whether a file may be published doesn't depend on what this node has in memory."""
    content = doubled("expired")
    digest = ledger.upload(content)
    trapping, data = program_of(
        ("MODEL_PUBLISH", publication(digest)), ending=(instruction("CORE_UNREACHABLE"),)
    )
    result = ledger.send(PUBLISHER, "MODEL_PUBLISH", data, code=trapping)
    assert (result.status, result.code) == ("refused", "unreachable"), result
    ledger.block(advance=8 * DAY)
    assert records.artefacts.load(ledger.state, digest) is None
    ledger.ok(PUBLISHER, "MODEL_COMMIT", artefacts.Commit(digest, 10, (bytes(32),)))
    result = ledger.send(PUBLISHER, "MODEL_PUBLISH", publication(digest))
    assert (result.status, result.code) == ("refused", "upload_incomplete")
    bogus = b"0123456789"
    ledger.block(advance=8 * DAY)
    committed = artefacts.Commit(digest, 10, (hashlib.sha256(bogus).digest(),))
    ledger.ok(PUBLISHER, "MODEL_COMMIT", committed)
    upload = artefacts.Upload(digest, 0, 0)
    ledger.ok(PUBLISHER, "MODEL_UPLOAD", upload, (Attachment(b"", bogus),))
    result = ledger.send(PUBLISHER, "MODEL_PUBLISH", publication(digest))
    assert (result.status, result.code) == ("refused", "wrong_digest")


def test_statistics_stop_at_the_largest_integer(ledger: Ledger) -> None:
    """Money goes round: the revenue of all time may pass what an amount can hold."""
    model_id, licence = licensed(ledger, doubled(), calls=2)
    journal = ledger.application.journal()
    stats = records.Stats(5, MAX_INTEGER - 1, MAX_INTEGER, 1, 0)
    with ledger.store.write() as batch:
        raw = records.stats.raw_key(model_id)
        records.stats.save(journal, model_id, stats)
        value = journal.get(raw)
        assert value is not None
        batch.put("state", raw, value)
    # An application remembers the records that it committed itself.
    ledger.application = Application(ledger.store, ledger.application.genesis)
    assert ledger.block(call(ledger, model_id, licence))[0].status == "ok"
    assert ledger.block(call(ledger, model_id, licence))[0].status == "ok"
    after = records.stats.load(ledger.state, model_id)
    assert after is not None
    assert (after.calls, after.revenue, after.gas) == (7, MAX_INTEGER, MAX_INTEGER)


@pytest.mark.parametrize("ending", ["CORE_OUTPUT_SET", "CORE_REVERT"])
@pytest.mark.parametrize("length", [4_096, 4_097, 2**17])
def test_what_a_program_returns_is_bounded(ledger: Ledger, ending: str, length: int) -> None:
    """TX-11: four megabytes would cost next to nothing, and be kept for ever."""
    code, data = program_of(
        ("LEDGER_TRANSFER", money.Transfer(OPERATOR.address, 1)),
        ending=(
            instruction("CORE_I64_CONST", 0),
            instruction("CORE_I64_CONST", length),
            instruction(ending),
        ),
    )
    before = ledger.balance(CONSUMER.address)
    result = ledger.send(CONSUMER, "", data, code=code)
    if length > 4_096:
        assert (result.status, result.code, result.output) == ("refused", "output_too_large", b"")
        assert ledger.balance(CONSUMER.address) == before - result.fee
    else:
        assert result.status == ("ok" if ending == "CORE_OUTPUT_SET" else "refused")
        assert len(result.output) == length


def test_verbs_of_a_transaction_are_counted(ledger: Ledger) -> None:
    """TX-12: the events of a million transfers would make a result that nobody can read."""
    arguments = encode(money.Transfer(OPERATOR.address, 1))
    constants = [
        instruction("CORE_I64_CONST", value) for value in (0, len(arguments), 1_000, 1_000)
    ]
    body = (
        *(instruction("CORE_I64_CONST", 0),) * 2,
        *(instruction("CORE_INPUT_SIZE"), instruction("CORE_INPUT_COPY")),
        instruction("CORE_LOOP", 0),
        *constants,
        *(instruction("LEDGER_TRANSFER"), instruction("CORE_DROP")),
        *(instruction("CORE_LOCAL_GET", 0), instruction("CORE_I64_CONST", 1)),
        *(instruction("CORE_I64_ADD"), instruction("CORE_LOCAL_TEE", 0)),
        *(instruction("CORE_I64_CONST", 1_024), instruction("CORE_I64_LT_U")),
        *(instruction("CORE_BR_IF", 0), instruction("CORE_END")),
    )
    most = encode_program(program(function(*body, locals=1), memory_pages=1))
    result = ledger.send(CONSUMER, "", arguments, code=most)
    assert (result.status, len(result.events)) == ("ok", 1_024)
    more = encode_program(
        program(
            function(*body, *constants, instruction("LEDGER_TRANSFER"), instruction("CORE_DROP"),
                     locals=1),
            memory_pages=1,
        )
    )  # fmt: skip
    before = ledger.balance(CONSUMER.address)
    result = ledger.send(CONSUMER, "", arguments, code=more)
    assert (result.status, result.code) == ("refused", "too_many_verbs")
    assert ledger.balance(CONSUMER.address) == before - result.fee


@pytest.mark.parametrize("length", [1_000, 1_001, 1_024])
def test_long_names_in_models_are_published_or_refused(ledger: Ledger, length: int) -> None:
    name = "n" * length
    for content in (
        model([helper.make_node("Add", [name, name], ["Y"])], ["Y"], name=name),
        model([helper.make_node("Add", ["X", "X"], [name])], [name]),
    ):
        digest = ledger.upload(content)
        arguments = publication(digest, f"m{len(list(records.models.scan(ledger.state)))}")
        result = ledger.send(PUBLISHER, "MODEL_PUBLISH", arguments)
        assert result.code in ("", "unsupported_model")
        for identifier, _ in records.models.scan(ledger.state):
            ledger.ok(REGULATOR, "MODEL_APPROVE", ledger.approval(identifier))


def test_a_model_of_many_outputs_is_refused_when_published(ledger: Ledger) -> None:
    names = [f"Y{index}" for index in range(1_025)]
    content = model([helper.make_node("Add", ["X", "X"], [name]) for name in names], names)
    digest = ledger.upload(content)
    result = ledger.send(PUBLISHER, "MODEL_PUBLISH", publication(digest))
    assert (result.status, result.code) == ("refused", "unsupported_model")


def test_outputs_larger_than_their_limit_are_refused(ledger: Ledger) -> None:
    """INF-5: labels of a kilobyte make a small input a large output."""
    node = helper.make_node(
        "LabelEncoder",
        ["X"],
        ["Y"],
        domain="ai.onnx.ml",
        keys_int64s=[0],
        values_strings=["z"],
        default_string="y" * 2**19,
    )
    content = model(
        [node], ["Y"], input_type=TensorProto.INT64, output_type=TensorProto.STRING, shape=("N",)
    )
    model_id, licence = licensed(ledger, content)
    rows = np.ones(100, np.int64)
    used = ledger.block(call(ledger, model_id, licence, rows))[0]
    assert (used.status, used.code) == ("refused", "output_too_large"), (used.status, used.code)
    small = ledger.block(call(ledger, model_id, licence, np.zeros(100, np.int64)))[0]
    assert small.status == "ok"


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", "model\n"), ("version", "1\n"), ("jurisdictions", ("GB\n",))],
)
def test_a_final_newline_is_no_part_of_a_name(ledger: Ledger, field: str, value: object) -> None:
    digest = ledger.upload(doubled())
    arguments = publication(digest)
    changed = type(arguments)(
        **{
            name: getattr(arguments, name) for name in arguments.__struct_fields__ if name != field
        },
        **{field: value},
    )
    result = ledger.send(PUBLISHER, "MODEL_PUBLISH", changed)
    assert (result.status, result.code) == ("refused", "malformed")


def test_messages_of_refusals_are_short(ledger: Ledger) -> None:
    """TX-6: a result is kept for ever, so it is bounded."""
    model_id, licence = licensed(ledger, doubled())
    attachment = salted(tensors(**{"long name " * 1_000: ROWS}))
    result = ledger.send(CONSUMER, "INFERENCE_INVOKE", calling(model_id, licence), (attachment,))
    assert (result.status, result.code) == ("refused", "bad_input")
    assert len(result.message) <= 4_000


def test_a_failure_does_not_quote_the_input(ledger: Ledger) -> None:
    """INF-4, INF-5: what a result says can't be forgotten, so it tells nothing of the input."""
    node = helper.make_node("Cast", ["X"], ["Y"], to=TensorProto.FLOAT)
    content = model([node], ["Y"], input_type=TensorProto.STRING)
    model_id, licence = licensed(ledger, content)
    rows = np.array([["1", "patient"]], object)
    result = ledger.block(call(ledger, model_id, licence, rows))[0]
    assert (result.status, result.code) == ("refused", "model_failed")
    assert "patient" not in result.message
    stats = records.stats.load(ledger.state, model_id)
    assert stats is not None and (stats.calls, stats.failures) == (0, 1)
