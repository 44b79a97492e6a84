"""What hostile models could make the kernels hold, and what becomes of a plan that can't."""

from __future__ import annotations

import random
from collections.abc import Mapping

import numpy as np
import pytest
from onnx import helper

from synnergy.tensor import Plan, load
from synnergy.tensor.compiled import Kernelled, Lowering
from synnergy.tensor.kernels import wasm
from synnergy.tensor.kernels.program import Buffer, Operand, lay_out
from synnergy.tensor.kernels.selection import builds
from synnergy.tensor.limits import Limits
from synnergy.tensor.lowering.registry import LOWERINGS, Site
from tests.tensor.kernels.same import Array, hostile_floats, model_of


def test_no_two_living_buffers_overlap() -> None:
    for seed in range(20):
        pick = random.Random(seed)
        buffers = []
        for _ in range(150):
            first = pick.randrange(60)
            size = pick.choice([0, 1, 64, 640, 6400])
            buffers.append(Buffer(size, first=first, last=first + pick.randrange(20)))
        total = lay_out(buffers)
        for place, one in enumerate(buffers):
            assert one.offset % 64 == 0 and one.offset + one.size <= total
            for other in buffers[:place]:
                if one.first <= other.last and other.first <= one.last:
                    ends = one.offset + one.size, other.offset + other.size
                    assert ends[0] <= other.offset or ends[1] <= one.offset


def test_a_freed_place_is_used_again() -> None:
    big, small, later = Buffer(640, first=0, last=1), Buffer(64, first=0, last=9), Buffer(600)
    later.first, later.last = 2, 3
    assert lay_out([big, small, later]) == 704
    assert later.offset == big.offset


def test_memory_of_many_pieces_is_laid_out_quickly() -> None:
    """Ten thousand gaps, none of which fits: seconds of work if each were looked at."""
    pieces = [Buffer(64, first=at, last=40_000 if at % 2 else 20_000) for at in range(20_000)]
    large = [Buffer(128, first=20_001 + at, last=50_000) for at in range(19_000)]
    assert lay_out([*pieces, *large]) == 64 * 20_000 + 128 * 19_000


def test_a_follower_of_many_inputs_is_not_gone_through_for_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    count = 400
    nodes = [helper.make_node("Sin", ["x"], [f"v{at}"]) for at in range(count)]
    nodes.append(helper.make_node("Concat", [f"v{at}" for at in range(count)], ["y"], axis=0))
    plan = load(model_of(nodes, {"x": ("float32", (2, 3))}, ["y"]))
    asked = 0
    operand = Lowering.operand

    def counted(lowering: Lowering, name: str, labelling: bool = False) -> Operand | None:
        nonlocal asked
        asked += 1
        return operand(lowering, name, labelling)

    monkeypatch.setattr(Lowering, "operand", counted)
    assert not plan.left_to_reference({"x": (2, 3)}, builds()[0])
    assert 2 * count <= asked < 4 * count


def column(rows: int) -> tuple[bytes, Mapping[str, Array]]:
    """A product with one column, whose panels are padded to sixteen times its size."""
    node = helper.make_node("MatMul", ["a", "b"], ["y"])
    shapes = {"a": ("float16", (1, rows)), "b": ("float16", (rows, 1))}
    ones = np.ones(rows, np.float16)
    arrays = {"a": ones.reshape(1, -1), "b": ones.reshape(-1, 1)}
    return model_of([node], shapes, ["y"]), arrays


def test_a_program_of_far_more_memory_than_the_model_costs_is_refused() -> None:
    content, arrays = column(6 << 20)
    limits = Limits(memory=64 << 20)
    plan = load(content, limits, {name: array.shape for name, array in arrays.items()})
    expected = plan.run(arrays, kernel="reference")
    for name in builds():
        assert plan.left_to_reference({k: a.shape for k, a in arrays.items()}, name)
        assert plan.run(arrays, kernel=name)["y"].tobytes() == expected["y"].tobytes()


def shaped_weights() -> Plan:
    """A plan that makes weights for every shape: a constant for each row of the input."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("ConstantOfShape", ["s"], ["c"]),
        helper.make_node("Add", ["x", "c"], ["t"]),
        helper.make_node("MatMul", ["t", "w"], ["y"]),
    ]
    weights = {"w": hostile_floats((8, 8), seed=1)}
    return load(model_of(nodes, {"x": ("float32", ("N", 8))}, ["y"], weights))


@pytest.mark.parametrize("name", builds())
def test_weights_of_forgotten_shapes_are_let_go(name: str) -> None:
    plan = shaped_weights()
    for rows in range(1, 200):
        x = hostile_floats((rows, 8), seed=rows)
        if rows % 40 == 1:
            expected = plan.run({"x": x}, kernel="reference")["y"]
            assert plan.run({"x": x}, kernel=name)["y"].tobytes() == expected.tobytes()
        else:
            plan.run({"x": x}, kernel=name)
    assert plan._kernelled[name].weights.segments <= 64


@pytest.mark.parametrize("name", builds())
def test_after_a_failure_no_half_made_weights_are_used(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = shaped_weights()
    lower = LOWERINGS[("", "MatMul")]

    def failing(site: Site) -> None:
        lower(site)
        raise ZeroDivisionError("hostile")

    for rows, broken in ((2, False), (3, True), (4, False), (2, False), (3, False)):
        x = hostile_floats((rows, 8), seed=rows)
        expected = plan.run({"x": x}, kernel="reference")["y"]
        with monkeypatch.context() as patch:
            if broken:
                patch.setitem(LOWERINGS, ("", "MatMul"), failing)
                with pytest.warns(RuntimeWarning, match="ZeroDivisionError: hostile"):
                    got = plan.run({"x": x}, kernel=name)["y"]
            else:
                got = plan.run({"x": x}, kernel=name)["y"]
        assert got.tobytes() == expected.tobytes()


def test_wasm_that_can_not_have_memory_leaves_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    name = next((each for each in builds() if each.startswith("wasm")), "")
    if not name:
        pytest.skip("no WASM kernels are installed")
    plan = shaped_weights()
    x = hostile_floats((3, 8), seed=3)
    expected = plan.run({"x": x}, kernel="reference")["y"]
    session = plan._kernelled
    plan.run({"x": x}, kernel=name)
    kernelled: Kernelled = session[name]
    assert isinstance(kernelled.session, wasm.WasmSession)
    kernelled.session.occupant = None
    with monkeypatch.context() as patch:
        patch.setattr(wasm, "_LARGEST", 1 << 16)
        assert plan.run({"x": x}, kernel=name)["y"].tobytes() == expected.tobytes()
    assert not kernelled.session.lock.locked()
    assert plan.run({"x": x}, kernel=name)["y"].tobytes() == expected.tobytes()
