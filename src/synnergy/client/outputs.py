"""A model's outputs for people and files: nested lists, maps by label, .npz (CLIENT-14)."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from synnergy.client.failures import ClientError, WrongUse
from synnergy.client.home import write_file
from synnergy.rejected import Rejected
from synnergy.tensor.encoding import NamedTensor, decode_tensors
from synnergy.tensor.types import Array, MapsType

MAX_OUTPUT_BYTES = 1 << 30


def decode_outputs(content: bytes) -> list[NamedTensor]:
    """Outputs from their canonical bytes."""
    tensors = decode_tensors(content, MAX_OUTPUT_BYTES)
    if isinstance(tensors, Rejected):
        raise ClientError("bad_outputs", f"the outputs cannot be read: {tensors.message}")
    return tensors


def to_lists(outputs: Sequence[NamedTensor]) -> dict[str, Any]:
    """Nested lists by name, and a list of {label: number} for maps. Ready for JSON."""
    return {
        name: [
            dict(zip(map(str, kind.labels), row, strict=True))
            for row in _speakable(array.tolist())
        ]
        if isinstance(kind, MapsType)
        else _speakable(array.tolist())
        for name, kind, array in outputs
    }


def to_npz(outputs: Sequence[NamedTensor]) -> bytes:
    """An .npz with an array for each output, or one for each label of maps (`name/label`)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, kind, array in outputs:
            if isinstance(kind, MapsType):
                for position, label in enumerate(kind.labels):
                    _add(archive, f"{name}/{label}", array[:, position])
            else:
                _add(archive, name, array)
    return buffer.getvalue()


def write_outputs(path: Path, outputs: Sequence[NamedTensor]) -> None:
    """Write outputs as the file's suffix says: .npz or .json."""
    check_output_path(path)
    content = to_npz(outputs) if path.suffix.lower() == ".npz" else _to_json(outputs)
    write_file(path, content, mode=0o644)


def check_output_path(path: Path) -> None:
    """WrongUse unless outputs can be written under that name."""
    if path.suffix.lower() not in (".npz", ".json"):
        raise WrongUse("bad_output_file", f"{path}: outputs are written to .npz or .json")


def _to_json(outputs: Sequence[NamedTensor]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(to_lists(outputs)), indent=2) + b"\n"


def _add(archive: zipfile.ZipFile, name: str, array: Array) -> None:
    # Texts become fixed-width ones, because object arrays would have to be pickled.
    plain = array.astype(np.str_) if array.dtype.kind == "O" else np.ascontiguousarray(array)
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array(member, plain, allow_pickle=False)


def _speakable(value: Any) -> Any:
    """JSON has no NaN and no infinity; the strings that stand for them are the contract's."""
    if isinstance(value, list):
        return [_speakable(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
