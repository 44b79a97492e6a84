"""Whether arrays fit a graph's declared inputs. TENSOR-45"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from synnergy.tensor.types import (
    DTYPES,
    Array,
    BadInput,
    Graph,
    GraphInput,
    Problem,
    TensorType,
    Unsupported,
)


def unit_types(graph: Graph, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, TensorType]:
    """Types of the inputs that a run must give: every open dimension 1, or from `shapes`.

    Raises Unsupported where an input's rank isn't declared nor given.
    """
    problems: list[Problem] = []
    types: dict[str, TensorType] = {}
    for entry in graph.inputs:
        if entry.name in graph.initializers:
            continue
        if entry.name in shapes:
            types[entry.name] = TensorType(entry.dtype, shapes[entry.name])
        elif entry.shape is None:
            problems.append(Problem(f"input {entry.name!r}", "model", "its rank isn't declared"))
        else:
            sizes = tuple(size if isinstance(size, int) else 1 for size in entry.shape)
            types[entry.name] = TensorType(entry.dtype, sizes)
    if problems:
        raise Unsupported(problems)
    return types


def input_types(graph: Graph, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, TensorType]:
    """Types of inputs of these shapes. Raises BadInput where names or shapes don't fit."""
    declared = {entry.name: entry for entry in graph.inputs}
    for name in shapes:
        if name not in declared:
            known = ", ".join(repr(entry) for entry in declared)
            raise BadInput(f"the model has no input {name!r}; its inputs are {known}")
    symbols: dict[str, tuple[int, str]] = {}
    types: dict[str, TensorType] = {}
    for name, entry in declared.items():
        if name in shapes:
            _check_shape(entry, shapes[name], symbols)
            types[name] = TensorType(entry.dtype, tuple(shapes[name]))
        elif name not in graph.initializers:
            raise BadInput(f"the input {name!r} is missing")
    return types


def _check_shape(
    entry: GraphInput, shape: tuple[int, ...], symbols: dict[str, tuple[int, str]]
) -> None:
    """`symbols` holds the size of each symbol met so far and the input where it was met."""
    name = entry.name
    if any(size < 0 for size in shape):
        raise BadInput(f"the input {name!r} has a negative dimension: {list(shape)}")
    if entry.shape is None:
        return
    if len(shape) != len(entry.shape):
        raise BadInput(f"the input {name!r} has rank {len(shape)}, not {len(entry.shape)}")
    for axis, (size, wanted) in enumerate(zip(shape, entry.shape, strict=True)):
        if isinstance(wanted, int) and size != wanted:
            raise BadInput(f"the input {name!r} has {size} along axis {axis}, not {wanted}")
        if not isinstance(wanted, int) and axis == 0 and size == 0:
            raise BadInput(f"the input {name!r} holds no rows")
        if isinstance(wanted, str):
            known, where = symbols.setdefault(wanted, (size, name))
            if size != known:
                raise BadInput(
                    f"the input {name!r} has {wanted} = {size}, but {where!r} has {known}"
                )


def check_arrays(graph: Graph, arrays: Mapping[str, Array]) -> None:
    """Raise BadInput unless names, element types, shapes and strings fit."""
    input_types(graph, {name: array.shape for name, array in arrays.items()})
    for entry in graph.inputs:
        array = arrays.get(entry.name)
        if array is None:
            continue
        if array.dtype != DTYPES[entry.dtype]:
            raise BadInput(f"the input {entry.name!r} is {array.dtype}, not {entry.dtype}")
        if array.dtype.kind == "O" and not all(map(_is_text, array.reshape(-1).tolist())):
            raise BadInput(f"the input {entry.name!r} holds something that isn't a string")


def _is_text(item: object) -> bool:
    """Whether this is a string that UTF-8 can encode."""
    if not isinstance(item, str):
        return False
    try:
        item.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def check_values(arrays: Mapping[str, Array], allow_missing: bool) -> None:
    """Raise BadInput where a float is infinite, or NaN unless `allow_missing`."""
    for name, array in arrays.items():
        if array.dtype.kind != "f":
            continue
        if np.isinf(array).any():
            raise BadInput(f"the input {name!r} holds an infinite value")
        if not allow_missing and np.isnan(array).any():
            raise BadInput(f"the input {name!r} holds a missing value (NaN)")
