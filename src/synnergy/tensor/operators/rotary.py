"""RotaryEmbedding: pairs of features turned by the angle of their token's position.

SHAPE-111: real = cos * a - sin * b, imaginary = sin * a + cos * b, each product and the sum
rounded separately; features beyond `rotary_embedding_dim` pass unchanged. float16 is computed in
float32.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import Array, Node, Refuse, Value, ValueType, Work


def sizes_of(node: Node, shapes: Sequence[tuple[int, ...]]) -> tuple[int, int]:
    """Heads, and how many features of each are turned. Raises Refuse."""
    x, cosines, sines, *positions = shapes
    if len(x) == 4:
        batch, heads, length, size = x
    elif len(x) == 3:
        batch, length, features = x
        heads = arguments.integer(node, "num_heads", low=1, high=max(features, 1))
        if features % heads:
            raise Refuse(f"{features} features don't divide into {heads} heads")
        size = features // heads
    else:
        raise Refuse(f"X is of rank {len(x)} where 3 or 4 belongs")
    turned = arguments.integer(node, "rotary_embedding_dim", 0, 0, size) or size
    if turned % 2:
        raise Refuse(f"{turned} features don't make pairs")
    expected = (batch, length, turned // 2)
    if positions:
        if positions[0] != (batch, length) or len(cosines) != 2:
            raise Refuse(f"positions of shape {positions[0]} don't fit")
        expected = (cosines[0], turned // 2)
    if cosines != expected or sines != expected:
        raise Refuse(f"caches of shapes {cosines} and {sines} where {expected} belongs")
    return heads, turned


def _infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 3, 4)
    values = [value for value in inputs if value is not None]
    arguments.same_dtype(values[:3])
    arguments.one_of(values[0], arguments.FLOATS, "X")
    if len(values) > 3:
        arguments.one_of(values[3], ("int64",), "position_ids")
    arguments.flag(node, "interleaved")
    sizes_of(node, [value.shape for value in values])
    return [values[0].tensor]


def _work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """Two products and a sum for each element."""
    return Work(elements=3 * outputs[0].elements)


@numerics.quiet
def _run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x, cosines, sines = (arguments.present(inputs, place) for place in range(3))
    positions = arguments.given(inputs, 3)
    heads, turned = sizes_of(node, [array.shape for array in inputs if array is not None])
    if positions is not None:
        places = arguments.checked_indices(positions, cosines.shape[0], "position")
        cosines, sines = cosines[places], sines[places]
    wide = np.float32 if x.dtype == np.float16 else x.dtype
    if x.ndim == 4:
        tokens = x.transpose(0, 2, 1, 3)
    else:
        tokens = x.reshape(*x.shape[:2], heads, x.shape[2] // heads)
    tokens = tokens.astype(wide)
    cosine, sine = cosines[:, :, None, :].astype(wide), sines[:, :, None, :].astype(wide)
    interleaved = arguments.flag(node, "interleaved")
    half = turned // 2
    first = slice(0, turned, 2) if interleaved else slice(0, half)
    second = slice(1, turned, 2) if interleaved else slice(half, turned)
    a, b = tokens[..., first], tokens[..., second]
    result = tokens.copy()
    result[..., first] = cosine * a - sine * b
    result[..., second] = sine * a + cosine * b
    shaped = result.transpose(0, 2, 1, 3) if x.ndim == 4 else result.reshape(x.shape)
    return [np.array(shaped.astype(x.dtype), order="C")]


register("RotaryEmbedding", _infer, _run, _work, since=23)
