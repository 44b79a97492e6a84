"""Agreement with ONNX Runtime: within 1e-5 of the largest output, over opsets and shapes; and for
products with constant weights, the very same bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy._core._multiarray_umath import __cpu_features__

from synnergy.tensor import load
from tests.tensor.core.building import single, uniform

#: The newest opset that the installed runtime knows.
RUNTIME_NEWEST = 26
OPSETS = (9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, RUNTIME_NEWEST)


#: The runtime's order is ours where its kernels for x86 fuse multiply and add.
fused = pytest.mark.skipif(not __cpu_features__.get("FMA3"), reason="needs FMA3 in hardware")


def session_of(proto: Any, optimised: bool = True) -> Any:
    """A session of one thread; unoptimised ones keep the channels in ONNX's order."""
    options = onnxruntime.SessionOptions()
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(proto.SerializeToString(), options)


@dataclass(frozen=True)
class Case:
    """One node: input shapes (or arrays), attributes, and from which opset to which."""

    operator: str
    inputs: Sequence[Any]
    since: int = 9
    until: int = RUNTIME_NEWEST
    outputs: int = 1
    constants: Sequence[int] = ()
    scale: float = 4.0
    attributes: dict[str, Any] = field(default_factory=dict)

    def arrays(self) -> list[Any]:
        return [
            uniform(f"{self.operator}{i}", item, scale=self.scale) if type(item) is tuple else item
            for i, item in enumerate(self.inputs)
        ]


def positive(shape: tuple[int, ...]) -> Any:
    return np.abs(uniform("positive", shape)) + np.float32(0.01)


