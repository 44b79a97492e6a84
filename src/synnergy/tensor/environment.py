"""The floating-point environment that every kernel needs, and the canary that refuses a wrong one.

Flush-to-zero, denormals-are-zero and the rounding mode belong to the process, so any library
loaded beside this one may change them; bits would then differ without an error.
"""

from __future__ import annotations

import struct

import numpy as np

#: Silences numpy's floating-point warnings; a decorator or a context manager. NaN, infinities,
#: overflow and subnormals are ordinary values here, each defined by the function that meets it.
quiet = np.errstate(all="ignore")


class WrongEnvironment(RuntimeError):
    """The processor rounds or flushes otherwise than IEEE 754 binary arithmetic by default."""


def check_environment() -> None:
    """Raise WrongEnvironment unless rounding is to nearest even and subnormals are kept. TENSOR-3

    The operands go through numpy arrays, so that no compiler folds the arithmetic away.
    """
    smallest = np.array([2.0**-149], dtype=np.float32)
    normal = np.array([2.0**-126], dtype=np.float32)
    half = np.array([0.5], dtype=np.float32)
    smallest64 = np.array([5e-324], dtype=np.float64)
    kept = (smallest + smallest).tobytes() == struct.pack("<f", 2.0**-148)  # input not zeroed
    kept = kept and (normal * half).tobytes() == struct.pack("<f", 2.0**-127)  # output not flushed
    kept = kept and (smallest64 + smallest64).tobytes() == struct.pack("<Q", 2)
    if not kept:
        raise WrongEnvironment("subnormal numbers are flushed to zero in this process")
    one = np.array([1.0, -1.0], dtype=np.float32)
    tie = np.array([2.0**-24, -(2.0**-24)], dtype=np.float32)
    above = np.array([1.0 + 2.0**-23, -1.0 - 2.0**-23], dtype=np.float32)
    even = (one + tie).tolist() == [1.0, -1.0]
    up = (above + tie).tolist() == [1.0 + 2.0**-22, -1.0 - 2.0**-22]
    wide = np.array([1.0 + 2.0**-24, 1.0 + 3 * 2.0**-24], dtype=np.float64).astype(np.float32)
    if not (even and up and wide.tolist() == [1.0, 1.0 + 2.0**-22]):
        raise WrongEnvironment("this process does not round to nearest, ties to even")
