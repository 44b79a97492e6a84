"""Matrix products: MatMul, Gemm. Their order of summation is TENSOR-10."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import Array, Node, Refuse, Value, ValueType, Work

#: Elements that the caches of ordinary processors hold.
_CACHED = 1 << 22

_TYPES = ("float16", "float32", "float64", "int32", "int64", "uint32", "uint64")


def product_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """numpy's rule for the shape of a matrix product. Raises Refuse."""
    if not a or not b:
        raise Refuse("a scalar has no matrix product")
    inner = b[max(len(b) - 2, 0)]
    if a[-1] != inner:
        raise Refuse(f"a product of {list(a)} and {list(b)}: inner dimensions differ")
    batch = arguments.broadcast([a[:-2], b[:-2]])
    rows = a[-2:-1] if len(a) > 1 else ()
    columns = b[-1:] if len(b) > 1 else ()
    return (*batch, *rows, *columns)


def _matmul_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 2, 2)
    a, b = arguments.required(inputs, 0), arguments.required(inputs, 1)
    dtype = arguments.same_dtype([a, b])
    arguments.one_of(a, _TYPES, "an input")
    return [arguments.tensor(dtype, product_shape(a.shape, b.shape))]


def _dearer(value: Value) -> int:
    """How many times a float32 multiply-add one of this element type takes."""
    return 3 if value.dtype == "float64" else 1


def _read(b: Value) -> int:
    """B streams in order: half an element's time each, and what no cache holds takes as much
    again twice over."""
    return b.tensor.elements // 2 + max(0, b.tensor.elements - _CACHED)


def _matmul_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """A multiply-add for each term, three times as dear in float64; B is read, results written."""
    a, b = arguments.required(inputs, 0), arguments.required(inputs, 1)
    macs = outputs[0].elements * a.shape[-1] * _dearer(a)
    return Work(macs=macs, elements=_read(b) + outputs[0].elements)


def _matmul_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    return [numerics.matmul(arguments.present(inputs, 0), arguments.present(inputs, 1))]


def _gemm_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 2 if node.opset >= 11 else 3, 3)
    a, b = arguments.required(inputs, 0), arguments.required(inputs, 1)
    dtype = arguments.same_dtype([a, b])
    arguments.one_of(a, _TYPES, "an input")
    if len(a.shape) != 2 or len(b.shape) != 2:
        raise Refuse("its operands must be matrices")
    for name in ("alpha", "beta"):
        factor = arguments.number(node, name, 1.0)
        if dtype not in arguments.FLOATS and factor not in (-1.0, 0.0, 1.0):
            raise Refuse(f"{name} = {factor} of integers isn't supported")
    left = a.shape[::-1] if arguments.flag(node, "transA") else a.shape
    right = b.shape[::-1] if arguments.flag(node, "transB") else b.shape
    shape = product_shape(left, right)
    bias = arguments.optional(inputs, 2)
    if bias is not None:
        arguments.same_dtype([a, bias])
        if arguments.broadcast([shape, bias.shape]) != shape:
            raise Refuse(f"C of shape {list(bias.shape)} doesn't fit the product {list(shape)}")
    return [arguments.tensor(dtype, shape)]


def _gemm_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """As a product; results are read once more where a start or a factor is given."""
    a, b = arguments.required(inputs, 0), arguments.required(inputs, 1)
    inner = a.shape[0] if arguments.flag(node, "transA") else a.shape[1]
    macs = outputs[0].elements * inner * _dearer(a)
    return Work(macs=macs, elements=_read(b) + 2 * outputs[0].elements)


def _factor(node: Node, name: str, dtype: np.dtype[Any]) -> Array:
    """alpha or beta; -1 of an unsigned integer wraps around."""
    factor = arguments.number(node, name, 1.0)
    return np.asarray(factor if dtype.kind == "f" else int(factor)).astype(dtype)


def _gemm_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    """alpha A B + beta C. TENSOR-16

    With alpha = 1 the sum starts from beta C, rounded; otherwise alpha times the product, rounded,
    and beta C, rounded, are added. beta = 0 leaves C out.
    """
    a, b = arguments.present(inputs, 0), arguments.present(inputs, 1)
    a = a.T if arguments.flag(node, "transA") else a
    b = b.T if arguments.flag(node, "transB") else b
    alpha, beta = (_factor(node, name, a.dtype) for name in ("alpha", "beta"))
    bias = arguments.given(inputs, 2)
    start = None if bias is None or beta == 0 else bias if beta == 1 else np.multiply(beta, bias)
    if alpha == 1:
        return [numerics.matmul(a, b, start)]
    product = alpha * numerics.matmul(a, b)
    return [np.asarray(product if start is None else product + start)]


register("MatMul", _matmul_infer, _matmul_run, _matmul_work)
register("Gemm", _gemm_infer, _gemm_run, _gemm_work, since=7)
