"""Writes the two small models of the recorded chain, as scikit-learn exports them.

`python -m tests.vectors.make_models` from the repository's root. Another version of scikit-learn
would train them otherwise, so the files themselves are what is fixed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent


def main() -> None:
    from skl2onnx import to_onnx
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows, labels = load_iris(return_X_y=True)
    rows = rows.astype(np.float32)
    network = make_pipeline(
        StandardScaler(), MLPClassifier((6, 5), activation="tanh", max_iter=400, random_state=1)
    )
    forest = RandomForestClassifier(5, max_depth=3, random_state=1)
    for name, estimator in (("network", network), ("forest", forest)):
        fitted = estimator.fit(rows, labels)
        exported = to_onnx(fitted, rows[:1], options={"zipmap": False})
        (FOLDER / f"{name}.onnx").write_bytes(exported.SerializeToString())


if __name__ == "__main__":
    main()
