"""Signals: DFT, STFT, window functions, MelWeightMatrix. SHAPE-140 to SHAPE-143"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synnergy.tensor import fourier, numerics
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.registry import Run, Scope, register
from synnergy.tensor.types import Array, BadInput, Node, Refuse, TensorType, Value, ValueType, Work


def _complex(value: Value) -> bool:
    """Whether the last axis holds real and imaginary parts. Raises Refuse."""
    arguments.one_of(value, arguments.FLOATS, "the signal")
    if len(value.shape) < 2 or value.shape[-1] not in (1, 2):
        raise Refuse(f"a signal of shape {value.shape} has no axis of 1 or 2 parts at its end")
    return value.shape[-1] == 2


def _parts(x: Array, length: int) -> tuple[Array, Array]:
    """Real and imaginary parts of [..., elements, 1 or 2]: a real signal's in float64.

    Elements after the first `length` are cut off; a shorter line is followed by zeros.
    """
    wide = x.astype(np.float64 if x.shape[-1] == 1 else np.promote_types(x.dtype, np.float32))
    line = np.zeros((*x.shape[:-2], length, 2), wide.dtype)
    size = min(x.shape[-2], length)
    line[..., :size, : x.shape[-1]] = wide[..., :size, :]
    return line[..., 0], line[..., 1]


def _checked(length: int) -> int:
    """A transform's length within the limits. Raises Refuse."""
    if not 1 <= length <= fourier.LONGEST:
        raise Refuse(f"a transform of length {length} isn't within 1..{fourier.LONGEST}")
    if max(fourier.factors(length), default=1) > fourier.LARGEST_FACTOR:
        reason = f"a transform of length {length} has a prime factor"
        raise Refuse(f"{reason} above {fourier.LARGEST_FACTOR}")
    return length


def _transform_work(lines: int, length: int, moved: int) -> Work:
    """Each stage makes `factor` products and sums of both parts, for every element."""
    stages = fourier.factors(length)
    return Work(
        elements=4 * lines * length * (sum(stages) + 2 * len(stages)) + moved,
        functions=2 * sum(length + factor * factor for factor in stages),
    )


def _axis(node: Node, rank: int, given: int | None) -> int:
    """The transformed axis, which isn't that of the parts."""
    if node.opset < 20:
        axis = arguments.integer(node, "axis", 1)
    else:
        axis = -2 if given is None else given
    axis = arguments.axis_of(axis, rank)
    if axis == rank - 1:
        raise Refuse("the axis of real and imaginary parts can't be transformed")
    return axis


def _length(node: Node, size: int, given: int | None) -> int:
    halved = arguments.flag(node, "inverse") and arguments.flag(node, "onesided")
    length = given if given is not None else 2 * (size - 1) if halved else size
    return _checked(length)


def _dft_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 1, 3 if node.opset >= 20 else 2)
    x = arguments.required(inputs, 0)
    parts = _complex(x)
    given = [
        None if value is None else arguments.known_integer(value, label)
        for label, value in (
            ("dft_length", arguments.optional(inputs, 1)),
            ("axis", arguments.optional(inputs, 2)),
        )
    ]
    axis = _axis(node, len(x.shape), given[1])
    length = _length(node, x.shape[axis], given[0])
    inverse, onesided = arguments.flag(node, "inverse"), arguments.flag(node, "onesided")
    if onesided and parts != inverse:
        raise Refuse("onesided transforms are of real signals, or back to them")
    shape = list(x.shape)
    shape[axis] = length // 2 + 1 if onesided and not inverse else length
    shape[-1] = 1 if onesided and inverse else 2
    return [arguments.tensor(x.dtype, shape)]


def _dft_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """Two products with a table for each part of the signal, and the tables."""
    x = arguments.required(inputs, 0)
    given, place = arguments.optional(inputs, 1), arguments.optional(inputs, 2)
    axis = _axis(node, len(x.shape), _integer(None if place is None else place.const))
    length = _length(node, x.shape[axis], _integer(None if given is None else given.const))
    lines = x.tensor.elements // max(x.shape[axis] * x.shape[-1], 1)
    return _transform_work(lines, length, outputs[0].elements)


def _integer(array: Array | None) -> int | None:
    return None if array is None else int(array.reshape(-1)[0])


