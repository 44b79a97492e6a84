from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.ledger.harness import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def logistic() -> tuple[bytes, np.ndarray]:
    """A logistic regression as scikit-learn exports it, and rows it hasn't seen."""
    from skl2onnx import to_onnx
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    rows, labels = load_iris(return_X_y=True)
    rows = rows.astype(np.float32)
    estimator = LogisticRegression(max_iter=500).fit(rows[::2], labels[::2])
    exported = to_onnx(estimator, rows[:1], options={"zipmap": False})
    return exported.SerializeToString(), rows[1::2][:20]
