"""TENSOR-50: any bytes as named tensors: refused, or the one encoding of what they hold."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fuzz import mutate
from fuzz.target import Target
from synnergy.rejected import Rejected
from synnergy.tensor.encoding import (
    NamedTensor,
    decode_tensors,
    encode_tensors,
    value_shape,
)
from synnergy.tensor.types import DTYPES, MapsType, TensorType


def check(data: bytes) -> Iterator[str]:
    decoded = decode_tensors(data, TARGET.longest)
    if isinstance(decoded, Rejected):
        assert decoded.rule == "TENSOR-50" and decoded.message
        yield decoded.code
        return
    assert encode_tensors(decoded) == data
    assert encode_tensors(list(reversed(decoded))) == data
    for _, kind, array in decoded:
        assert (array.dtype, array.shape) == (DTYPES[kind.dtype], value_shape(kind))
        yield f"{type(kind).__name__} {kind.dtype} {array.ndim}"


def seeds() -> dict[str, bytes]:
    """A tensor of each type and some ranks, maps, and several together."""
    made: dict[str, NamedTensor] = {}
    for name, dtype in DTYPES.items():
        for rank in (0, 1, 3):
            array = np.ones((2,) * rank, dtype)
            if name == "string":
                array = np.full((2,) * rank, "å", object)
            made[f"{name}-{rank}"] = ("x", TensorType(name, array.shape), array)
    numbers = np.ones((3, 2), np.float32)
    made["maps-of-words"] = ("p", MapsType("float32", 3, ("a", "b")), numbers)
    made["maps-of-numbers"] = ("q", MapsType("float32", 3, (-1, 2**40)), numbers)
    one = {name: encode_tensors([tensor]) for name, tensor in made.items()}
    return one | {"two": encode_tensors([made["maps-of-words"], made["int64-1"]])}


TARGET = Target(check, seeds, longest=4_096, mutate=mutate.message)
