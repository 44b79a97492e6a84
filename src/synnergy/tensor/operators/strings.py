"""StringSplit. Its output's shape depends on the texts, so it runs locally only. ML-43"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import Array, Node, Refuse, Value, ValueType

#: White space between words, as ASCII has it.
_SPACE = "\t\n\v\f\r "


def _split(text: str, delimiter: str, most: int) -> list[str]:
    """The parts of a text; without a delimiter, its words. `most` splits, all if negative."""
    if delimiter:
        return text.split(delimiter, most)
    parts: list[str] = []
    rest = text.lstrip(_SPACE)
    while rest and (most < 0 or len(parts) < most):
        word = re.split(f"[{_SPACE}]+", rest, maxsplit=1)
        parts.append(word[0])
        rest = word[1] if len(word) > 1 else ""
    return [*parts, rest] if rest else parts


def _results(node: Node, x: Array) -> list[Array]:
    if x.dtype.kind != "O":
        raise Refuse("only strings are split")
    delimiter = node.attribute("delimiter", "")
    if not isinstance(delimiter, str):
        raise Refuse("attribute delimiter isn't text")
    most = arguments.integer(node, "maxsplit", -1)
    parts = [_split(text, delimiter, min(most, 1 << 30)) for text in x.reshape(-1).tolist()]
    longest = max((len(part) for part in parts), default=0)
    arguments.tensor("string", (*x.shape, longest))
    padded = np.full((len(parts), longest), "", object)
    for row, part in enumerate(parts):
        padded[row, : len(part)] = part
    counts = np.array([len(part) for part in parts], np.int64)
    results = [padded.reshape(*x.shape, longest), counts.reshape(x.shape)]
    return results[: len(node.outputs)]


def _infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 1, 1, 2)
    results = _results(node, arguments.known(arguments.required(inputs, 0), "X"))
    names = ("string", "int64")
    return [arguments.tensor(name, it.shape) for name, it in zip(names, results, strict=False)]


def _run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    return _results(node, arguments.present(inputs, 0))


register("StringSplit", _infer, _run, static=False, since=20)
