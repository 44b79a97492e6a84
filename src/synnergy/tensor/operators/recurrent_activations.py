"""The activation functions of recurrent cells, with the scaling values they take.

SHAPE-91: names are compared without regard to case. `activation_alpha` and `activation_beta` are
consumed, in the order of the functions, by those that have such a value; defaults otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.operators import arguments
from synnergy.tensor.types import Array, Node, Refuse

Activation = Callable[[Array], Array]
_Scaled = Callable[[Array, np.generic, np.generic], Array]


def _zero(x: Array) -> np.generic:
    return x.dtype.type(0)


def _hard_sigmoid(x: Array, alpha: np.generic, beta: np.generic) -> Array:
    line = numerics.maximum(alpha * x + beta, np.asarray(_zero(x)))
    return numerics.minimum(line, np.asarray(x.dtype.type(1)))


#: function, default alpha, default beta; None where the function has no such value.
_FUNCTIONS: dict[str, tuple[_Scaled, float | None, float | None]] = {
    "relu": (lambda x, a, b: numerics.maximum(x, np.asarray(_zero(x))), None, None),
    "tanh": (lambda x, a, b: numerics.tanh(x), None, None),
    "sigmoid": (lambda x, a, b: numerics.sigmoid(x), None, None),
    "softsign": (lambda x, a, b: x / (np.abs(x) + x.dtype.type(1)), None, None),
    "softplus": (lambda x, a, b: numerics.softplus(x), None, None),
    "leakyrelu": (lambda x, a, b: np.where(x < 0, a * x, x), 0.01, None),
    "thresholdedrelu": (lambda x, a, b: np.where(x < a, _zero(x), x), 1.0, None),
    "elu": (lambda x, a, b: np.where(x < 0, a * numerics.expm1(x), x), 1.0, None),
    "affine": (lambda x, a, b: a * x + b, 1.0, 0.0),
    "scaledtanh": (lambda x, a, b: a * numerics.tanh(b * x), 1.0, 1.0),
    "hardsigmoid": (_hard_sigmoid, 0.2, 0.5),
}


def named_activations(
    node: Node, defaults: Sequence[str], directions: int
) -> list[list[tuple[str, float, float]]]:
    """(lower-case name, alpha, beta) of each direction's functions, as many as `defaults`.

    Raises Refuse.
    """
    wanted = len(defaults) * directions
    names = arguments.texts(node, "activations") or tuple(defaults) * directions
    if len(names) != wanted:
        raise Refuse(f"{len(names)} activations where {wanted} belong")
    alphas = iter(arguments.numbers(node, "activation_alpha") or ())
    betas = iter(arguments.numbers(node, "activation_beta") or ())
    chosen = [_scaled(name, alphas, betas) for name in names]
    return [chosen[start : start + len(defaults)] for start in range(0, wanted, len(defaults))]


def _scaled(
    name: str, alphas: Iterator[float], betas: Iterator[float]
) -> tuple[str, float, float]:
    found = _FUNCTIONS.get(name.lower())
    if found is None:
        raise Refuse(f"activation {name[:40]!r} isn't supported")
    _, alpha, beta = found
    chosen_alpha = 0.0 if alpha is None else next(alphas, alpha)
    chosen_beta = 0.0 if beta is None else next(betas, beta)
    return name.lower(), chosen_alpha, chosen_beta


def activations(node: Node, defaults: Sequence[str], directions: int) -> list[list[Activation]]:
    """The functions of each direction, as many as `defaults`. Raises Refuse."""
    named = named_activations(node, defaults, directions)
    return [[_bound(*function) for function in functions] for functions in named]


def _bound(name: str, alpha: float, beta: float) -> Activation:
    function = _FUNCTIONS[name][0]

    def apply(x: Array) -> Array:
        return function(x, x.dtype.type(alpha), x.dtype.type(beta))

    return apply
