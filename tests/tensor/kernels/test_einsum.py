"""Einsum by the kernels: SHAPE-70, SHAPE-71."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from tests.tensor.kernels.same import Array, assert_same, hostile_floats, model_of

EQUATIONS = [
    ("ij,jk->ik", [(5, 300), (300, 7)]),
    ("ij,kj->ki", [(5, 300), (7, 300)]),
    ("bhqd,bhkd->bhqk", [(2, 3, 5, 8), (2, 3, 7, 8)]),
    ("bhqk,bkhd->bqhd", [(2, 3, 5, 7), (2, 7, 3, 8)]),
    ("...ij,...jk", [(2, 1, 4, 5), (3, 5, 6)]),
    ("ij,jk,kl->li", [(4, 5), (5, 6), (6, 7)]),
    ("ijk,k->j", [(3, 4, 5), (5,)]),
    ("i,j->ij", [(4,), (5,)]),
    ("i,i", [(300,), (300,)]),
    ("ij,ij->ij", [(4, 5), (4, 5)]),
    ("ij,jk->ik", [(4, 1), (5, 6)]),
    ("iij->ji", [(4, 4, 5)]),
    ("ii", [(4, 4)]),
    ("ij->", [(4, 5)]),
    ("ab,bc,ad->dc", [(4, 5), (5, 6), (4, 3)]),
    ("i->i", [(6,)]),
]


@pytest.mark.parametrize(("equation", "shapes"), EQUATIONS)
@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "int32"])
def test_einsum(equation: str, shapes: list[tuple[int, ...]], dtype: str) -> None:
    arrays: dict[str, Array] = {}
    for number, shape in enumerate(shapes):
        if dtype == "int32":
            values = np.random.default_rng(number).integers(-(2**31), 2**31, shape, dtype)
        else:
            values = hostile_floats(shape, dtype, number)
        arrays[f"x{number}"] = values
    node = helper.make_node("Einsum", list(arrays), ["y"], equation=equation)
    inputs = {name: (dtype, array.shape) for name, array in arrays.items()}
    assert_same(model_of([node], inputs, ["y"]), arrays)
