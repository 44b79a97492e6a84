"""The demonstration's models: scikit-learn's bundled data, trained here, exported to ONNX."""

# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

#: Rows that no model has seen, sent to the ledger in one call.
HELD_OUT_ROWS = 40


@dataclass(frozen=True, slots=True)
class DemoModel:
    """A trained model on disk, the rows held out from it, and the right answers."""

    name: str
    title: str
    intended_use: str
    risk: str
    price: int
    path: Path
    rows: np.ndarray[Any, np.dtype[np.float32]]
    truth: np.ndarray[Any, np.dtype[Any]]
    expected: list[Any]


class MissingExtra(Exception):
    """The demonstration's own packages aren't installed."""


def train_models(folder: Path) -> list[DemoModel]:
    """Train and export three classifiers. Raises MissingExtra without the `demo` extra."""
    try:
        import onnxruntime
        from skl2onnx import to_onnx
        from sklearn.datasets import load_breast_cancer, load_digits, load_wine
        from sklearn.ensemble import GradientBoostingClassifier
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import train_test_split
        from sklearn.neural_network import MLPClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError as missing:
        raise MissingExtra(
            f"the demonstration needs {missing.name}; `make demo` installs it, or"
            " pip install 'synnergy[demo]'"
        ) from missing
    plans: list[tuple[str, str, str, str, int, Any, Any]] = [
        (
            "tumour-screen",
            "logistic regression on breast cancer data",
            "Flags samples for a second look by a pathologist. Not a diagnosis.",
            "high",
            50_000,
            load_breast_cancer(),
            make_pipeline(StandardScaler(), LogisticRegression(max_iter=2_000)),
        ),
        (
            "wine-origin",
            "boosted trees on wine chemistry",
            "Checks the declared origin of a wine from its chemistry.",
            "limited",
            20_000,
            load_wine(),
            GradientBoostingClassifier(n_estimators=40, random_state=7),
        ),
        (
            "digit-reader",
            "neural network on handwritten digits",
            "Reads single digits on forms; unclear ones go to a clerk.",
            "minimal",
            10_000,
            load_digits(),
            make_pipeline(StandardScaler(), MLPClassifier((64, 32), max_iter=400, random_state=7)),
        ),
    ]
    models: list[DemoModel] = []
    for name, title, use, risk, price, data, estimator in plans:
        split: list[Any] = train_test_split(
            data.data.astype(np.float32),
            data.target,
            test_size=HELD_OUT_ROWS,
            random_state=7,
            stratify=data.target,
        )
        train_x, test_x, train_y, test_y = split
        estimator.fit(train_x, train_y)
        exported: Any = to_onnx(estimator, train_x[:1], options={"zipmap": False})
        content: bytes = exported.SerializeToString()
        path = folder / f"{name}.onnx"
        path.write_bytes(content)
        session: Any = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        expected: list[Any] = list(session.run(None, {session.get_inputs()[0].name: test_x}))
        models.append(DemoModel(name, title, use, risk, price, path, test_x, test_y, expected))
    return models
