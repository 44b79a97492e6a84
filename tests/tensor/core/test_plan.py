"""TENSOR-40 to TENSOR-45: costs, folding, memory, inputs and results of plans."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from onnx import helper

from synnergy.tensor import BadInput, Limits, Unsupported, load
from synnergy.tensor.operators.registry import OPERATORS
from synnergy.tensor.types import MapsType, TensorType, Work
from tests.tensor.core.building import model, single, uniform


def dense(opset: int = 17) -> Any:
    """x [N, 3] → Gemm → Relu → Softmax: y [N, 2]."""
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Softmax", ["r"], ["y"]),
    ]
    weights = {"w": uniform("w", (3, 2)), "b": uniform("b", (2,))}
    return model(nodes, {"x": (np.float32, ["N", 3])}, ["y"], weights, opset)


def plan_of(proto: Any, **options: Any) -> Any:
    return load(proto.SerializeToString(), **options)


def test_inputs_outputs_and_cost_at_batch_size_one() -> None:
    plan = plan_of(dense())
    (entry,) = plan.inputs
    assert (entry.name, entry.dtype, entry.shape) == ("x", "float32", ("N", 3))
    assert plan.outputs == ("y",)
    assert plan.cost.nodes == 3
    # Gemm: 2 outputs of 3 terms, half of B, two passes; Relu: in and out; Softmax: 4 passes; and
    # the plan's inputs and outputs.
    assert plan.cost.work == Work(macs=6, elements=3 + 4 + 4 + 8 + 5, functions=2, steps=3)
    # Weights, then at the worst moment one row in and one out of each node.
    assert plan.cost.memory == 32 + 12 + 8
    assert plan.ledger_problems() == ()


def test_specialised_costs_grow_with_the_batch() -> None:
    plan = plan_of(dense())
    many = plan.specialise({"x": (10, 3)})
    assert many.work == Work(macs=60, elements=3 + 40 + 40 + 80 + 50, functions=20, steps=3)
    assert many.memory == 32 + 120 + 80
    assert many.outputs == (("y", TensorType("float32", (10, 2))),)
    assert many.static
    assert plan.specialise({"x": (10, 3)}) is many


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless")
def test_threads_share_a_plan() -> None:
    """Quotes specialise plans that the block under way runs."""
    plan = plan_of(dense())

    def ask(first: int) -> None:
        for step in range(2_000):
            plan.specialise({"x": ((step * 7 + first) % 6 + 1, 3)})

    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(ask, range(3))) == [None] * 3


def test_memory_follows_liveness() -> None:
    """Of a chain only two links live at once; a value needed later stays."""
    chain = [helper.make_node("Neg", [f"v{i}"], [f"v{i + 1}"]) for i in range(10)]
    kinds = {"v0": (np.float32, ["N", 100])}
    assert plan_of(model(chain, kinds, ["v10"])).cost.memory == 2 * 400
    late = [*chain, helper.make_node("Add", ["v10", "v1"], ["y"])]
    assert plan_of(model(late, kinds, ["y"])).cost.memory == 3 * 400


def test_results_equal_the_operators_own() -> None:
    plan = plan_of(dense())
    x = uniform("x", (4, 3))
    whole = plan.run({"x": x})["y"]
    rows = [plan.run({"x": x[i : i + 1]})["y"][0] for i in range(4)]
    assert whole.tobytes() == np.stack(rows).tobytes()
    assert plan.run({"x": x}, kernel="reference")["y"].tobytes() == whole.tobytes()
    with pytest.raises(ValueError, match="kernel"):
        plan.run({"x": x}, kernel="magic")


def shape_arithmetic() -> Any:
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"], axis=0),
        helper.make_node("Concat", ["n", "minus"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["y"]),
    ]
    weights = {"zero": np.array([0]), "minus": np.array([-1])}
    return model(nodes, {"x": (np.float32, ["N", 2, 3])}, ["y"], weights)


def test_shape_arithmetic_is_folded_and_its_work_counted() -> None:
    plan = plan_of(shape_arithmetic())
    specialised = plan.specialise({"x": (5, 2, 3)})
    assert specialised.outputs == (("y", TensorType("float32", (5, 6))),)
    assert specialised.folded == {0, 1, 2}
    assert {name: a.tolist() for name, a in specialised.constants.items()} == {"target": [5, -1]}
    assert specialised.work.steps == 4
    assert plan.run({"x": uniform("x", (5, 2, 3))})["y"].shape == (5, 6)
    unfolded = plan_of(shape_arithmetic(), limits=Limits(folded_work=1 << 20))
    x = uniform("x", (5, 2, 3))
    assert unfolded.run({"x": x})["y"].tobytes() == plan.run({"x": x})["y"].tobytes()


def test_initialised_inputs_are_optional_and_can_be_replaced() -> None:
    node = helper.make_node("Add", ["x", "w"], ["y"])
    kinds = {"x": (np.float32, [2]), "w": (np.float32, [2])}
    plan = plan_of(model([node], kinds, ["y"], {"w": np.float32([1, 2])}))
    assert plan.run({"x": np.float32([0, 0])})["y"].tolist() == [1, 2]
    given = {"x": np.float32([0, 0]), "w": np.float32([5, 5])}
    assert plan.run(given)["y"].tolist() == [5, 5]


TWO = {"a": (np.float32, ["N", 2]), "b": (np.int64, ["N", 1])}


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({}, "'a' is missing"),
        ({"a": np.zeros((1, 2), np.float32)}, "'b' is missing"),
        ({"c": np.zeros(1)}, "no input 'c'"),
        ({"a": np.zeros((1, 2)), "b": np.zeros((1, 1), np.int64)}, "'a' is float64"),
        ({"a": np.zeros((1, 3), np.float32), "b": np.zeros((1, 1), np.int64)}, "axis 1"),
        ({"a": np.zeros(2, np.float32), "b": np.zeros((1, 1), np.int64)}, "rank 1"),
        ({"a": np.zeros((2, 2), np.float32), "b": np.zeros((3, 1), np.int64)}, "N = 3"),
        ({"a": np.zeros((0, 2), np.float32), "b": np.zeros((0, 1), np.int64)}, "no rows"),
        ({"a": np.full((1, 2), np.nan, np.float32), "b": np.zeros((1, 1), np.int64)}, "NaN"),
        ({"a": np.full((1, 2), np.inf, np.float32), "b": np.zeros((1, 1), np.int64)}, "infinite"),
    ],
)
def test_inputs_that_do_not_fit_are_named(arrays: dict[str, Any], reason: str) -> None:
    nodes = [helper.make_node("Neg", ["a"], ["y"]), helper.make_node("Neg", ["b"], ["z"])]
    plan = plan_of(model(nodes, TWO, ["y", "z"]))
    with pytest.raises(BadInput, match=reason):
        plan.check_inputs(arrays)
    if "NaN" not in reason and "infinite" not in reason:
        with pytest.raises(BadInput, match=reason):
            plan.execute(arrays)


def test_missing_values_may_be_allowed_but_never_infinities() -> None:
    model_, _ = single("Neg", [np.zeros((1, 2), np.float32)])
    plan = plan_of(model_)
    plan.check_inputs({"x0": np.full((1, 2), np.nan, np.float32)}, allow_missing=True)
    with pytest.raises(BadInput, match="infinite"):
        plan.check_inputs({"x0": np.full((1, 2), -np.inf, np.float32)}, allow_missing=True)


def test_strings_must_be_strings() -> None:
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    plan = plan_of(model(nodes, {"x": (object, ["N"])}, ["y"]))
    assert plan.run({"x": np.array(["a", "b"], object)})["y"].tolist() == ["a", "b"]
    for strange in (1, None, b"bytes", "\ud800"):
        with pytest.raises(BadInput, match="isn't a string"):
            plan.run({"x": np.array(["a", strange], object)})


def test_results_are_not_views() -> None:
    proto = model([helper.make_node("Identity", ["x"], ["y"])], {"x": (np.float32, [2])}, ["y"])
    x = np.float32([1, 2])
    result = plan_of(proto).run({"x": x})["y"]
    result[0] = 5
    assert x.tolist() == [1, 2]


def test_nan_is_canonical_on_outputs() -> None:
    proto, _ = single("Identity", [np.zeros(2, np.float32)])
    odd = np.array([0xFFC01234, 0x7F800001], np.uint32).view(np.float32)
    (_, _, result) = plan_of(proto).execute({"x0": odd})[0]
    assert result.view(np.uint32).tolist() == [0x7FC00000] * 2


def test_maps_are_dictionaries_for_people_and_arrays_for_the_ledger() -> None:
    node = helper.make_node(
        "ZipMap", ["x"], ["y"], domain="ai.onnx.ml", classlabels_strings=["no", "yes"]
    )
    plan = plan_of(model([node], {"x": (np.float32, ["N", 2])}, ["y"], ml=3))
    x = np.float32([[0.25, 0.75], [1, 0]])
    assert plan.run({"x": x})["y"] == [{"no": 0.25, "yes": 0.75}, {"no": 1.0, "yes": 0.0}]
    ((name, kind, array),) = plan.execute({"x": x})
    assert (name, kind) == ("y", MapsType("float32", 2, ("no", "yes")))
    assert array.tolist() == x.tolist()


def test_a_map_cannot_feed_another_node() -> None:
    nodes = [
        helper.make_node(
            "ZipMap", ["x"], ["m"], domain="ai.onnx.ml", classlabels_strings=["no", "yes"]
        ),
        helper.make_node("Neg", ["m"], ["y"]),
    ]
    with pytest.raises(Unsupported, match="only be an output"):
        plan_of(model(nodes, {"x": (np.float32, ["N", 2])}, ["y"], ml=3))


def test_work_that_depends_on_values_runs_here_but_not_on_a_ledger() -> None:
    nodes = [
        helper.make_node("NonZero", ["x"], ["places"]),
        helper.make_node("Transpose", ["places"], ["y"]),
    ]
    plan = plan_of(model(nodes, {"x": (np.float32, ["N", 2])}, ["y"]))
    assert not plan.static
    (problem,) = plan.ledger_problems()
    assert problem.operator == "NonZero"
    x = np.float32([[0, 1], [2, 0], [3, 4]])
    result = plan.run({"x": x})["y"]
    assert result.tolist() == [[0, 1], [1, 0], [2, 0], [2, 1]]


def test_a_value_dependent_operator_of_constants_is_folded() -> None:
    nodes = [
        helper.make_node("NonZero", ["c"], ["places"]),
        helper.make_node("Squeeze", ["places", "axis"], ["flat"]),
        helper.make_node("Gather", ["x", "flat"], ["y"], axis=0),
    ]
    weights = {"c": np.float32([0, 1, 1]), "axis": np.array([0])}
    plan = plan_of(model(nodes, {"x": (np.float32, [3])}, ["y"], weights))
    assert plan.ledger_problems() == ()
    assert plan.run({"x": np.float32([5, 6, 7])})["y"].tolist() == [6, 7]


def test_types_that_a_ledger_does_not_take_as_inputs() -> None:
    proto, fed = single("Identity", [np.zeros(2, np.float16)])
    plan = plan_of(proto)
    plan.run(fed)
    assert "float16" in str(plan.ledger_problems()[0])


def test_open_dimensions_are_one_unless_shapes_are_given() -> None:
    weights = np.ones((1, 1, 3, 3), np.float32)
    node = helper.make_node("Conv", ["x", "w"], ["y"])
    kinds = {"x": (np.float32, ["N", 1, "H", "W"])}
    proto = model([node], kinds, ["y"], {"w": weights})
    with pytest.raises(Unsupported, match="reaches over 3"):
        plan_of(proto)
    plan = plan_of(proto, shapes={"x": (1, 1, 5, 5)})
    assert plan.cost.work.macs == 81
    with pytest.raises(Unsupported, match="reaches over 3"):
        plan.run({"x": np.ones((1, 1, 2, 2), np.float32)})


def test_rank_must_be_declared_or_given() -> None:
    proto = model([helper.make_node("Neg", ["x"], ["y"])], {"x": (np.float32, None)}, ["y"])
    with pytest.raises(Unsupported, match="rank"):
        plan_of(proto)
    plan = plan_of(proto, shapes={"x": (2,)})
    assert plan.run({"x": np.ones((2, 2), np.float32)})["y"].shape == (2, 2)


def branching() -> Any:
    """y = x + 1 where flag, else x - 1; both branches capture x."""

    def branch(operator: str) -> Any:
        node = helper.make_node(operator, ["x", "one"], [f"r_{operator}"])
        output = helper.make_tensor_value_info(f"r_{operator}", 1, None)
        return helper.make_graph([node], operator, [], [output])

    node = helper.make_node(
        "If", ["flag"], ["y"], then_branch=branch("Add"), else_branch=branch("Sub")
    )
    kinds = {"x": (np.float32, ["N"]), "flag": (np.bool_, [])}
    return model([node], kinds, ["y"], {"one": np.float32([1])})


def test_subgraphs_capture_values_from_outside() -> None:
    plan = plan_of(branching())
    x = np.float32([3, 4])
    assert plan.run({"x": x, "flag": np.array(True)})["y"].tolist() == [4, 5]
    assert plan.run({"x": x, "flag": np.array(False)})["y"].tolist() == [2, 3]


def test_reading_a_plan_twice_gives_one_cost() -> None:
    first, second = plan_of(dense()), plan_of(dense())
    assert first.cost == second.cost
    first.specialise({"x": (7, 3)})
    assert first.cost == second.cost


def test_every_operator_says_what_it_counts() -> None:
    """WORK-1: the formula of each is a sentence in the reference page."""
    silent = [name for (_, name), each in OPERATORS.items() if not each.work.__doc__]
    assert silent == []
