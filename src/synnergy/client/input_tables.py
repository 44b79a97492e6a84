"""Tables as text: CSV with a header, and JSON as columns, nested lists or records."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn, cast

from synnergy.client.input_cells import (
    BadCell,
    columns_of,
    finite,
    fit_rank,
    from_json,
    from_text,
    make_array,
    row_shape,
)
from synnergy.tensor.types import Array

if TYPE_CHECKING:
    from synnergy.client.inputs import Spec

#: Rank of the deepest nested lists that are read.
MAX_DEPTH = 32


def read_csv(content: bytes, specs: Sequence[Spec]) -> dict[str, Array]:
    """One input takes the columns in order; several take those of their names, one each."""
    header, rows = _parse_csv(content)
    if len(specs) == 1:
        return {specs[0].name: _whole_table(header, rows, specs[0])}
    return _columns_by_name(header, rows, specs)


def _parse_csv(content: bytes) -> tuple[list[str], list[list[str]]]:
    """Header and rows, every row as long as the header; blank lines are skipped."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadCell(f"it is not UTF-8 text: {error}") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[list[str]] = []
    header: list[str] | None = None
    try:
        for row in reader:
            if not row:
                continue
            if header is None:
                header = [name.strip() for name in row]
            elif len(row) != len(header):
                raise BadCell(
                    f"row {len(rows) + 1} (line {reader.line_num}) has {len(row)} fields,"
                    f" the header has {len(header)}"
                )
            else:
                rows.append(row)
    except csv.Error as error:
        raise BadCell(f"line {reader.line_num}: {error}") from None
    if header is None:
        raise BadCell("it is empty; the first line is a header")
    if not rows:
        raise BadCell("it has a header and no rows")
    return header, rows


def _whole_table(header: list[str], rows: list[list[str]], spec: Spec) -> Array:
    wanted = columns_of(spec)
    if wanted is not None and wanted != len(header):
        excess = f"; beyond them come {', '.join(header[wanted:])}" if wanted < len(header) else ""
        raise BadCell(
            f"the model takes {wanted} columns, the file has {len(header)}"
            f" ({', '.join(header)}){excess}"
        )
    values = [
        from_text(field, spec.dtype, f"row {index}, column {name!r}")
        for index, row in enumerate(rows, 1)
        for name, field in zip(header, row, strict=True)
    ]
    return make_array(values, row_shape(spec, len(rows), len(header)), spec.dtype)


def _columns_by_name(
    header: list[str], rows: list[list[str]], specs: Sequence[Spec]
) -> dict[str, Array]:
    _check_names(header, specs)
    arrays: dict[str, Array] = {}
    for spec in specs:
        position = header.index(spec.name)
        values = [
            from_text(row[position], spec.dtype, f"row {index}, column {spec.name!r}")
            for index, row in enumerate(rows, 1)
        ]
        arrays[spec.name] = make_array(values, row_shape(spec, len(rows), 1), spec.dtype)
    return arrays


def _check_names(header: Sequence[str], specs: Sequence[Spec]) -> None:
    """Exactly the inputs' names, each of which is a single column."""
    names = [spec.name for spec in specs]
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise BadCell(f"two columns are called {', '.join(map(repr, repeated))}")
    missing = [name for name in names if name not in header]
    if missing:
        raise BadCell(f"the column {', '.join(map(repr, missing))} is missing; the model wants it")
    extra = [name for name in header if name not in names]
    if extra:
        raise BadCell(
            f"the model has no input {', '.join(map(repr, extra))};"
            f" its inputs are {', '.join(map(repr, names))}"
        )
    wide = [spec.name for spec in specs if columns_of(spec) not in (1, None)]
    if wide:
        raise BadCell(
            f"the input {wide[0]!r} has more than one column; use .npz, or .json with nested lists"
        )


def read_json(content: bytes, specs: Sequence[Spec]) -> dict[str, Array]:
    """{input: nested lists}; or records, a list of {column: value}; or bare nested lists."""
    document = _parse_json(content)
    if isinstance(document, dict):
        return _named_lists(cast(dict[str, object], document), specs)
    if not isinstance(document, list) or not document:
        raise BadCell("it is neither {input: lists} nor a list of rows")
    rows = cast(list[object], document)
    if all(isinstance(row, dict) for row in rows):
        return _records(cast(list[dict[str, object]], rows), specs)
    if len(specs) != 1:
        raise BadCell("the model has several inputs; give {input: lists} or a list of records")
    return {specs[0].name: _nested(rows, specs[0])}


