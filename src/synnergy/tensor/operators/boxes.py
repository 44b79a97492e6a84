"""Boxes of detectors: NonMaxSuppression, RoiAlign. SHAPE-134, SHAPE-135"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import Array, BadInput, Node, Refuse, Value, ValueType, Work

# NonMaxSuppression. SHAPE-134


def _corners(boxes: Array, centred: bool) -> tuple[Array, Array, Array, Array]:
    """The lower and upper x, and the lower and upper y, of boxes [count, 4]."""
    if centred:
        x, y, width, height = boxes.T
        half = boxes.dtype.type(0.5)
        return x - width * half, x + width * half, y - height * half, y + height * half
    y1, x1, y2, x2 = boxes.T
    return np.minimum(x1, x2), np.maximum(x1, x2), np.minimum(y1, y2), np.maximum(y1, y2)


def _overlaps(corners: Sequence[Array], chosen: int, others: Array, threshold: Any) -> Array:
    """Whether the intersection of a box with others is above `threshold` of their union."""
    left, right, low, high = corners
    width = np.minimum(right[chosen], right[others]) - np.maximum(left[chosen], left[others])
    height = np.minimum(high[chosen], high[others]) - np.maximum(low[chosen], low[others])
    common = width * height
    areas = (right - left) * (high - low)
    union = areas[chosen] + areas[others] - common
    real = (width > 0) & (height > 0) & (common > 0)
    real &= (areas[chosen] > 0) & (areas[others] > 0) & (union > 0)
    return real & (common / union > threshold)


def _only(array: Array | None, dtype: str, label: str) -> Any:
    """The one element of an input that may be left out. Raises Refuse."""
    if array is None:
        return None
    if array.size != 1 or array.dtype != dtype:
        raise Refuse(f"{label} is {array.dtype}{list(array.shape)}, not one {dtype}")
    return array.reshape(-1)[0]


def _suppressed(node: Node, inputs: Sequence[Array | None]) -> Array:
    boxes, scores = arguments.present(inputs, 0), arguments.present(inputs, 1)
    if boxes.ndim != 3 or boxes.shape[2] != 4 or scores.ndim != 3:
        raise Refuse(f"boxes of shape {boxes.shape} and scores of shape {scores.shape}")
    if scores.shape[0] != boxes.shape[0] or scores.shape[2] != boxes.shape[1]:
        raise Refuse(f"boxes of shape {boxes.shape} and scores of shape {scores.shape}")
    if boxes.dtype != np.float32 or scores.dtype != np.float32:
        raise Refuse("boxes and scores must be float32")
    most = _only(arguments.given(inputs, 2), "int64", "max_output_boxes_per_class")
    overlap = _only(arguments.given(inputs, 3), "float32", "iou_threshold")
    least = _only(arguments.given(inputs, 4), "float32", "score_threshold")
    limit = 0 if most is None else max(int(most), 0)
    threshold = np.float32(0) if overlap is None else overlap
    centred = arguments.integer(node, "center_point_box", 0, 0, 1) == 1
    rows: list[tuple[int, int, int]] = []
    for batch in range(boxes.shape[0]):
        corners = _corners(boxes[batch], centred)
        for label in range(scores.shape[1]):
            line = scores[batch, label]
            enough = ~np.isnan(line) if least is None else line > least
            places = np.flatnonzero(enough)
            left = places[np.argsort(-line[places], kind="stable")]
            count = 0
            while left.size and count < limit:
                best, left = int(left[0]), left[1:]
                rows.append((batch, label, best))
                count += 1
                left = left[~_overlaps(corners, best, left, threshold)]
    return np.array(rows, np.int64).reshape(-1, 3)


@numerics.quiet
def _suppress_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 2, 5)
    arrays = [
        None if value is None else arguments.known(value, str(position))
        for position, value in enumerate(inputs)
    ]
    return [arguments.tensor("int64", _suppressed(node, arrays).shape)]


@numerics.quiet
def _suppress_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    return [_suppressed(node, inputs)]


register("NonMaxSuppression", _suppress_infer, _suppress_run, static=False, since=10)


# RoiAlign. SHAPE-135


def _align_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 3, 3)
    x, boxes, batches = (arguments.required(inputs, position) for position in range(3))
    arguments.one_of(x, arguments.FLOATS, "X")
    arguments.same_dtype([x, boxes])
    arguments.one_of(batches, ("int64",), "batch_indices")
    if len(x.shape) != 4 or len(boxes.shape) != 2 or boxes.shape[1] != 4:
        raise Refuse(f"boxes of shape {boxes.shape} in an image of shape {x.shape}")
    if batches.shape != boxes.shape[:1] or 0 in x.shape:
        raise Refuse(f"batch_indices of shape {batches.shape} for boxes of {boxes.shape}")
    _align_settings(node)
    if arguments.integer(node, "sampling_ratio", 0, 0, 1 << 10) == 0:
        arguments.known(boxes, "rois")  # How many places a bin samples follows from its box.
    height = arguments.integer(node, "output_height", 1, 1, 1 << 14)
    width = arguments.integer(node, "output_width", 1, 1, 1 << 14)
    return [arguments.tensor(x.dtype, (boxes.shape[0], x.shape[1], height, width))]


def _align_settings(node: Node) -> tuple[bool, bool]:
    """Whether the mean is taken, not the largest; whether pixels are at their halves."""
    mean = arguments.text(node, "mode", "avg", ("avg", "max")) == "avg"
    if node.opset < 16:
        return mean, False
    modes = ("half_pixel", "output_half_pixel")
    mode = arguments.text(node, "coordinate_transformation_mode", "half_pixel", modes)
    return mean, mode == "half_pixel"


def _align_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """Eight operations for each place that is sampled."""
    ratio = arguments.integer(node, "sampling_ratio", 0)
    places = ratio * ratio * outputs[0].elements
    boxes = arguments.required(inputs, 1)
    if ratio == 0 and boxes.const is not None:
        each = outputs[0].elements // max(boxes.shape[0], 1)
        parts = (_bins(node, box) for box in boxes.const)
        places = sum(part[2] * part[3] for part in parts) * each
    return Work(elements=8 * places + outputs[0].elements)


def _bins(node: Node, box: Array) -> tuple[Array, Array, int, int]:
    """A box's start and the size of its bins, as (y, x), and how many places a bin samples."""
    wide = np.float32 if box.dtype == np.float16 else box.dtype
    _, halved = _align_settings(node)
    scale = np.array(arguments.number(node, "spatial_scale", 1.0)).astype(wide)
    offset = np.array(0.5 if halved else 0.0, wide)
    x1, y1, x2, y2 = box.astype(wide) * scale - offset
    start = np.array([y1, x1], wide)
    extent = np.array([y2, x2], wide) - start
    if not halved:
        extent = np.maximum(extent, np.array(1, wide))
    height = arguments.integer(node, "output_height", 1)
    width = arguments.integer(node, "output_width", 1)
    size = extent / np.array([height, width], wide)
    ratio = arguments.integer(node, "sampling_ratio", 0)
    if ratio:
        return start, size, ratio, ratio
    counts = np.ceil(size)
    if not np.isfinite(counts).all() or counts.max(initial=0) > 1 << 10:
        raise BadInput("a box is too large to be sampled")
    rows, columns = (max(int(count), 0) for count in counts)
    return start, size, rows, columns


