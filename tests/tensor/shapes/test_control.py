"""If, Scan and Loop through whole plans, against onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from synnergy.tensor import plan
from synnergy.tensor.types import Array, Unsupported

from .oracle import CODES, IR_VERSION, dtype_name

RNG = np.random.default_rng(2)
FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def floats(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


def typed(name: str, kind: int = FLOAT, shape: Sequence[int] | None = None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def bare(name: str) -> onnx.ValueInfoProto:
    return onnx.ValueInfoProto(name=name)


def graph(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[str],
    **constants: Array,
) -> onnx.GraphProto:
    weights = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    return helper.make_graph(nodes, "g", inputs, [bare(name) for name in outputs], weights)


def model(body: onnx.GraphProto, opset: int = 16) -> bytes:
    imports = [helper.make_opsetid("", opset)]
    made = helper.make_model(body, opset_imports=imports, ir_version=IR_VERSION)
    return made.SerializeToString()


def compare(data: bytes, **arrays: Array) -> plan.Plan:
    """Plan, run on both sides, compare bit for bit."""
    shapes = {name: array.shape for name, array in arrays.items()}
    loaded = plan.load(data, shapes=shapes)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    for (_, _, ours), theirs in zip(
        loaded.execute(arrays), session.run(None, arrays), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    return loaded


def inputs_of(**arrays: Array) -> list[onnx.ValueInfoProto]:
    return [typed(name, CODES[dtype_name(array)], array.shape) for name, array in arrays.items()]


def choice(condition: str) -> onnx.NodeProto:
    """Three additions where the condition holds, one multiplication otherwise."""
    add = [helper.make_node("Add", ["x", "x"], ["a"]), helper.make_node("Add", ["a", "x"], ["b"])]
    then = graph([*add, helper.make_node("Add", ["b", "x"], ["c"])], [], ["c"])
    otherwise = graph([helper.make_node("Mul", ["x", "x"], ["d"])], [], ["d"])
    return helper.make_node(
        "If", [condition], ["y"], then_branch=then, else_branch=otherwise, name="choice"
    )


@pytest.mark.parametrize("holds", [True, False])
def test_if_by_value_costs_the_dearer_branch(holds: bool) -> None:
    """SHAPE-81"""
    x, condition = floats(3), np.array(holds)
    body = graph([choice("condition")], inputs_of(x=x, condition=condition), ["y"])
    loaded = compare(model(body), x=x, condition=condition)
    assert loaded.static
    assert loaded.cost.work.steps == 4


@pytest.mark.parametrize(("holds", "steps"), [(True, 4), (False, 2)])
def test_if_by_constant_costs_its_branch(holds: bool, steps: int) -> None:
    """SHAPE-81"""
    x = floats(3)
    body = graph([choice("condition")], inputs_of(x=x), ["y"], condition=np.array(holds))
    assert compare(model(body), x=x).cost.work.steps == steps


def test_branches_of_different_shapes() -> None:
    """SHAPE-81"""
    x = floats(1, 3)
    then = graph([helper.make_node("Squeeze", ["x"], ["a"])], [], ["a"])
    otherwise = graph([helper.make_node("Identity", ["x"], ["b"])], [], ["b"])
    node = helper.make_node("If", ["condition"], ["y"], then_branch=then, else_branch=otherwise)
    known = graph([node], inputs_of(x=x), ["y"], condition=np.array(True))
    compare(model(known), x=x)
    unknown = graph([node], inputs_of(x=x, condition=np.array(True)), ["y"])
    loaded = compare(model(unknown), x=x, condition=np.array(False))
    assert "different types" in str(loaded.ledger_problems()[0])


def scan(**attributes: object) -> onnx.NodeProto:
    """A running sum (state) and its double for each row of x and y together."""
    body = graph(
        [
            helper.make_node("Add", ["row", "other"], ["both"]),
            helper.make_node("Add", ["state", "both"], ["next"]),
            helper.make_node("Add", ["next", "next"], ["twice"]),
        ],
        [typed("state"), typed("row"), typed("other")],
        ["next", "twice"],
    )
    return helper.make_node(
        "Scan",
        ["start", "x", "y"],
        ["final", "doubles"],
        body=body,
        num_scan_inputs=2,
        **attributes,
    )


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"scan_input_directions": [1, 0]},
        {"scan_output_directions": [1], "scan_output_axes": [1]},
        {"scan_output_axes": [-1], "scan_input_axes": [0, 0]},
    ],
)
def test_scan(attributes: dict[str, object]) -> None:
    """SHAPE-82"""
    start, x, y = floats(3), floats(5, 3), floats(5, 3)
    body = graph([scan(**attributes)], inputs_of(start=start, x=x, y=y), ["final", "doubles"])
    loaded = compare(model(body), start=start, x=x, y=y)
    assert loaded.cost.work.steps == 1 + 5 * 3


def test_scan_along_another_axis() -> None:
    """SHAPE-82"""
    start, x, y = floats(3), floats(3, 5), floats(5, 3)
    node = scan(scan_input_axes=[-1, 0])
    body = graph([node], inputs_of(start=start, x=x, y=y), ["final", "doubles"])
    compare(model(body), start=start, x=x, y=y)


def test_a_growing_state_is_refused() -> None:
    """SHAPE-82"""
    body = graph(
        [helper.make_node("Concat", ["state", "row"], ["next"], axis=0)],
        [typed("state"), typed("row")],
        ["next"],
    )
    node = helper.make_node("Scan", ["start", "x"], ["y"], body=body, num_scan_inputs=1)
    whole = graph([node], inputs_of(start=floats(3), x=floats(5, 3)), ["y"])
    with pytest.raises(Unsupported, match="a state of type"):
        plan.load(model(whole))


def loop(step: list[onnx.NodeProto], outputs: list[str], results: list[str]) -> onnx.NodeProto:
    body = graph(
        step,
        [typed("counter", INT64, ()), typed("going", BOOL, ()), typed("state")],
        outputs,
        limit=np.array(3, np.int64),
    )
    return helper.make_node("Loop", ["trips", "", "start"], results, body=body)


GO_ON = helper.make_node("Identity", ["going"], ["on"])
DOUBLE = helper.make_node("Add", ["state", "state"], ["next"])


def test_a_loop_of_known_length() -> None:
    """SHAPE-84"""
    start = floats(3)
    copy = helper.make_node("Identity", ["next"], ["row"])
    node = loop([GO_ON, DOUBLE, copy], ["on", "next", "row"], ["final", "all"])
    body = graph([node], inputs_of(start=start), ["final", "all"], trips=np.array(1000, np.int64))
    loaded = compare(model(body), start=start)
    assert loaded.static
    assert loaded.cost.work.steps == 1 + 1000 * 3


def test_a_loop_that_its_counter_ends() -> None:
    """SHAPE-84"""
    start = floats(3)
    less = helper.make_node("Less", ["counter", "limit"], ["on"])
    node = loop([less, DOUBLE], ["on", "next"], ["final"])
    body = graph([node], inputs_of(start=start), ["final"], trips=np.array(2**40, np.int64))
    loaded = compare(model(body), start=start)
    assert loaded.cost.work.steps == 1 + 4 * 2


def test_a_growing_loop() -> None:
    """SHAPE-84"""
    start = floats(2)
    grow = helper.make_node("Concat", ["state", "state"], ["next"], axis=0)
    node = loop([GO_ON, grow], ["on", "next"], ["final"])
    body = graph([node], inputs_of(start=start), ["final"], trips=np.array(4, np.int64))
    compare(model(body), start=start)
    endless = graph([node], inputs_of(start=start), ["final"], trips=np.array(2**62, np.int64))
    with pytest.raises(Unsupported):
        plan.load(model(endless))


def test_subgraphs_are_not_nested_without_end() -> None:
    """SHAPE-80"""
    node = helper.make_node("Identity", ["x"], ["y"])
    for level in range(6):
        inner = helper.make_node(node.op_type, list(node.input), [f"y{level}"])
        inner.attribute.extend(node.attribute)
        branch = graph([inner], [], [f"y{level}"])
        node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    x, c = floats(3), np.array(True)
    with pytest.raises(Unsupported):
        plan.load(model(graph([node], inputs_of(x=x, c=c), ["y"])))
