"""Functions of one element: exponentials, activations, trigonometry. TENSOR-13, TENSOR-22"""

from __future__ import annotations

from enum import IntEnum

from synnergy.tensor.kernels.program import Operand, bits
from synnergy.tensor.kernels.steps import Step
from synnergy.tensor.lowering.chains import chain
from synnergy.tensor.lowering.elementwise import converted
from synnergy.tensor.lowering.registry import Site, lowers
from synnergy.tensor.operators import arguments


class Function(IntEnum):
    """Functions as the kernel FUNCTION numbers them."""

    EXP = 0
    LOG = 1
    SIGMOID = 2
    TANH = 3
    ERF = 4
    GELU = 5
    GELU_TANH = 6
    SOFTPLUS = 7
    SIN = 8
    COS = 9
    TAN = 10
    ASIN = 11
    ACOS = 12
    ATAN = 13
    SINH = 14
    COSH = 15
    ASINH = 16
    ACOSH = 17
    ATANH = 18
    MISH = 19
    SWISH = 20
    ELU = 21
    SELU = 22
    CELU = 23


#: Attributes of the functions that have any: alpha and gamma with their defaults.
_PARAMETERS = {
    "Elu": (1.0, 0.0),
    "Selu": (1.6732631921768188, 1.0507010221481323),
    "Celu": (1.0, 0.0),
    "Swish": (1.0, 0.0),
}


def apply(site: Site, function: Function, x: Operand, alpha: float, gamma: float) -> Operand:
    """A function of every element; of float16 by way of float64, rounded once."""
    builder = site.builder
    if x.dtype == "float16":
        wide = apply(site, function, converted(builder, x, "float64"), alpha, gamma)
        return converted(builder, wide, "float16")
    result = builder.tensor(x.dtype, x.shape)
    builder.step(Step.FUNCTION, function, x.code, result, x, x.elements, bits(alpha), bits(gamma))
    return result


@lowers(
    *("Exp", "Log", "Sigmoid", "Tanh", "Erf", "Gelu", "Softplus", "Sin", "Cos", "Tan", "Asin"),
    *("Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh", "Mish", "Swish", "Elu", "Selu"),
    "Celu",
)
def function(site: Site) -> list[Operand] | None:
    x, node = site.inputs[0], site.node
    if x is None:
        return None
    chained = chain(site)
    if chained is not None:
        return [chained]
    name = node.operator.upper()
    if name == "GELU" and arguments.text(node, "approximate", "none", ("none", "tanh")) == "tanh":
        name = "GELU_TANH"
    alpha, gamma = _PARAMETERS.get(node.operator, (0.0, 0.0))
    alpha = arguments.number(node, "alpha", alpha)
    gamma = arguments.number(node, "gamma", gamma)
    return [apply(site, Function[name], x, alpha, gamma)]