def _taps(start: Array, size: Array, bins: int, count: int, length: int) -> tuple[Array, ...]:
    """For each bin and place along an axis: both neighbours, both weights, whether inside."""
    kind = start.dtype.type
    place: Array = np.arange(count, dtype=np.int64).astype(start.dtype) + kind(0.5)
    steps: Array = np.arange(bins, dtype=np.int64)[:, None].astype(start.dtype)
    line: Array = start + steps * size
    line = line + place * size / kind(max(count, 1))
    inside = (line >= -1) & (line <= length)
    line = np.where(inside, np.maximum(line, kind(0)), kind(0))
    low = np.minimum(line.astype(np.int64), length - 1)
    high = np.minimum(low + 1, length - 1)
    upper = np.where(low >= length - 1, kind(0), line - low.astype(start.dtype))
    return low, high, kind(1) - upper, upper, inside


@numerics.quiet
def _align_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x, boxes, batches = (arguments.present(inputs, position) for position in range(3))
    mean, _ = _align_settings(node)
    height = arguments.integer(node, "output_height", 1)
    width = arguments.integer(node, "output_width", 1)
    places = arguments.checked_indices(batches, x.shape[0], "batch")
    image = x.astype(np.float32) if x.dtype == np.float16 else x
    result = np.zeros((boxes.shape[0], x.shape[1], height, width), image.dtype)
    for index, box in enumerate(boxes):
        start, size, rows, columns = _bins(node, box)
        y_low, y_high, y_near, y_far, y_in = _taps(start[0], size[0], height, rows, x.shape[2])
        x_low, x_high, x_near, x_far, x_in = _taps(start[1], size[1], width, columns, x.shape[3])
        total = np.zeros((x.shape[1], height, width), image.dtype)
        for row in range(rows):
            for column in range(columns):
                inside = y_in[:, row, None] & x_in[None, :, column]
                terms = [
                    image[places[index]][:, ys[:, row, None], xs[None, :, column]]
                    * np.where(inside, wy[:, row, None] * wx[None, :, column], 0)
                    for ys, wy in ((y_low, y_near), (y_high, y_far))
                    for xs, wx in ((x_low, x_near), (x_high, x_far))
                ]
                if mean:
                    total = total + (((terms[0] + terms[1]) + terms[2]) + terms[3])
                    continue
                largest = terms[0]
                for term in terms[1:]:
                    largest = numerics.maximum(largest, term)
                total = largest if row + column == 0 else numerics.maximum(total, largest)
        count = max(rows * columns, 1)
        result[index] = total / image.dtype.type(count) if mean else total
    return [result.astype(x.dtype)]


register("RoiAlign", _align_infer, _align_run, _align_work, since=10)
