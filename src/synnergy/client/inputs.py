"""Input files to the arrays that a model declares: CSV, npy, npz, JSON (CLIENT-13).

The container leaves no trace: a row from a CSV and the same row from an .npz give the same bytes
and so the same commitment. Every error names the file, and where it can, row and column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from synnergy.client.failures import ClientError, WrongUse
from synnergy.client.input_arrays import read_npy, read_npz
from synnergy.client.input_cells import BadCell
from synnergy.client.input_tables import read_csv, read_json
from synnergy.tensor.encoding import encode_tensors
from synnergy.tensor.types import Array, TensorType

#: An input travels in one envelope; no file that is read as one is larger than this.
MAX_FILE_BYTES = 256 << 20

_READERS = {".csv": read_csv, ".json": read_json, ".npy": read_npy, ".npz": read_npz}


class Spec(Protocol):
    """A declared input: a dimension is a number, or a symbol or None where it varies."""

    @property
    def name(self) -> str: ...

    @property
    def dtype(self) -> str: ...

    @property
    def shape(self) -> tuple[int | str | None, ...] | None: ...


def read_inputs(path: Path, specs: Sequence[Spec]) -> dict[str, Array]:
    """The arrays by name, of the element types that the model declares.

    Raises WrongUse for an unknown kind of file, ClientError where its contents don't fit.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise WrongUse(
            "bad_input_file", f"{path}: an input is a {', '.join(sorted(_READERS))} file"
        )
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise BadCell(f"it has {size} bytes, at most {MAX_FILE_BYTES} are read")
        return reader(path.read_bytes(), specs)
    except OSError as error:
        raise ClientError("bad_input_file", f"{path}: {error.strerror or error}") from None
    except BadCell as bad:
        raise ClientError("bad_input", f"{path}: {bad}", rule="CLIENT-13") from None


def canonical_bytes(arrays: Mapping[str, Array], specs: Sequence[Spec]) -> bytes:
    """What is committed to: the canonical bytes of these arrays under their declared types."""
    types = {spec.name: spec.dtype for spec in specs}
    try:
        return encode_tensors(
            [(name, TensorType(types[name], array.shape), array) for name, array in arrays.items()]
        )
    except UnicodeEncodeError as error:
        raise ClientError("bad_input", f"a text is not valid Unicode: {error}") from None
