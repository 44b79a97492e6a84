"""Arrays in numpy's own files, read without ever unpickling, sizes checked before memory is."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from synnergy.client.input_cells import BadCell, convert, fit_rank
from synnergy.tensor.types import Array

if TYPE_CHECKING:
    from synnergy.client.inputs import Spec

MAX_ARRAYS = 1_024
#: What all arrays of one file may have unpacked, in bytes.
MAX_UNPACKED = 256 << 20


def read_npy(content: bytes, specs: Sequence[Spec]) -> dict[str, Array]:
    """A single array, for a model with a single input."""
    if len(specs) != 1:
        names = ", ".join(repr(spec.name) for spec in specs)
        raise BadCell(f"an .npy file holds one array, the model has the inputs {names}; use .npz")
    return {specs[0].name: _fitted(parse_npy(content, "the array"), specs[0], "the array")}


def read_npz(content: bytes, specs: Sequence[Spec]) -> dict[str, Array]:
    """Arrays by the inputs' names; an only array needs no name where there is an only input."""
    arrays = _parse_npz(content)
    known = {spec.name: spec for spec in specs}
    if len(specs) == 1 and list(arrays) == ["arr_0"] and "arr_0" not in known:
        arrays = {specs[0].name: arrays["arr_0"]}
    for name in arrays:
        if name not in known:
            names = ", ".join(map(repr, known))
            raise BadCell(f"the model has no input {name!r}; its inputs are {names}")
    return {
        name: _fitted(array, known[name], f"the array {name!r}") for name, array in arrays.items()
    }


def parse_npy(content: bytes, where: str) -> Array:
    """The array of an .npy file. BadCell where it is pickled or damaged."""
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0
        if version != (1, 0):
            header = np.lib.format.read_array_header_2_0
        shape, fortran, dtype = header(file)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError, EOFError) as error:
        raise BadCell(f"{where} is not a readable .npy: {error}") from None
    if dtype.hasobject:
        raise BadCell(f"{where} is pickled Python objects, which are never read")
    if dtype.fields is not None or dtype.subdtype is not None:
        raise BadCell(f"{where} is structured; give plain arrays")
    count = 1
    for size in shape:
        if size < 0:
            raise BadCell(f"{where} has a negative dimension")
        count *= size
    data = content[file.tell() :]
    if dtype.itemsize == 0 or count * dtype.itemsize != len(data):
        raise BadCell(f"{where} says it has {count} elements and does not hold as many")
    array = np.frombuffer(data, dtype=dtype)
    return array.reshape(shape, order="F" if fortran else "C")


def _parse_npz(content: bytes) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_ARRAYS or sum(e.file_size for e in entries) > MAX_UNPACKED:
                raise BadCell(f"it unpacks to more than {MAX_UNPACKED} bytes or too many arrays")
            for entry in entries:
                name = entry.filename.removesuffix(".npy")
                if name == entry.filename or name in arrays:
                    raise BadCell(f"it holds {entry.filename!r}, which is no array of its own")
                with archive.open(entry) as member:
                    data = member.read(entry.file_size)
                arrays[name] = parse_npy(data, f"the array {name!r}")
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise BadCell(f"it is not a readable .npz: {error}") from None
    if not arrays:
        raise BadCell("it holds no array")
    return arrays


def _fitted(array: Array, spec: Spec, where: str) -> Array:
    native = array.astype(array.dtype.newbyteorder("="), order="C")
    return fit_rank(convert(native, spec.dtype, where), spec)
