"""Work of a call that depends on the caller's bytes has a price or a bound (GAS-7, INF-5)."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from synnergy import tensor
from synnergy.opcodes.inference import PRICED_STRING, STRINGS_GRACE
from tests.chain.market import call, calling, input_attachment, licensed, program_of
from tests.chain.small_models import chained, doubled, model
from tests.ledger.harness import CONSUMER, Ledger


def labelling(label: str) -> bytes:
    """A model that answers every row with one label."""
    node = helper.make_node(
        "LabelEncoder",
        ["X"],
        ["Y"],
        domain="ai.onnx.ml",
        keys_int64s=[0],
        values_strings=[label],
    )
    return model(
        [node], ["Y"], input_type=TensorProto.INT64, output_type=TensorProto.STRING, shape=("N",)
    )


def test_strings_cannot_be_longer_than_what_was_paid_for(ledger: Ledger) -> None:  # INF-5
    length = STRINGS_GRACE // 2
    model_id, licence = licensed(ledger, labelling("y" * length))
    one = ledger.block(call(ledger, model_id, licence, np.zeros(1, np.int64)))[0]
    many = ledger.block(call(ledger, model_id, licence, np.zeros(100, np.int64)))[0]
    assert one.status == "ok"
    assert (many.status, many.code) == ("refused", "output_too_large")


def test_a_string_is_priced_by_what_it_may_take(ledger: Ledger) -> None:  # GAS-7
    model_id, licence = licensed(ledger, labelling("label"))
    one, many = (
        ledger.block(call(ledger, model_id, licence, np.zeros(rows, np.int64)))[0]
        for rows in (1, 100)
    )
    assert many.gas_used - one.gas_used >= 99 * PRICED_STRING


def test_each_call_pays_for_reading_its_input(ledger: Ledger) -> None:  # GAS-7
    """A program carries an input once and may have it decoded in every one of its calls."""
    model_id, licence = licensed(ledger, doubled(), calls=10)

    def third_call(rows: int) -> int:
        attachments = input_attachment(np.ones((rows, 2), np.float32))
        used: list[int] = []
        for calls in (2, 3):
            steps = [("INFERENCE_INVOKE", calling(model_id, licence))] * calls
            code, data = program_of(*steps)
            raw = ledger.envelope(CONSUMER, "", data, attachments, code=code)
            result = ledger.block(raw)[0]
            assert result.status == "ok"
            used.append(result.gas_used)
        return used[1] - used[0]

    work = 3 * 2 * 50 // 1_000 + 2 * 8
    assert third_call(90) - third_call(10) >= 80 * (2 * 4 + work)


def test_rows_are_counted_before_anything_is_planned(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:  # INF-3
    model_id, licence = licensed(ledger, doubled())
    planned: list[object] = []
    monkeypatch.setattr(tensor.Plan, "specialise", lambda self, shapes: planned.append(shapes))
    rows = np.ones((101, 2), np.float32)
    result = ledger.block(call(ledger, model_id, licence, rows))[0]
    assert (result.code, planned) == ("too_many_rows", [])


def test_a_shape_is_not_planned_for_whoever_cannot_pay_for_a_row(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:  # GAS-7
    """Planning a large model for a new shape takes seconds, and a refused call is not spent."""
    model_id, licence = licensed(ledger, chained(300))
    rows = np.ones((3, 2), np.float32)
    planned: list[object] = []
    genuine = tensor.Plan.specialise

    def specialise(self: tensor.Plan, shapes: dict[str, tuple[int, ...]]) -> object:
        planned.append(shapes)
        return genuine(self, shapes)

    monkeypatch.setattr(tensor.Plan, "specialise", specialise)
    poor = ledger.block(call(ledger, model_id, licence, rows, gas_limit=60_000))[0]
    assert (poor.code, planned) == ("out_of_gas", [])
    rich = ledger.block(call(ledger, model_id, licence, rows))[0]
    assert rich.status == "ok" and planned