def _parse_json(content: bytes) -> object:
    try:
        text = content.decode("utf-8-sig")
        return json.loads(
            text, object_pairs_hook=_unique, parse_float=lambda digits: finite(digits, "a number")
        )
    except UnicodeDecodeError as error:
        raise BadCell(f"it is not UTF-8 text: {error}") from None
    except RecursionError:
        raise BadCell("it nests too deeply") from None
    except ValueError as error:
        raise BadCell(f"it is not JSON: {error}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        repeated = next(name for name, _ in pairs if [key for key, _ in pairs].count(name) > 1)
        raise BadCell(f"the key {repeated!r} stands twice in one object")
    return found


def _named_lists(document: dict[str, object], specs: Sequence[Spec]) -> dict[str, Array]:
    known = {spec.name: spec for spec in specs}
    for name in document:
        if name not in known:
            _unknown(name, specs)
    if not document:
        raise BadCell("it names no input")
    return {name: _nested(value, known[name]) for name, value in document.items()}


def _unknown(name: str, specs: Sequence[Spec]) -> NoReturn:
    names = ", ".join(repr(spec.name) for spec in specs)
    raise BadCell(f"the model has no input {name!r}; its inputs are {names}")


def _records(rows: list[dict[str, object]], specs: Sequence[Spec]) -> dict[str, Array]:
    """Records are a CSV in other clothes: the first one's keys are the header."""
    header = list(rows[0])
    for index, row in enumerate(rows, 1):
        if row.keys() != rows[0].keys():
            differing = sorted(row.keys() ^ rows[0].keys())
            raise BadCell(f"row {index}: {differing[0]!r} is in some records and not in others")
    if len(specs) == 1 and specs[0].name not in header:
        spec = specs[0]
        wanted = columns_of(spec)
        if wanted is not None and wanted != len(header):
            raise BadCell(f"the model takes {wanted} columns, the records have {len(header)}")
        values = [
            from_json(row[name], spec.dtype, f"row {index}, column {name!r}")
            for index, row in enumerate(rows, 1)
            for name in header
        ]
        return {spec.name: make_array(values, row_shape(spec, len(rows), len(header)), spec.dtype)}
    if all(isinstance(row[spec.name], list) for row in rows for spec in specs if spec.name in row):
        return _named_lists({name: [row[name] for row in rows] for name in header}, specs)
    _check_names(header, specs)
    return {
        spec.name: make_array(
            [
                from_json(row[spec.name], spec.dtype, f"row {index}, column {spec.name!r}")
                for index, row in enumerate(rows, 1)
            ],
            row_shape(spec, len(rows), 1),
            spec.dtype,
        )
        for spec in specs
    }


def _nested(value: object, spec: Spec) -> Array:
    values: list[object] = []
    shape = _flatten(value, spec, (), values)
    return fit_rank(make_array(values, shape, spec.dtype), spec)


def _flatten(
    value: object, spec: Spec, path: tuple[int, ...], values: list[object]
) -> tuple[int, ...]:
    """Append the scalars under `value` in order; its shape, all of whose parts agree."""
    where = _where(spec.name, path)
    if not isinstance(value, list):
        values.append(from_json(value, spec.dtype, where))
        return ()
    if len(path) == MAX_DEPTH:
        raise BadCell(f"{where}: lists nest deeper than {MAX_DEPTH}")
    items = cast(list[object], value)
    inner: tuple[int, ...] = ()
    for index, item in enumerate(items):
        shape = _flatten(item, spec, (*path, index), values)
        if index and shape != inner:
            raise BadCell(
                f"{_where(spec.name, (*path, index))}: it is not as long as those before"
            )
        inner = shape
    return (len(items), *inner)


def _where(name: str, path: tuple[int, ...]) -> str:
    """Rows and columns are counted from 1, as people do."""
    words = [f"input {name!r}"]
    words += [f"{what} {index + 1}" for what, index in zip(("row", "column"), path, strict=False)]
    words += [f"position {index + 1}" for index in path[2:]]
    return ", ".join(words)
