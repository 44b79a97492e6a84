"""Inputs in every form that a command takes."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Inputs = Mapping[str, np.ndarray]


def write_input(path: Path, inputs: Inputs, form: str) -> Path:
    """Write the inputs as `form`: csv, npy, npz, lists or records."""
    suffix = {"lists": "json", "records": "json"}.get(form, form)
    target = path.with_suffix(f".{suffix}")
    _WRITERS[form](target, inputs)
    return target


def _write_csv(path: Path, inputs: Inputs) -> None:
    header, rows = _columns(inputs)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows([["" if cell is None else cell for cell in row] for row in rows])


def _write_npy(path: Path, inputs: Inputs) -> None:
    (array,) = inputs.values()
    np.save(path, _plain(array), allow_pickle=False)


def _write_npz(path: Path, inputs: Inputs) -> None:
    np.savez(path, **{name: _plain(array) for name, array in inputs.items()})


def _write_lists(path: Path, inputs: Inputs) -> None:
    document = {name: _speakable(array.tolist()) for name, array in inputs.items()}
    path.write_text(json.dumps(document), "utf-8")


def _write_records(path: Path, inputs: Inputs) -> None:
    header, rows = _columns(inputs)
    path.write_text(json.dumps([dict(zip(header, row, strict=True)) for row in rows]), "utf-8")


_WRITERS: dict[str, Callable[[Path, Inputs], None]] = {
    "csv": _write_csv,
    "npy": _write_npy,
    "npz": _write_npz,
    "lists": _write_lists,
    "records": _write_records,
}


def _columns(inputs: Inputs) -> tuple[list[str], list[list[Any]]]:
    """A header and rows: the columns of a single matrix, or an input each."""
    if len(inputs) == 1:
        (array,) = inputs.values()
        table = array.reshape(len(array), -1)
        return [f"c{index}" for index in range(table.shape[1])], _speakable(table.tolist())
    columns = [_speakable(array.reshape(-1).tolist()) for array in inputs.values()]
    return list(inputs), [list(row) for row in zip(*columns, strict=True)]


def _speakable(value: Any) -> Any:
    """What is missing is null; an .npz says NaN."""
    if isinstance(value, list):
        return [_speakable(part) for part in value]
    return None if isinstance(value, float) and np.isnan(value) else value


def _plain(array: np.ndarray) -> np.ndarray:
    """Texts of a fixed width, because objects would have to be pickled."""
    return array.astype(np.str_) if array.dtype == object else array