V = (3, 5)
I4 = (2, 4, 9, 7)
UNARY = ["Abs", "Neg", "Exp", "Ceil", "Floor", "Sign", "Erf", "Sin", "Cos", "Tan", "Atan"]
UNARY += ["Sinh", "Cosh", "Asinh", "Tanh", "Sigmoid", "Relu", "Softplus", "Softsign"]
CASES = [
    *(Case(name, [V]) for name in UNARY),
    *(Case(name, [V], scale=1.9) for name in ["Asin", "Acos", "Atanh"]),
    *(Case(name, [positive(V)]) for name in ["Log", "Sqrt", "Reciprocal"]),
    Case("Acosh", [positive(V) + 1]),
    Case("Round", [V], 11),
    *(Case(name, [V, (5,)]) for name in ["Add", "Sub", "Mul", "Div"]),
    *(Case(name, [V, (1, 5), (3, 1)]) for name in ["Min", "Max", "Sum", "Mean"]),
    Case("Pow", [positive(V), (5,)]),
    Case("Pow", [V, np.float32([2])]),
    Case("Pow", [positive(V), np.int64([3])], 12),
    Case("Mod", [V, positive((5,))], 10, attributes={"fmod": 1}),
    Case("Mod", [uniform("m", V, "int32"), np.int32([7, -7, 3, -3, 9])], 10),
    Case(
        "Mod", [uniform("m", V, "int64"), np.int64([7, -7, 3, -3, 9])], 10, attributes={"fmod": 1}
    ),
    Case("Div", [uniform("d", V, "int32"), np.int32([7, -7, 3, -3, 9])]),
    Case("Clip", [V], until=10, attributes={"min": -0.5, "max": 0.75}),
    Case("Clip", [V, np.array(-0.5, np.float32), np.array(0.75, np.float32)], 11),
    Case("Clip", [V, None, np.array(0.75, np.float32)], 11),
    Case("LeakyRelu", [V], attributes={"alpha": 0.2}),
    Case("Elu", [V], attributes={"alpha": 1.5}),
    Case("Selu", [V]),
    Case("Celu", [V], 12, attributes={"alpha": 0.7}),
    Case("PRelu", [V, (5,)]),
    Case("HardSigmoid", [V]),
    Case("HardSwish", [V], 14),
    Case("ThresholdedRelu", [V], 10, attributes={"alpha": 0.3}),
    Case("Shrink", [V], attributes={"lambd": 0.3, "bias": 0.1}),
    Case("Mish", [V], 18),
    Case("Gelu", [V], 20),
    Case("Gelu", [V], 20, attributes={"approximate": "tanh"}),
    *(Case(name, [(2, 3, 4)]) for name in ["Softmax", "LogSoftmax", "Hardmax"]),
    *(
        Case(name, [(2, 3, 4)], attributes={"axis": axis})
        for name in ["Softmax", "LogSoftmax", "Hardmax"]
        for axis in (0, 1, 2)
    ),
    Case("Less", [V, (5,)]),
    Case("GreaterOrEqual", [V, V], 12),
    Case("Equal", [uniform("e", V, "int32"), uniform("e", V, "int32")]),
    Case("And", [uniform("a", V, "bool"), uniform("b", V, "bool")]),
    Case("Where", [uniform("w", V, "bool"), V, (5,)]),
    Case("IsNaN", [np.float32([1, np.nan, np.inf])]),
    Case(
        "IsInf", [np.float32([1, np.nan, np.inf, -np.inf])], 10, attributes={"detect_negative": 0}
    ),
    Case("MatMul", [(3, 300), (300, 4)]),
    Case("MatMul", [(2, 1, 3, 8), (5, 8, 4)]),
    Case("MatMul", [(8,), (2, 8, 4)]),
    Case("Gemm", [(3, 20), (20, 4), (4,)]),
    Case("Gemm", [(20, 3), (4, 20), (3, 1)], attributes={"transA": 1, "transB": 1}),
    Case("Gemm", [(3, 20), (20, 4), (4,)], attributes={"alpha": 0.5, "beta": 2.0}),
    Case("Gemm", [(3, 20), (20, 4)], 11),
    Case("Conv", [(2, 4, 11), (6, 4, 3), (6,)], attributes={"pads": [1, 2], "strides": [2]}),
    Case("Conv", [I4, (6, 4, 3, 2), (6,)]),
    Case("Conv", [I4, (6, 2, 3, 3)], attributes={"group": 2, "dilations": [2, 1]}),
    Case("Conv", [I4, (4, 1, 3, 3)], attributes={"group": 4, "auto_pad": "SAME_UPPER"}),
    Case("Conv", [I4, (5, 4, 2, 2)], attributes={"auto_pad": "SAME_LOWER", "strides": [2, 3]}),
    Case("Conv", [(1, 2, 5, 6, 4), (3, 2, 2, 3, 2)], attributes={"pads": [1, 0, 1, 0, 1, 1]}),
    Case("ConvTranspose", [(2, 4, 6), (4, 3, 3), (3,)], attributes={"strides": [2]}),
    Case("ConvTranspose", [I4, (4, 3, 3, 2)], attributes={"pads": [1, 0, 1, 1]}),
    Case("ConvTranspose", [I4, (4, 3, 3, 3)], attributes={"group": 2, "dilations": [2, 2]}),
    Case(
        "ConvTranspose",
        [I4, (4, 3, 3, 3)],
        attributes={"strides": [2, 2], "output_padding": [1, 1], "pads": [1, 1, 1, 1]},
    ),
    Case(
        "ConvTranspose",
        [I4, (4, 3, 3, 3)],
        attributes={"auto_pad": "SAME_UPPER", "strides": [2, 2]},
    ),
    Case("ConvTranspose", [(1, 2, 3, 4, 3), (2, 3, 2, 2, 2)]),
    Case("MaxPool", [I4], outputs=2, attributes={"kernel_shape": [3, 2], "strides": [2, 1]}),
    Case(
        "MaxPool", [I4], 10, attributes={"kernel_shape": [3, 3], "ceil_mode": 1, "strides": [2, 2]}
    ),
    Case("MaxPool", [I4], 10, attributes={"kernel_shape": [2, 2], "dilations": [2, 3]}),
    Case("MaxPool", [I4], attributes={"kernel_shape": [3, 3], "auto_pad": "SAME_LOWER"}),
    Case("MaxPool", [(2, 3, 9)], attributes={"kernel_shape": [4], "pads": [1, 2]}),
    Case("AveragePool", [I4], attributes={"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    Case(
        "AveragePool",
        [I4],
        attributes={"kernel_shape": [3, 3], "pads": [1, 0, 1, 2], "count_include_pad": 1},
    ),
    Case(
        "AveragePool",
        [I4],
        19,
        attributes={
            "kernel_shape": [3, 3],
            "strides": [2, 2],
            "ceil_mode": 1,
            "dilations": [1, 2],
        },
    ),
    Case("LpPool", [I4], attributes={"kernel_shape": [2, 3], "p": 2}),
    Case("LpPool", [I4], attributes={"kernel_shape": [2, 2], "p": 3, "pads": [1, 1, 0, 0]}),
    *(Case(name, [I4]) for name in ["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"]),
    Case("BatchNormalization", [I4, (4,), (4,), (4,), positive((4,))]),
    Case("InstanceNormalization", [I4, (4,), (4,)]),
    Case("LayerNormalization", [(2, 3, 40), (40,), (40,)], 17, outputs=3),
    Case("LayerNormalization", [(2, 3, 40), (3, 40)], 17, attributes={"axis": 1, "epsilon": 1e-3}),
    Case("GroupNormalization", [I4, (4,), (4,)], 21, attributes={"num_groups": 2}),
    Case("RMSNormalization", [(2, 3, 40), (40,)], 23),
    Case("LRN", [I4], attributes={"size": 3, "alpha": 0.01, "beta": 0.6, "bias": 1.5}),
    Case("LRN", [I4], attributes={"size": 5}),
    Case("LpNormalization", [V], attributes={"axis": 1, "p": 2}),
    Case("LpNormalization", [V], attributes={"axis": 0, "p": 1}),
    Case("MeanVarianceNormalization", [I4]),
    Case("Dropout", [V], until=11, attributes={"ratio": 0.3}),
    Case("Dropout", [V, np.array(0.3, np.float32)], 12),
]


def label(case: Case) -> str:
    return case.operator + "".join(f"-{value}" for value in case.attributes.values())


def checked_opsets(case: Case) -> list[int]:
    """The first and last, and those at which some operator's meaning changed in between."""
    known = [opset for opset in OPSETS if case.since <= opset <= case.until]
    return sorted({known[0], *(o for o in (11, 12, 13, 14, 18, 22) if o in known), known[-1]})


@pytest.mark.parametrize("case", CASES, ids=label)
def test_agrees_over_opsets(case: Case) -> None:
    arrays = case.arrays()
    compared = 0
    for opset in checked_opsets(case):
        proto, fed = single(
            case.operator, arrays, opset, case.outputs, case.constants, **case.attributes
        )
        plan = load(proto.SerializeToString())
        results = plan.execute(fed)
        for entry, (_, kind, _) in zip(proto.graph.output, results, strict=True):
            code = {"int64": 7, "int32": 6, "bool": 9}.get(kind.dtype, 1)
            entry.type.tensor_type.elem_type = code
        try:
            wanted = session_of(proto).run(None, fed)
        except Exception as error:
            assert "NOT_IMPLEMENTED" in str(error) or "NotImplemented" in type(error).__name__
            continue
        compared += 1
        for (_, _, ours), theirs in zip(results, wanted, strict=True):
            assert ours.shape == theirs.shape
            assert ours.dtype == theirs.dtype
            if ours.dtype.kind == "f":
                largest = max(float(np.abs(theirs).max()), 1e-30)
                assert float(np.abs(ours - theirs).max()) <= 1e-5 * largest, opset
            else:
                assert ours.tolist() == theirs.tolist(), opset
    assert compared


@fused
@pytest.mark.parametrize("rows", [1, 3, 16])
@pytest.mark.parametrize("inner", [8, 100, 256, 257, 784, 1500])
@pytest.mark.parametrize("columns", [1, 2, 10, 64, 129])
def test_matmul_with_constant_weights_has_the_same_bits(
    rows: int, inner: int, columns: int
) -> None:
    a, b = uniform("a", (rows, inner)), uniform("b", (inner, columns))
    proto, fed = single("MatMul", [a, b], 13, constants=[1])
    theirs = session_of(proto).run(None, fed)[0]
    assert load(proto.SerializeToString()).run(fed)["y0"].tobytes() == theirs.tobytes()


@fused
@pytest.mark.parametrize("shape", [(1, 30, 10), (4, 256, 16), (5, 300, 3), (16, 784, 128)])
@pytest.mark.parametrize("transposed", [0, 1])
def test_gemm_with_constant_weights_has_the_same_bits(
    shape: tuple[int, int, int], transposed: int
) -> None:
    rows, inner, columns = shape
    a, c = uniform("a", (rows, inner)), uniform("c", (columns,))
    b = uniform("b", (columns, inner) if transposed else (inner, columns))
    proto, fed = single("Gemm", [a, b, c], 13, constants=[1, 2], transB=transposed)
    theirs = session_of(proto).run(None, fed)[0]
    assert load(proto.SerializeToString()).run(fed)["y0"].tobytes() == theirs.tobytes()


@fused
@pytest.mark.parametrize("weights", [(8, 3, 1, 1), (4, 3, 3, 3), (2, 3, 2, 3), (5, 40, 3, 3)])
@pytest.mark.parametrize("biased", [False, True])
def test_convolutions_have_the_same_bits(weights: tuple[int, ...], biased: bool) -> None:
    x, w, b = (
        uniform("x", (2, weights[1], 10, 9)),
        uniform("w", weights),
        uniform("b", weights[:1]),
    )
    arrays = [x, w, b] if biased else [x, w]
    proto, fed = single("Conv", arrays, 13, constants=range(1, len(arrays)))
    theirs = session_of(proto, optimised=False).run(None, fed)[0]
    assert load(proto.SerializeToString()).run(fed)["y0"].tobytes() == theirs.tobytes()
