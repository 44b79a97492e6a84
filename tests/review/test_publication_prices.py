"""Planning a file costs what it takes, and nobody has one planned for nothing (GAS-8)."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from synnergy import tensor
from synnergy.gas.schedule import load_schedule
from synnergy.opcodes import plans
from tests.chain.small_models import chained, model
from tests.chain.test_hostile_market import publication
from tests.ledger.harness import PUBLISHER, Ledger

#: Units that planning one node took when it was measured, 100 ns each, rounded down.
NODE = 700
#: Gas of a message or string.
FIELD = 150


@pytest.fixture(autouse=True)
def _no_plans() -> None:
    plans._plans.clear()


def dense(width: int) -> bytes:
    """A product with raw weights of `width` squared."""
    weights = {"W": np.ones((width, width), np.float32)}
    return model(
        [helper.make_node("MatMul", ["X", "W"], ["Y"])],
        ["Y"],
        constants=weights,
        shape=("N", width),
    )


def test_nodes_cost_more_than_weights(ledger: Ledger) -> None:
    used: list[int] = []
    for index, content in enumerate((chained(400), chained(800), dense(50))):
        digest = ledger.upload(content)
        result = ledger.send(PUBLISHER, "MODEL_PUBLISH", publication(digest, f"m{index}"))
        assert result.status == "ok"
        used.append(result.gas_used)
    assert used[1] - used[0] > 400 * NODE
    assert used[2] < used[0]


def test_what_cannot_be_paid_for_is_not_planned(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = ledger.upload(chained(400))
    loaded: list[bytes] = []
    monkeypatch.setattr(tensor, "load", loaded.append)
    for limit in (30_000, 100_000, 300_000):
        arguments = publication(digest)
        result = ledger.send(PUBLISHER, "MODEL_PUBLISH", arguments, gas_limit=limit)
        assert (result.code, result.gas_used) == ("out_of_gas", limit)
    assert loaded == []


def test_no_more_of_a_file_is_counted_than_is_paid_for() -> None:
    schedule = load_schedule(1)
    for gas in (0, 1, 10**6, 10**9):
        fields = schedule.affordable_fields(gas)
        assert schedule.model_plan_gas(fields, 0) <= gas < schedule.model_plan_gas(fields + 1, 0)


def test_a_file_that_is_none_is_still_refused(ledger: Ledger) -> None:
    digest = ledger.upload(b"\xff" * 1_000)
    result = ledger.send(PUBLISHER, "MODEL_PUBLISH", publication(digest))
    assert (result.status, result.code) == ("refused", "unsupported_model")


def test_what_shows_late_to_be_no_model_is_paid_as_far_as_it_was_counted(ledger: Ledger) -> None:
    """GAS-8: whoever catches the refusal could have three million fields counted each time."""
    used: list[int] = []
    for fields in (1_000, 2_000):
        digest = ledger.upload(chained(1) + b"\x12\x00" * fields + b"\x3a\x7f")
        result = ledger.send(PUBLISHER, "MODEL_PUBLISH", publication(digest))
        assert (result.status, result.code) == ("refused", "unsupported_model")
        used.append(result.gas_used)
    assert used[1] - used[0] >= 1_000 * FIELD


def test_raw_data_is_read_and_not_parsed() -> None:
    small, large = (tensor.scan(dense(width), 10**6) for width in (10, 100))
    assert large.fields == small.fields
    assert large.parsed - small.parsed < 20
