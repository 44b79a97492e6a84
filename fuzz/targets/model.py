"""TENSOR-30 … TENSOR-45: any file is refused in words, or plans, and runs to what was planned."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import helper

from fuzz import mutate_model
from fuzz.target import ROOT, Target, plain
from synnergy.tensor import BadInput, Plan, Unsupported, load
from synnergy.tensor.encoding import encode_tensors
from synnergy.tensor.environment import quiet
from synnergy.tensor.types import DTYPES, Array, GraphInput
from tests.chain import small_models
from tests.tensor.core.hostile_edits import CASES, edited
from tests.tensor.core.hostile_edits import plain as unedited
from tests.tensor.ml.seeds import SEEDS as ML_SEEDS
from tests.tensor.shapes.oracle import CODES, dtype_name, make
from tests.tensor.shapes.seeds import SEEDS as SHAPE_SEEDS

#: Larger models are planned and not run: what a run takes follows from its gas, which is paid.
MOST_MEMORY = 1 << 24
MOST_WORK = 1 << 20


def check(data: bytes) -> Iterator[str]:
    try:
        plan = load(data)
    except Unsupported as error:
        assert error.problems
        for problem in error.problems[:20]:
            assert problem.reason
            operator = problem.operator if problem.operator.isalpha() else ""
            yield f"{operator[:30]} {plain(problem.reason)}"
        return
    work = plan.cost.work
    counts = (work.macs, work.elements, work.functions, work.steps)
    assert all(isinstance(count, int) and count >= 0 for count in counts), work
    assert 0 <= plan.cost.memory <= plan.limits.memory
    plan.ledger_problems()
    for rows in (1, 3):
        yield from run(plan, rows)
    for node in plan.model.graph.nodes:
        yield f"{node.domain}.{node.operator} {node.opset} {len(node.inputs)}"


def run(plan: Plan, rows: int) -> Iterator[str]:
    """Plan, and run if small, with every open dimension of `rows`."""
    arrays = {
        entry.name: filled(entry, rows)
        for entry in plan.inputs
        if entry.name not in plan.model.graph.initializers and entry.shape is not None
    }
    try:
        if plan.static:
            specialised = plan.specialise({name: array.shape for name, array in arrays.items()})
            work = specialised.work
            units = work.macs + work.elements + 32 * work.functions + work.steps
            if specialised.memory > MOST_MEMORY or units > MOST_WORK:
                return
        results = plan.execute(arrays)
    except (Unsupported, BadInput) as error:
        yield plain(str(error))
        return
    assert [name for name, _, _ in results] == list(plan.outputs)
    assert encode_tensors(results) == encode_tensors(plan.execute(arrays, "reference"))
    yield f"ran {rows}"


def filled(entry: GraphInput, rows: int) -> Array:
    shape = tuple(size if isinstance(size, int) else rows for size in entry.shape or ())
    if np.prod(shape, dtype=object) > 1 << 16:
        shape = (0,) * len(shape)
    if entry.dtype == "string":
        return np.full(shape, "a b", object)
    count = int(np.prod(shape))
    return (np.arange(count) % 5 - 1).astype(DTYPES[entry.dtype]).reshape(shape)


def seeds() -> dict[str, bytes]:
    """A model of one node for each operator, the examples, and each hostile edit of the tests."""
    made = {f"edit-{edit.__name__}": edited(edit) for edit, _ in CASES} | {"plain": unedited()}
    for seed in (*SHAPE_SEEDS, *ML_SEEDS.values()):
        model = one_node(seed)
        if model is not None:
            made[f"one-{seed.operator}-{len(made):03}"] = model
    whole = {name: model.SerializeToString() for name, model in made.items()}
    whole |= {"linear": small_models.linear(), "chained": small_models.chained(3)}
    whole["iris"] = (ROOT / "examples" / "iris.onnx").read_bytes()
    return {name: data for name, data in whole.items() if len(data) <= TARGET.longest}


@quiet
def one_node(seed) -> onnx.ModelProto | None:
    """The tests' call of one operator as a model; its later inputs are weights."""
    arrays = list(seed.inputs)
    try:
        node = make(seed.operator, arrays, dict(seed.attributes), seed.outputs, domain=seed.domain)
        known = [(name, array) for name, array in zip(node.input, arrays, strict=True) if name]
        fed = known[: 0 if getattr(seed, "known", False) else 1]
        graph = helper.make_graph(
            [node],
            "g",
            [
                helper.make_tensor_value_info(name, CODES[dtype_name(array)], array.shape)
                for name, array in fed
            ],
            [onnx.ValueInfoProto(name=name) for name in node.output],
            [weight(name, array) for name, array in known[len(fed) :]],
        )
    except (TypeError, ValueError):  # a subgraph as this engine holds it
        return None
    opset = seed.opset if not seed.domain else 17
    opsets = [helper.make_opsetid("", opset)]
    if seed.domain:
        opsets.append(helper.make_opsetid(seed.domain, seed.opset))
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def weight(name: str, array: Array) -> onnx.TensorProto:
    code = CODES[dtype_name(array)]
    if array.dtype.kind == "O":
        texts = [text.encode() for text in array.reshape(-1).tolist()]
        return helper.make_tensor(name, code, array.shape, texts)
    return helper.make_tensor(name, code, array.shape, array.tobytes(), raw=True)


TARGET = Target(
    check, seeds, longest=8_192, mutate=mutate_model.model, seconds=20, mebibytes=2_048
)
