"""How an operator's counted work compares with the units that the gas table prices.

WORK-1: a unit of each kind takes about as long everywhere: a multiply-add as in a large float32
product, an element as in an addition of long rows, a function as e ** x. An operator whose
kernels take longer or shorter for what it counts has a rate here, in percent, measured by
`python -m bench.gas`. Rates are part of the protocol version, like the formulas.
"""

from __future__ import annotations

from dataclasses import dataclass

from synnergy.tensor.types import Work


@dataclass(frozen=True, slots=True)
class Rate:
    """Percent of a unit that one counted multiply-add, element and function takes."""

    macs: int = 100
    elements: int = 100
    functions: int = 100

    def of(self, work: Work) -> Work:
        """Counted work in units, each kind rounded up."""
        return Work(
            -(-work.macs * self.macs // 100),
            -(-work.elements * self.elements // 100),
            -(-work.functions * self.functions // 100),
            work.steps,
        )


_UNIT = Rate()

_STANDARD: dict[str, Rate] = {
    **dict.fromkeys(("ReduceSum", "ReduceMean", "GlobalAveragePool", "Cast"), Rate(elements=150)),
    **dict.fromkeys(("ReduceMax", "ReduceMin", "ArgMax", "ArgMin", "Concat"), Rate(elements=200)),
    **dict.fromkeys(("Transpose", "Pad"), Rate(elements=300)),
    "Slice": Rate(elements=400),
    "Erf": Rate(functions=150),
    "Gelu": Rate(functions=200),
    "Log": Rate(functions=250),
    "Clip": Rate(elements=400),
    **dict.fromkeys(("Elu", "Selu", "Celu", "Atan"), Rate(functions=300)),
    **dict.fromkeys(("Sin", "Cos", "Tan", "Asin", "Acos", "Atanh"), Rate(functions=400)),
    **dict.fromkeys(("Sinh", "Cosh"), Rate(functions=500)),
    **dict.fromkeys(("Softplus", "Pow", "Asinh", "Acosh"), Rate(functions=600)),
    "Mish": Rate(functions=900),
    **dict.fromkeys(("MatMulInteger", "QLinearMatMul"), Rate(macs=25)),
    **dict.fromkeys(("ConvInteger", "QLinearConv"), Rate(macs=50)),
}
_TREES = ("TreeEnsemble", "TreeEnsembleClassifier", "TreeEnsembleRegressor")

#: Operators that differ from the units, by domain and name; all others count as they are.
RATES: dict[tuple[str, str], Rate] = {
    **{("", name): rate for name, rate in _STANDARD.items()},
    **{("ai.onnx.ml", name): Rate(elements=170) for name in _TREES},
}


def rate_of(domain: str, operator: str) -> Rate:
    """An operator's rate. WORK-1"""
    return RATES.get((domain, operator), _UNIT)
