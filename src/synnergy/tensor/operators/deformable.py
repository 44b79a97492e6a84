"""DeformConv: a convolution that samples where its offsets say. SHAPE-136"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.operators.sampling import interpolate, near
from synnergy.tensor.operators.windows import Windows, input_windows
from synnergy.tensor.types import Array, Node, Refuse, Value, ValueType, Work


def _windows(node: Node, shapes: Sequence[tuple[int, ...] | None]) -> tuple[Windows, int, int]:
    """The windows, the groups of channels and those of offsets. Raises Refuse."""
    x, weights, offset, bias, mask = (*shapes, *[None] * (5 - len(shapes)))
    if x is None or weights is None or offset is None:
        raise Refuse("an input is missing")
    if len(x) != 4 or len(weights) != 4 or 0 in x or 0 in weights:
        raise Refuse(f"weights of shape {weights} don't fit {x}: only images are supported")
    groups = arguments.integer(node, "group", 1, 1, x[1])
    sets = arguments.integer(node, "offset_group", 1, 1, x[1])
    if weights[1] * groups != x[1] or weights[0] % groups or x[1] % sets:
        raise Refuse(f"weights of shape {weights} don't fit {x}, {groups} groups")
    declared = arguments.integers(node, "kernel_shape")
    if declared and declared != weights[2:]:
        raise Refuse(f"kernel_shape {declared} isn't that of the weights")
    windows = input_windows(node, x, weights[2:])
    each = sets * weights[2] * weights[3]
    places = tuple(windows.output)
    if offset != (x[0], 2 * each, *places) or mask not in (None, (x[0], each, *places)):
        raise Refuse(f"offsets of shape {offset} and a mask of shape {mask} don't fit")
    if bias not in (None, (weights[0],)):
        raise Refuse(f"a bias of shape {bias} doesn't fit {weights}")
    return windows, groups, sets


def _infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 3, 5)
    given = [value for value in inputs if value is not None]
    arguments.same_dtype(given)
    arguments.one_of(given[0], arguments.FLOATS, "X")
    shapes = [None if value is None else value.shape for value in inputs]
    windows, _, _ = _windows(node, shapes)
    x, weights = given[0].shape, given[1].shape
    arguments.tensor("float32", (*x[:2], *weights[2:], *windows.output))
    return [arguments.tensor(given[0].dtype, (x[0], weights[0], *windows.output))]


def _work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """The convolution, and for each sample its place, four products and sums, and the mask."""
    x, weights = arguments.required(inputs, 0).shape, arguments.required(inputs, 1).shape
    count = outputs[0].elements
    samples = count // max(weights[0], 1) * x[1] * weights[2] * weights[3]
    macs = count * weights[1] * weights[2] * weights[3]
    return Work(macs=macs, elements=10 * samples + 2 * count)


@numerics.quiet
def _run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    shapes = [None if array is None else array.shape for array in inputs]
    windows, groups, sets = _windows(node, shapes)
    x, weights, offset = (arguments.present(inputs, position) for position in range(3))
    bias, mask = arguments.given(inputs, 3), arguments.given(inputs, 4)
    wide = np.dtype(np.float32) if x.dtype == np.float16 else x.dtype
    batch, channels = x.shape[:2]
    kernel, output = weights.shape[2:], tuple(windows.output)
    moved = offset.astype(wide).reshape(batch * sets, *kernel, 2, *output)
    places: list[Array] = []
    for axis in range(2):
        taps: Array = np.arange(kernel[axis], dtype=np.int64) * windows.dilations[axis]
        steps: Array = np.arange(output[axis], dtype=np.int64) * windows.strides[axis]
        fixed = (taps[:, None] + steps - windows.before[axis]).astype(wide)
        spread = fixed[:, None, :, None] if axis == 0 else fixed[None, :, None, :]
        places.append(near(spread + moved[:, :, :, axis]))
    image = x.astype(wide).reshape(batch * sets, channels // sets, *x.shape[2:])
    samples = interpolate(image, places, "linear", "zeros", False)
    if mask is not None:
        samples = samples * mask.astype(wide).reshape(batch * sets, 1, *kernel, *output)
    positions = output[0] * output[1]
    patches = samples.reshape(batch, groups, -1, positions)
    rows = weights.astype(wide).reshape(groups, weights.shape[0] // groups, -1)
    result = numerics.matmul(rows, patches).reshape(batch, weights.shape[0], *output)
    if bias is not None:
        result = result + bias.astype(wide)[:, None, None]
    return [result.astype(x.dtype)]


register("DeformConv", _infer, _run, _work, since=19)