@numerics.quiet
def _dft_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x = arguments.present(inputs, 0)
    axis = _axis(node, x.ndim, _integer(arguments.given(inputs, 2)))
    length = _length(node, x.shape[axis], _integer(arguments.given(inputs, 1)))
    inverse, onesided = arguments.flag(node, "inverse"), arguments.flag(node, "onesided")
    lines = np.moveaxis(x, axis, -2)
    if inverse and onesided:
        lines = _mirrored(lines, length)
    real, imaginary = fourier.transform(*_parts(lines, length), 1 if inverse else -1)
    if inverse:
        factor = real.dtype.type(1.0 / length)
        real, imaginary = real * factor, imaginary * factor
    parts = [real] if inverse and onesided else [real, imaginary]
    result = np.stack(parts, axis=-1)
    if onesided and not inverse:
        result = result[..., : length // 2 + 1, :]
    return [np.array(np.moveaxis(result, -2, axis).astype(x.dtype), order="C")]


def _mirrored(half: Array, length: int) -> Array:
    """The whole spectrum of a real signal from its first half. SHAPE-141"""
    real, imaginary = (part.copy() for part in _parts(half, length // 2 + 1))
    imaginary[..., 0] = 0.0
    if length % 2 == 0:
        imaginary[..., -1] = 0.0
    rest = slice(1, (length + 1) // 2)
    whole = (
        np.concatenate([real, real[..., rest][..., ::-1]], axis=-1),
        np.concatenate([imaginary, -imaginary[..., rest][..., ::-1]], axis=-1),
    )
    return np.stack(whole, axis=-1)


register("DFT", _dft_infer, _dft_run, _dft_work, since=17)


# STFT: frames times the window, each transformed. SHAPE-142


def _frames(size: int, step: int, window: int | None, length: int | None) -> tuple[int, int]:
    """The length of a frame and how many there are. Raises Refuse."""
    frame = length if length is not None else window if window is not None else size
    if window is not None and window != frame:
        raise Refuse(f"a window of {window} elements for frames of {frame}")
    if not 1 <= frame <= size or step < 1:
        raise Refuse(f"frames of {frame} elements, {step} apart, in a signal of {size}")
    return _checked(frame), (size - frame) // step + 1


def _stft_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 2, 4)
    x = arguments.required(inputs, 0)
    parts = _complex(x)
    if len(x.shape) != 3:
        raise Refuse(f"a signal of rank {len(x.shape)} where 3 belongs")
    step = arguments.known_integer(arguments.required(inputs, 1), "frame_step")
    window, given = arguments.optional(inputs, 2), arguments.optional(inputs, 3)
    if window is not None and (len(window.shape) != 1 or window.dtype != x.dtype):
        raise Refuse(f"a window of shape {window.shape} and type {window.dtype}")
    length = None if given is None else arguments.known_integer(given, "frame_length")
    frame, count = _frames(x.shape[1], step, None if window is None else window.shape[0], length)
    onesided = arguments.flag(node, "onesided", True)
    if onesided and parts:
        raise Refuse("onesided transforms are of real signals")
    bins = frame // 2 + 1 if onesided else frame
    arguments.tensor(x.dtype, (x.shape[0], count, frame))
    return [arguments.tensor(x.dtype, (x.shape[0], count, bins, 2))]


def _stft_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """As for DFT, of every frame, and the products with the window."""
    x, window = arguments.required(inputs, 0), arguments.optional(inputs, 2)
    given = arguments.optional(inputs, 3)
    length = _integer(None if given is None else given.const)
    if length is None:
        length = x.shape[1] if window is None else window.shape[0]
    kind = outputs[0]
    frames = kind.shape[0] * kind.shape[1] if isinstance(kind, TensorType) else 0
    return _transform_work(frames, length, kind.elements + 2 * frames * length)


@numerics.quiet
def _stft_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x, window = arguments.present(inputs, 0), arguments.given(inputs, 2)
    step = int(arguments.present(inputs, 1).reshape(-1)[0])
    frame, count = _frames(
        x.shape[1],
        step,
        None if window is None else window.shape[0],
        _integer(arguments.given(inputs, 3)),
    )
    places = np.arange(count)[:, None] * step + np.arange(frame)
    framed = x[:, places]
    if window is not None:
        framed = framed * window[:, None]
    bins = frame // 2 + 1 if arguments.flag(node, "onesided", True) else frame
    real, imaginary = fourier.transform(*_parts(framed, frame), -1)
    return [np.stack([real, imaginary], axis=-1)[:, :, :bins].astype(x.dtype)]


register("STFT", _stft_infer, _stft_run, _stft_work, since=17)


# Windows. SHAPE-143


def _window_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 1, 1)
    size = arguments.known_integer(arguments.required(inputs, 0), "size")
    arguments.flag(node, "periodic", True)
    return [arguments.tensor(_number_type(node), (size,))]


def _number_type(node: Node) -> str:
    name = arguments.onnx_dtype(arguments.integer(node, "output_datatype", 1))
    if name not in arguments.NUMBERS:
        raise Refuse(f"output_datatype {name} isn't a number")
    return name


def _window_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """Six passes over the window, two functions for each element."""
    return Work(elements=6 * outputs[0].elements, functions=2 * outputs[0].elements)


def _window(kind: str) -> Run:
    def run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
        size = int(arguments.present(inputs, 0).reshape(-1)[0])
        span = size if arguments.flag(node, "periodic", True) else size - 1
        place = np.arange(size, dtype=np.float64) / max(span, 1)
        if kind == "hann":
            sine = numerics.sin(place * fourier.PI)
            values = sine * sine
        elif kind == "hamming":
            values = 25 / 46 - (1 - 25 / 46) * numerics.cos(place * (2 * fourier.PI))
        else:
            once, twice = (
                numerics.cos(place * (2 * fourier.PI)),
                numerics.cos(place * (4 * fourier.PI)),
            )
            values = 0.42 - 0.5 * once + 0.08 * twice
        return [numerics.cast(values, _number_type(node))]

    return numerics.quiet(run)


for _name, _kind in (("Blackman", "blackman"), ("Hamming", "hamming"), ("Hann", "hann")):
    register(f"{_name}Window", _window_infer, _window(_kind), _window_work, since=17)


# MelWeightMatrix. SHAPE-143


def _mel_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 5, 5)
    bands = arguments.known_integer(arguments.required(inputs, 0), "num_mel_bins")
    length = arguments.known_integer(arguments.required(inputs, 1), "dft_length")
    for position in range(2, 5):
        allowed = arguments.INDICES if position == 2 else arguments.FLOATS
        value = arguments.required(inputs, position)
        arguments.one_of(value, allowed, f"input {position}")
        if value.tensor.elements != 1:
            raise Refuse(f"input {position} must hold one element")
    if length < 0 or bands < 0:
        raise Refuse(f"{bands} bands of a transform of length {length}")
    return [arguments.tensor(_number_type(node), (length // 2 + 1, bands))]


def _mel_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """Four passes over the matrix, a function for each band and four more."""
    kind = outputs[0]
    bands = kind.shape[1] if isinstance(kind, TensorType) else 0
    return Work(elements=4 * kind.elements, functions=bands + 4)


@numerics.quiet
def _mel_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    arrays = [arguments.present(inputs, position).reshape(-1)[0] for position in range(5)]
    bands, length, rate = (int(item) for item in arrays[:3])
    edges = np.array([float(item) for item in arrays[3:]], np.float64)
    if rate < 1 or not np.isfinite(edges).all() or not 0 <= edges[0] <= edges[1]:
        raise BadInput(f"sample rate {rate} and edges {edges.tolist()} make no bands")
    ten = numerics.log(np.array(10.0))
    mels = 2595.0 * numerics.log1p(edges / 700.0) / ten
    step = (mels[1] - mels[0]) / (bands + 2)
    marks = np.arange(bands + 2, dtype=np.float64) * step + mels[0]
    hertz = 700.0 * numerics.expm1(marks / 2595.0 * ten)
    centres = np.floor(hertz * (length + 1) / rate)
    if centres.size and centres[-1] > length // 2:
        raise BadInput("a band lies above half the sample rate")
    low, middle, high = (centres[offset : offset + bands] for offset in range(3))
    line = np.arange(length // 2 + 1, dtype=np.float64)[:, None]
    rising = np.where((line >= low) & (line <= middle), (line - low) / (middle - low), 0.0)
    rising = np.where(middle == low, (line == middle) * 1.0, rising)
    falling = (high - line) / (high - middle)
    values = np.where((line >= middle) & (line < high), falling, rising)
    return [numerics.cast(values, _number_type(node))]


register("MelWeightMatrix", _mel_infer, _mel_run, _mel_work, since=17)
