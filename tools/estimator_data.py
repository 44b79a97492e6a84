"""Small data sets for the survey of estimators: all bundled with scikit-learn, or written here."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from sklearn import datasets

Columns = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """Training and held-out rows; `x` is a matrix or a dictionary of columns (rows × 1)."""

    x: Any
    y: Any
    held: Any
    groups: dict[str, list[str]] = field(default_factory=dict)


def _split(x: np.ndarray, y: Any) -> Data:
    """Every third row is held out, 40 at most."""
    rows = np.arange(len(x))
    held = rows % 3 == 0
    return Data(x[~held], None if y is None else np.asarray(y)[~held], x[held][:40])


def _iris() -> tuple[np.ndarray, np.ndarray]:
    bunch = datasets.load_iris()
    rng = np.random.default_rng(0)
    order = rng.permutation(len(bunch.data))
    # A little noise parts equal flowers: their neighbours would be ties, decided by the last bit.
    noise = np.round(rng.uniform(-0.02, 0.02, bunch.data.shape), 5)
    return (bunch.data + noise)[order], bunch.target[order]


def classes() -> Data:
    return _split(*_iris())


def named_classes() -> Data:
    x, y = _iris()
    return _split(x, np.array(["setosa", "versicolor", "virginica"])[y])


def odd_classes() -> Data:
    """Integer labels that are not 0, 1, 2."""
    x, y = _iris()
    return _split(x, np.array([-3, 5, 12])[y])


def binary() -> Data:
    bunch = datasets.load_breast_cancer()
    return _split(bunch.data[:240, :8], bunch.target[:240])


def named_binary() -> Data:
    bunch = datasets.load_breast_cancer()
    return _split(bunch.data[:240, :8], np.array(["malign", "benign"])[bunch.target[:240]])


def regression() -> Data:
    bunch = datasets.load_diabetes()
    return _split(bunch.data[:240], bunch.target[:240])


def positive_regression() -> Data:
    bunch = datasets.load_diabetes()
    return _split(bunch.data[:240] * 10 + 1, bunch.target[:240] / 100)


def positive() -> Data:
    x, y = _iris()
    return _split(x + 0.5, y)


def targets() -> Data:
    bunch = datasets.load_diabetes()
    x, y = bunch.data[:240], bunch.target[:240]
    return _split(x, np.stack([y, y * x[:, 2] * 20 + x[:, 8] * 100], axis=1))


def many_labels() -> Data:
    """Two binary labels for each row."""
    x, y = _iris()
    return _split(x, np.stack([y == 0, x[:, 1] > 3], axis=1).astype(np.int64))


def counts() -> Data:
    bunch = datasets.load_digits(n_class=4)
    return _split(np.ascontiguousarray(bunch.data[:240, 16:40]), bunch.target[:240])


def switches() -> Data:
    """Zeros and ones."""
    bunch = datasets.load_digits(n_class=3)
    x = (bunch.data[:240, 16:36] > 7).astype(np.float64)
    return _split(x, bunch.target[:240])


def missing() -> Data:
    x, y = _iris()
    holes = np.random.default_rng(1).random(x.shape) < 0.15
    return _split(np.where(holes, np.nan, x), y)


def missing_regression() -> Data:
    bunch = datasets.load_diabetes()
    x = bunch.data[:240]
    holes = np.random.default_rng(1).random(x.shape) < 0.15
    return _split(np.where(holes, np.nan, x), bunch.target[:240])


def categories() -> Data:
    """Three columns of small whole numbers."""
    rng = np.random.default_rng(2)
    x = rng.integers(0, 5, size=(240, 3))
    y = (x[:, 0] + 2 * x[:, 1] + rng.integers(0, 2, 240) > 6).astype(np.int64)
    return _split(x, y)


def words() -> Data:
    """Two columns of words."""
    rng = np.random.default_rng(3)
    x = np.stack(
        [
            np.array(["red", "green", "blue", "grün"])[rng.integers(0, 4, 240)],
            np.array(["small", "large"])[rng.integers(0, 2, 240)],
        ],
        axis=1,
    ).astype(object)
    y = ((x[:, 0] == "red") | (x[:, 1] == "large")).astype(np.int64)
    return _split(x, y)


_GOOD = (
    "the loan was repaid on time",
    "payment received early, thank you!",
    "customer kept every promise",
    "a reliable partner for 12 years",
    "all invoices settled in full",
    "steady income and low risk",
    "trust is high; the account is healthy",
    "repaid early and in full",
)
_BAD = (
    "the payment is late again",
    "no answer to 3 reminders",
    "the account shows fraud",
    "high risk, broken promise",
    "invoices unpaid for months",
    "customer lost the case",
    "late, late and never in full",
    "fraud reminders ignored",
)


def texts() -> Data:
    """Short sentences of two kinds."""
    rng = np.random.default_rng(4)
    rows, labels = [], []
    for _ in range(120):
        label = int(rng.integers(0, 2))
        source = (_BAD, _GOOD)[label]
        first, second = rng.integers(0, len(source), 2)
        rows.append(f"{source[first]}. {source[second].title()}")
        labels.append(label)
    return _split(np.array(rows, dtype=object).reshape(-1, 1), np.array(labels))


def columns() -> Data:
    """A table of mixed columns, as a DataFrame would be: numbers, whole numbers, words."""
    rng = np.random.default_rng(5)
    count = 240
    age = rng.integers(18, 80, count)
    income = np.round(rng.normal(40, 12, count), 2)
    income[rng.random(count) < 0.1] = np.nan
    city = np.array(["Oslo", "Rome", "Łódź"])[rng.integers(0, 3, count)].astype(object)
    job = np.array(["none", "clerk", "smith", "nurse"])[rng.integers(0, 4, count)].astype(object)
    y = ((age > 40) ^ (city == "Rome")).astype(np.int64)
    table: Columns = {"age": age, "income": income, "city": city, "job": job}
    table = {name: column.reshape(-1, 1) for name, column in table.items()}
    held = np.arange(count) % 3 == 0
    return Data(
        {name: column[~held] for name, column in table.items()},
        y[~held],
        {name: column[held][:40] for name, column in table.items()},
        {"floats": ["income"], "whole": ["age"], "words": ["city", "job"]},
    )


@cache
def load(name: str) -> Data:
    """The data set of that name: a function of this module."""
    return globals()[name]()
