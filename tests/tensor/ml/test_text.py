"""Text operators against onnxruntime; patterns against its own engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synnergy.tensor.operators.ml_case import change_case
from synnergy.tensor.operators.ml_patterns import compile_pattern
from synnergy.tensor.operators.ml_text import MOST_CHARACTERS, MOST_TOKENS
from synnergy.tensor.types import BadInput, DependsOnValues, Refuse
from tests.tensor.ml.oracle import agree, assert_close, oracle, ours

TEXTS = (
    "Hello World, the x",
    "ÀÉ ẞ İ ΣΑΣ a1b22 _x_y",
    " ",
    "",
    "ab-cd [x] 1999-12-31\nfoo\tbar",
    "é.b.c",
)
PLAIN: dict[str, Any] = {"domain": "com.microsoft", "mark": 0, "pad_value": "#", "mincharnum": 1}
LOCALE: dict[str, Any] = {"domain": "", "locale": "C.UTF-8"}


def _words(*items: str) -> np.ndarray:
    array = np.empty(len(items), object)
    array[:] = items
    return array


def _same_tokens(**keywords: Any) -> None:
    texts = _words(*TEXTS)
    (mine,) = ours("Tokenizer", texts, **keywords)
    (theirs,) = oracle("Tokenizer", texts, **keywords)
    rows = [[token for token in row if token != "#"] for row in mine.tolist()]
    assert rows == [[token for token in row if token != "#"] for row in theirs.tolist()]
    assert mine.shape[1] == MOST_TOKENS + 2 * keywords["mark"]


PATTERNS = [
    "[a-zA-Z0-9_]+", ".", r"\w+", r"\b\w\w+\b", r"[^\n]", r"\S+", "[a-z]{2,3}", "[[:alpha:]]+",
    "[a-zA-Z0-9_][a-zA-Z0-9_]+", r"\d{4}", r"\b[a-z]{2,}\b", "[^a-z]+", r"\W", r"[\w-]+",
    "[]x]+", "é", r"\.", r"[^\\n]+", r"\bx", "[à-ÿ]+", "[0-9]{1,2}", "[[:punct:]]", r"\s+",
    r"[\d\s]+", r"\D{2}",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_tokens_found_by_a_pattern(pattern: str) -> None:
    # ML-39, ML-40
    _same_tokens(tokenexp=pattern, **PLAIN)


def test_separators_characters_and_marks() -> None:
    # ML-39
    _same_tokens(separators=[" ", "[.]", "\\?", ",", "l"], **PLAIN)
    _same_tokens(separators=[" +", "\n"], **PLAIN)
    _same_tokens(separators=[""], **PLAIN)
    marked = {**PLAIN, "mark": 1, "mincharnum": 2}
    _same_tokens(separators=["-", "1", "[a-c]+"], **marked)
    _same_tokens(tokenexp=r"\w+", **marked)


REFUSED = [
    "(a|b)+", "a*", "a*b", "a+b+", "a?", "(?u)\\w+", "a+?", "a++", "^a", "a$", "[[:foo:]]",
    "\\q", "a{2,1}", "a{1001}", "a+\\b", "\\b.+\\b", "\\b[^a]+\\b", "[a", "[z-a]", "a{65}", "\\",
    "\\b", "x{0}", "\\1", "\\pL", "[\\b]",
]  # fmt: skip


@pytest.mark.parametrize("pattern", REFUSED)
def test_patterns_that_may_be_slow_or_differ_are_refused(pattern: str) -> None:
    # ML-40
    with pytest.raises(Refuse):
        compile_pattern(pattern)


@given(st.text(alphabet=r"ab0-9[]{},.+\wbds^é ", max_size=12), st.text(max_size=30))
@settings(max_examples=300, deadline=None)
def test_any_pattern_compiles_or_is_refused(pattern: str, text: str) -> None:
    try:
        compiled = compile_pattern(pattern)
    except Refuse:
        return
    assert all(match[0] for match in compiled.finditer(text))


def test_search_is_linear() -> None:
    # ML-40: a quadratic search of these would take hours
    for pattern in (r"\b\w\w+\b", "[a-z]{64}", "[a-z]{3,}", r"a{60}b", r"\b[a-z]+\b"):
        text = "a" * 400_000 + "1"
        assert sum(1 for _ in compile_pattern(pattern).finditer(text)) < 10_000


def test_too_many_tokens_fail_the_run() -> None:
    # ML-39
    exactly, more = "x " * MOST_TOKENS, "x " * (MOST_TOKENS + 1)
    for how in ({"tokenexp": "x"}, {"separators": [" "]}):
        assert (ours("Tokenizer", _words(exactly), **how, **PLAIN)[0] == "x").all()
        with pytest.raises(BadInput, match="more than"):
            ours("Tokenizer", _words(more), **how, **PLAIN)


def test_case_is_changed_character_by_character() -> None:
    # ML-38
    codes = [*range(0x20, 0x590), *range(0x1E00, 0x2000)]
    texts = _words(*(chr(code) for code in codes), "".join(map(chr, codes)))
    for action in ("LOWER", "UPPER", "NONE"):
        agree("StringNormalizer", texts, case_change_action=action, is_case_sensitive=1, **LOCALE)
    # What a later Unicode version may change stays as it is.
    assert change_case("\ua7ce \U0001e900 Ⴀ", "LOWER") == "\ua7ce \U0001e900 Ⴀ"


@pytest.mark.parametrize("sensitive", [0, 1])
@pytest.mark.parametrize("action", ["LOWER", "UPPER", "NONE"])
def test_stop_words_of_single_texts(action: str, sensitive: int) -> None:
    # ML-37
    for word in ("the", "The", "x"):
        for shape in ((1,), (1, 1)):
            agree("StringNormalizer", _words(word).reshape(shape), case_change_action=action,
                  is_case_sensitive=sensitive, stopwords=["the"], **LOCALE)  # fmt: skip
    with pytest.raises(DependsOnValues, match="shape"):
        ours("StringNormalizer", _words("a", "b"), stopwords=["the"], domain="")


def test_concatenation_is_bounded() -> None:
    # ML-41
    agree("StringConcat", _words(*TEXTS).reshape(3, 2), _words("é", ""), domain="")
    half = "x" * (MOST_CHARACTERS // 2 + 1)
    with pytest.raises(BadInput, match="characters"):
        ours("StringConcat", _words(half), _words(half), domain="")
    # Joined strings are memory that the plan's own count of it has to cover.
    with pytest.raises(BadInput, match="together"):
        ours("StringConcat", _words(half), _words(*["y"] * 10_000), domain="")


@pytest.mark.parametrize("mode", ["TF", "IDF", "TFIDF"])
def test_n_grams(mode: str) -> None:
    # ML-42
    rng = np.random.default_rng(len(mode))
    compared = 0
    for round_ in range(60):
        longest = int(rng.integers(1, 4))
        pool: list[int] = []
        counts: list[int] = []
        grams = 0
        for length in range(1, longest + 1):
            counts.append(len(pool))
            chosen = {tuple(rng.integers(0, 4, size=length).tolist()) for _ in range(3)}
            for gram in sorted(chosen):
                pool += gram
                grams += 1
        x = rng.integers(0, 4, size=(3, 7) if round_ % 3 else 7)
        keywords: dict[str, Any] = {
            "domain": "",
            "mode": mode,
            "min_gram_length": int(rng.integers(1, longest + 1)),
            "max_gram_length": longest,
            "max_skip_count": int(rng.integers(0, 4)),
            "ngram_counts": counts,
            "ngram_indexes": [2 * i for i in rng.permutation(grams).tolist()],
        }
        if round_ % 2:
            keywords["weights"] = rng.normal(size=grams).astype(np.float32).tolist()
        if round_ % 4 < 2:
            keywords["pool_int64s"] = pool
        else:
            keywords["pool_strings"] = ["abcd"[i] for i in pool]
            x = _words(*("abcd"[i] for i in x.reshape(-1))).reshape(x.shape)
        theirs = oracle("TfIdfVectorizer", x, **keywords)
        assert_close(ours("TfIdfVectorizer", x, **keywords)[0], theirs[0])
        compared += 1
    assert compared == 60


def test_a_huge_skip_count_takes_no_time() -> None:
    keywords: dict[str, Any] = {"domain": "", "mode": "TF", "min_gram_length": 2,
                                "max_gram_length": 2, "max_skip_count": 2**62,
                                "ngram_counts": [0, 0], "ngram_indexes": [0],
                                "pool_int64s": [1, 2]}  # fmt: skip
    (result,) = ours("TfIdfVectorizer", np.array([[1, 1, 2]]), **keywords)
    assert result.tolist() == [[2.0]]
    with pytest.raises(Refuse, match="too large"):
        ours("TfIdfVectorizer", np.array([[1]]), **{**keywords, "ngram_indexes": [2**40]})
