"""Makes `iris.onnx` and `flowers.csv`: a logistic regression, and flowers it hasn't seen."""

from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

HERE = Path(__file__).parent

data = load_iris()
train, test, labels, _ = train_test_split(
    data.data.astype(np.float32), data.target, test_size=8, random_state=1, stratify=data.target
)
estimator = LogisticRegression(max_iter=500).fit(train, labels)
(HERE / "iris.onnx").write_bytes(
    to_onnx(estimator, train[:1], options={"zipmap": False}).SerializeToString()
)
header = "sepal_length,sepal_width,petal_length,petal_width"
np.savetxt(HERE / "flowers.csv", test, "%.1f", ",", header=header, comments="")
