"""Tokenizer (com.microsoft), StringNormalizer, StringConcat. Semantics: ML-37 to ML-41."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from synnergy.tensor.liveness import STRING_BYTES
from synnergy.tensor.operators import ml_attributes as read
from synnergy.tensor.operators.ml_case import CASES, change_case
from synnergy.tensor.operators.ml_patterns import compile_pattern
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import (
    Array,
    BadInput,
    DependsOnValues,
    Node,
    Refuse,
    TensorType,
    Value,
    ValueType,
    Work,
)

#: Tokens of a text, at most; every text is padded to so many, so that shapes are known.
MOST_TOKENS = 4096
#: Characters of a joined string, at most.
MOST_CHARACTERS = 1 << 16

# StringNormalizer. ML-37, ML-38


@dataclass(frozen=True, slots=True, eq=False)
class _Normalizer:
    action: str
    sensitive: bool
    stopwords: frozenset[str]

    def compared(self, text: str) -> str:
        """The form in which a text is looked up among the stop words."""
        if self.sensitive:
            return text
        return change_case(text, "UPPER" if self.action == "UPPER" else "LOWER")


@lru_cache(maxsize=64)
def _normalizer(node: Node) -> _Normalizer:
    action = read.choice(node, "case_change_action", "NONE", CASES)
    sensitive = read.integer(node, "is_case_sensitive", 0) != 0
    read.text(node, "locale", "")
    plain = _Normalizer(action, sensitive, frozenset())
    words = frozenset(plain.compared(word) for word in read.strings(node, "stopwords"))
    return _Normalizer(action, sensitive, words)


def _infer_normalizer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    (x,) = read.required(inputs, 1)
    given = read.typed(x, ("string",))
    if len(given.shape) not in (1, 2) or (len(given.shape) == 2 and given.shape[0] != 1):
        raise Refuse(f"input has shape {given.shape}, not [C] or [1, C]")
    if not _normalizer(node).stopwords or given.shape[-1] == 1:
        return [given]
    if x.const is None:
        raise DependsOnValues("stopwords make the shape of the output depend on the texts")
    return [TensorType("string", _normalized(node, x.const).shape)]


def _normalized(node: Node, x: Array) -> Array:
    model = _normalizer(node)
    kept = [
        change_case(text, model.action)
        for text in x.reshape(-1).tolist()
        if model.compared(text) not in model.stopwords
    ]
    if x.size and not kept:
        kept = [""]
    return read.string_array(kept).reshape(*x.shape[:-1], len(kept))


def _run_normalizer(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    return [_normalized(node, read.given(inputs))]


register("StringNormalizer", _infer_normalizer, _run_normalizer, since=10)


# Tokenizer. ML-39, ML-40


@dataclass(frozen=True, slots=True, eq=False)
class _Tokenizer:
    """`token` finds tokens; else `separators`, one after another, cut the text into them; with
    neither every character is one."""

    token: re.Pattern[str] | None
    separators: tuple[re.Pattern[str], ...]
    shortest: int
    padding: str
    mark: bool

    def tokens(self, text: str) -> list[str]:
        """Tokens of one text in order. Raises BadInput where there are too many."""
        if self.token is not None:
            found: list[str] = []
            for match in self.token.finditer(text):
                if len(match[0]) >= self.shortest:
                    found.append(match[0])
                    _check_count(found)
            return found
        if not self.separators:
            found = list(text[: MOST_TOKENS + 1])
            _check_count(found)
            return found
        parts = [text]
        for separator in self.separators:
            parts = [piece for part in parts for piece in separator.split(part)]
            parts = [piece for piece in parts if piece and len(piece) >= self.shortest]
        _check_count(parts)
        return parts


def _check_count(tokens: list[str]) -> None:
    if len(tokens) > MOST_TOKENS:
        raise BadInput(f"a text has more than {MOST_TOKENS} tokens")


@lru_cache(maxsize=64)
def _tokenizer(node: Node) -> _Tokenizer:
    expression = read.text(node, "tokenexp", "")
    separators = read.strings(node, "separators")
    if (expression != "") == (len(separators) > 0):
        raise Refuse("exactly one of tokenexp and separators must be given")
    shortest = read.integer(node, "mincharnum", 1)
    if not 1 <= shortest < 2**31:
        raise Refuse(f"mincharnum is {shortest}")
    padding = read.text(node, "pad_value", "")
    mark = read.integer(node, "mark", 0) != 0
    token = compile_pattern(expression) if expression else None
    if separators == ("",):
        if shortest > 1:
            raise Refuse("mincharnum is too large for tokens of a single character")
        return _Tokenizer(None, (), shortest, padding, mark)
    compiled = tuple(compile_pattern(separator) for separator in separators)
    return _Tokenizer(token, compiled, shortest, padding, mark)


def _infer_tokenizer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    (x,) = read.required(inputs, 1)
    given = read.typed(x, ("string",))
    if len(given.shape) not in (1, 2):
        raise Refuse(f"input has rank {len(given.shape)}, not 1 or 2")
    width = MOST_TOKENS + (2 if _tokenizer(node).mark else 0)
    return [TensorType("string", (*given.shape, width))]


def _work_tokenizer(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """A pass over the output, and one for each separator."""
    passes = 1 + len(_tokenizer(node).separators)
    return Work(elements=outputs[0].elements * passes)


def _run_tokenizer(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x = read.given(inputs)
    model = _tokenizer(node)
    texts = x.reshape(-1).tolist()
    result = np.empty((len(texts), MOST_TOKENS + (2 if model.mark else 0)), dtype=object)
    result[...] = model.padding
    for row, text in enumerate(texts):
        tokens = model.tokens(text)
        if model.mark:
            tokens = ["\x02", *tokens, "\x03"]
        result[row, : len(tokens)] = tokens
    return [result.reshape(*x.shape, result.shape[1])]


register("Tokenizer", _infer_tokenizer, _run_tokenizer, _work_tokenizer, domain="com.microsoft")


# StringConcat. ML-41


def _infer_concat(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    a, b = (read.typed(value, ("string",)) for value in read.required(inputs, 2))
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise Refuse(f"shapes {a.shape} and {b.shape} do not fit") from None
    return [TensorType("string", shape)]


def _run_concat(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    a, b = np.broadcast_arrays(read.given(inputs, 0), read.given(inputs, 1))
    joined: list[str] = []
    room = MOST_CHARACTERS + STRING_BYTES * a.size
    for first, second in zip(a.reshape(-1).tolist(), b.reshape(-1).tolist(), strict=True):
        if len(first) + len(second) > MOST_CHARACTERS:
            raise BadInput(f"a string has more than {MOST_CHARACTERS} characters")
        room -= len(first) + len(second)
        # What is joined is new memory, of which a plan knows STRING_BYTES for each element.
        if room < 0:
            raise BadInput("the strings together are longer than their number allows")
        joined.append(first + second)
    return [read.string_array(joined).reshape(a.shape)]


register("StringConcat", _infer_concat, _run_concat, since=20)
