"""Kernel functions of support vector machines: rows × features to rows × vectors (ML-24)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.environment import quiet
from synnergy.tensor.operators import ml_attributes as read
from synnergy.tensor.types import Array, Node, Refuse, Work

KERNELS = ("LINEAR", "POLY", "RBF", "SIGMOID")


@dataclass(frozen=True, slots=True, eq=False)
class Kernel:
    """Support vectors (vectors × features) and the function that compares a row with them."""

    name: str
    gamma: np.float32
    offset: np.float32
    degree: np.float32
    vectors: Array

    @property
    def count(self) -> int:
        return self.vectors.shape[0]

    @property
    def features(self) -> int:
        return self.vectors.shape[1]

    def work(self, rows: int) -> Work:
        """Cost for so many rows."""
        cells = rows * self.count
        return Work(
            macs=cells * self.features,
            elements=4 * cells,
            functions=0 if self.name == "LINEAR" else cells,
        )

    @quiet
    def compare(self, x: Array) -> Array:
        """Kernel value of every row of x (float32) with every vector."""
        match self.name:
            case "RBF":
                return numerics.exp(-self.gamma * self._squared_distances(x))
            case "LINEAR":
                return numerics.matmul(x, self.vectors.T)
            case "POLY":
                return self._power(self._affine(x))
            case _:
                return numerics.tanh(self._affine(x))

    def _affine(self, x: Array) -> Array:
        scaled = self.gamma * numerics.matmul(x, self.vectors.T)
        return scaled if self.offset == 0 else scaled + self.offset

    def _power(self, base: Array) -> Array:
        if self.degree == 2:
            return base * base
        if self.degree == 3:
            return base * base * base
        return numerics.power(base, np.array(self.degree))

    def _squared_distances(self, x: Array) -> Array:
        """Sum of squared differences, feature after feature, separate multiply and add."""
        total = np.zeros((len(x), self.count), np.float32)
        for feature in range(self.features):
            difference = x[:, feature, None] - self.vectors[None, :, feature]
            total += difference * difference
        return total


def kernel(node: Node, vectors: int, flat: Array) -> Kernel:
    """Kernel of a node from its attributes and `vectors` flat vectors. Raises Refuse."""
    name = read.choice(node, "kernel_type", "LINEAR", KERNELS)
    parameters = read.floats(node, "kernel_params")
    if len(parameters) not in (0, 3):
        raise Refuse(f"kernel_params has {len(parameters)} values, not gamma, coef0 and degree")
    if len(parameters) == 0:
        parameters = np.zeros(3, np.float32)
    if vectors <= 0 or len(flat) == 0 or len(flat) % vectors:
        raise Refuse(f"{len(flat)} numbers for {vectors} vectors")
    gamma, offset, degree = parameters
    return Kernel(name, gamma, offset, degree, flat.reshape(vectors, -1))


def linear(function: Kernel) -> Kernel:
    """The same vectors under the dot product: liblinear's form knows no other kernel."""
    zero = np.float32(0)
    return Kernel("LINEAR", zero, zero, zero, function.vectors)
