"""Discrete Fourier transforms by mixed radices, each operation rounded. SHAPE-140

A transform of n elements is split by its prime factors, 2 first and then from the smallest: each
stage makes butterflies of elements n / factor apart and turns them. In a butterfly of an odd
number the pairs (j, r - j) are added and subtracted first; sums run over j in order.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from synnergy.tensor.trigonometry import cos, sin
from synnergy.tensor.types import Array

#: Longest transform, and the largest prime factor of its length.
LONGEST = 1 << 22
LARGEST_FACTOR = 1 << 10
#: Rounded to float64.
PI = 3.141592653589793


def factors(length: int) -> list[int]:
    """Prime factors in ascending order, repeated ones repeatedly."""
    return list(_factors(length))


def _factors(length: int) -> Iterator[int]:
    divisor = 2
    while divisor * divisor <= length:
        while length % divisor == 0:
            yield divisor
            length //= divisor
        divisor += 1
    if length > 1:
        yield length


def _circle(steps: Array, length: int, dtype: np.dtype[np.generic]) -> tuple[Array, Array]:
    """cos and sin of 2 pi step / length, computed in float64."""
    angles = (steps % length).astype(np.float64) * (2.0 * PI) / length
    return cos(angles).astype(dtype), sin(angles).astype(dtype)


def _butterfly(
    real: list[Array], imaginary: list[Array], sign: int
) -> tuple[list[Array], list[Array]]:
    """The transform of a prime number of elements."""
    count = len(real)
    if count == 2:
        (a, b), (c, d) = real, imaginary
        return [a + b, a - b], [c + d, c - d]
    half = range(1, count // 2 + 1)
    sums = [(real[j] + real[count - j], imaginary[j] + imaginary[count - j]) for j in half]
    differences = [(real[j] - real[count - j], imaginary[j] - imaginary[count - j]) for j in half]
    steps = np.outer(np.arange(count), np.arange(count))
    cosines, sines = _circle(steps, count, real[0].dtype)
    sines = sines * sines.dtype.type(sign)
    results: list[tuple[Array, Array]] = [(real[0], imaginary[0])] * count
    for k in range(count // 2 + 1):
        first, second = real[0], imaginary[0]
        for j, (a, b) in zip(half, sums, strict=True):
            first = first + (cosines[k, j] * a if k else a)
            second = second + (cosines[k, j] * b if k else b)
        if k == 0:
            results[0] = first, second
            continue
        turned = [np.zeros_like(first), np.zeros_like(second)]
        for j, (a, b) in zip(half, differences, strict=True):
            terms = sines[k, j] * b, sines[k, j] * a
            turned = list(terms) if j == 1 else [turned[0] + terms[0], turned[1] + terms[1]]
        results[k] = first - turned[0], second + turned[1]
        results[count - k] = first + turned[0], second - turned[1]
    return [result[0] for result in results], [result[1] for result in results]


def transform(real: Array, imaginary: Array, sign: int) -> tuple[Array, Array]:
    """Sums along the last axis of x e ** (sign 2 pi i j k / n), in the arrays' float type."""
    shape = real.shape
    length = shape[-1]
    done = 1
    lines: tuple[Array, Array] = (real.reshape(-1, length), imaginary.reshape(-1, length))
    for radix in factors(length):
        rest = length // (done * radix)
        views = [part.reshape(-1, done, radix, rest) for part in lines]
        outputs = _butterfly(
            [views[0][:, :, j] for j in range(radix)],
            [views[1][:, :, j] for j in range(radix)],
            sign,
        )
        a, b = (np.stack(parts, axis=1) for parts in outputs)
        if rest > 1:
            rows: Array = np.arange(1, radix, dtype=np.int64)[:, None]
            steps: Array = rows * np.arange(1, rest, dtype=np.int64) * done
            cosines, sines = _circle(steps, length, real.dtype)
            c, s = cosines[:, None], sines[:, None] * sines.dtype.type(sign)
            x, y = a[:, 1:, :, 1:].copy(), b[:, 1:, :, 1:].copy()
            a[:, 1:, :, 1:] = x * c - y * s
            b[:, 1:, :, 1:] = x * s + y * c
        lines = (a.reshape(-1, length), b.reshape(-1, length))
        done *= radix
    return lines[0].reshape(shape), lines[1].reshape(shape)
