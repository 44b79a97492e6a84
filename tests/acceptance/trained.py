"""Trained models: scikit-learn, LightGBM and XGBoost on data sets with many kinds of column."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas
from skl2onnx import to_onnx
from skl2onnx.common.data_types import (
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
)
from sklearn import ensemble, linear_model, naive_bayes, neighbors, neural_network, svm, tree
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import (
    load_diabetes,
    load_linnerud,
    load_wine,
    make_classification,
    make_regression,
)
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tests.acceptance.published import Model

Rows = tuple[np.ndarray, np.ndarray]
SHOWN = 7


def classes(seed: int = 5, kinds: int = 3) -> Rows:
    rows, labels = make_classification(
        n_samples=160, n_features=9, n_informative=6, n_classes=kinds, random_state=seed
    )
    return rows.astype(np.float32), labels


def amounts(seed: int = 6, targets: int = 1) -> Rows:
    rows, values = make_regression(
        n_samples=160, n_features=8, n_targets=targets, noise=3.0, random_state=seed
    )
    return rows.astype(np.float32), values


def exported(
    estimator: Any,
    data: Rows,
    *,
    form: str = "csv",
    zipmap: bool | str | None = False,
    doubles: bool = False,
    allow_missing: bool = False,
) -> Model:
    """Fit all rows but the last few, which are held out; export from float32 or float64."""
    rows, labels = data
    rows = rows.astype(np.float64 if doubles else np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(rows[:-SHOWN], labels[:-SHOWN])
    kind = DoubleTensorType if doubles else FloatTensorType
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    options = {} if zipmap is None else {id(last): {"zipmap": zipmap}}
    made = to_onnx(
        estimator,
        initial_types=[("X", kind([None, rows.shape[1]]))],
        options=options or None,
        target_opset={"": 18, "ai.onnx.ml": 3},
    )
    return Model(made.SerializeToString(), {"X": rows[-SHOWN:]}, form, allow_missing)


def wine() -> Rows:
    return load_wine(return_X_y=True)


def diabetes() -> Rows:
    return load_diabetes(return_X_y=True)


def with_holes(data: Rows) -> Rows:
    rows, labels = data
    holes = np.random.default_rng(8).random(rows.shape) < 0.15
    return np.where(holes, np.nan, rows).astype(np.float32), labels


def mixed_columns(form: str) -> Model:
    """A DataFrame: numbers, whole numbers and words, each column an input of its own."""
    generator = np.random.default_rng(9)
    count = 150
    frame = pandas.DataFrame(
        {
            "income": generator.normal(30, 9, count).astype(np.float32),
            "rooms": generator.integers(1, 9, count),
            "town": generator.choice(["Leeds", "Hull", "Bath, Avon", "Ely"], count),
        }
    )
    wanted = (frame["income"] + frame["rooms"] * 4 + (frame["town"] == "Ely") * 20 > 50).astype(
        int
    )
    prepared = ColumnTransformer(
        [
            ("numbers", StandardScaler(), ["income", "rooms"]),
            ("words", OneHotEncoder(handle_unknown="ignore"), ["town"]),
        ]
    )
    estimator = make_pipeline(prepared, linear_model.LogisticRegression(max_iter=500))
    estimator.fit(frame[:-SHOWN], wanted[:-SHOWN])
    types = [
        ("income", FloatTensorType([None, 1])),
        ("rooms", Int64TensorType([None, 1])),
        ("town", StringTensorType([None, 1])),
    ]
    made = to_onnx(estimator, initial_types=types, options={"zipmap": False})
    shown = frame[-SHOWN:]
    held_out = {name: shown[[name]].to_numpy() for name in frame.columns}
    held_out["town"] = held_out["town"].astype(object)
    return Model(made.SerializeToString(), held_out, form)


TEXTS = [
    "the bread was warm and good",
    "a cold bus in the cold rain",
    "good tea, warm people",
    "rain again and the bus was late",
    "warm sun on good bread",
    "late trains, cold tea",
]


def text_pipeline(vectoriser: Any = None) -> Model:
    estimator = make_pipeline(
        vectoriser or TfidfVectorizer(lowercase=False),
        linear_model.LogisticRegression(max_iter=300),
    )
    labels = [1, 0, 1, 0, 1, 0]
    estimator.fit(TEXTS, labels)
    last = estimator.steps[-1][1]
    made = to_onnx(
        estimator,
        initial_types=[("text", StringTensorType([None, 1]))],
        options={id(last): {"zipmap": False}},
    )
    unseen = np.array([["warm bread in the rain"], ["the late bus"], ["nothing known"]], object)
    return Model(made.SerializeToString(), {"text": unseen}, "lists")


def lightgbm_classifier() -> Model:
    import lightgbm
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType as Floats

    rows, labels = classes(11)
    estimator = lightgbm.LGBMClassifier(n_estimators=12, num_leaves=9, verbose=-1, n_jobs=1)
    estimator.fit(rows[:-SHOWN], labels[:-SHOWN])
    types = [("X", Floats([None, rows.shape[1]]))]
    made = convert_lightgbm(estimator, initial_types=types, zipmap=True, target_opset=15)
    return Model(made.SerializeToString(), {"X": rows[-SHOWN:]}, "npy")


def xgboost_regressor() -> Model:
    import xgboost
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType as Floats

    rows, values = amounts(12)
    estimator = xgboost.XGBRegressor(n_estimators=15, max_depth=4, n_jobs=1)
    estimator.fit(rows[:-SHOWN], values[:-SHOWN])
    types = [("X", Floats([None, rows.shape[1]]))]
    made = convert_xgboost(estimator, initial_types=types, target_opset=15)
    return Model(made.SerializeToString(), {"X": rows[-SHOWN:]}, "npz")


def voting() -> Any:
    return ensemble.VotingClassifier(
        [
            ("tree", tree.DecisionTreeClassifier(max_depth=4, random_state=0)),
            ("line", linear_model.LogisticRegression(max_iter=500)),
        ],
        voting="soft",
        flatten_transform=False,
    )


def gaussian_process() -> Any:
    return GaussianProcessRegressor(RBF() + WhiteKernel(0.5), normalize_y=True)


#: Published, sold and called on a ledger, each written in another form.
SOLD: dict[str, Callable[[], Model]] = {
    "logistic regression of strangers, maps by label": lambda: exported(
        linear_model.LogisticRegression(max_iter=900), classes(), zipmap=True
    ),
    "random forest on wine from float64, in columns": lambda: exported(
        ensemble.RandomForestClassifier(12, random_state=0),
        wine(),
        zipmap="columns",
        doubles=True,
        form="npz",
    ),
    "histogram boosting with missing values": lambda: exported(
        ensemble.HistGradientBoostingClassifier(max_iter=8),
        with_holes(classes(7)),
        allow_missing=True,
    ),
    "imputer, scaler and perceptron with missing values": lambda: exported(
        make_pipeline(
            SimpleImputer(strategy="median"),
            StandardScaler(),
            neural_network.MLPClassifier((12, 6), max_iter=120, random_state=0),
        ),
        with_holes(classes(13)),
        allow_missing=True,
        form="lists",
    ),
    "mixed columns as a table": lambda: mixed_columns("csv"),
    "a text": text_pipeline,
}

#: Run on this machine alone, as a ledger would.
RUN: dict[str, Callable[[], Model]] = {
    "LightGBM with maps": lightgbm_classifier,
    "several targets from float64": lambda: exported(
        make_pipeline(StandardScaler(), neighbors.KNeighborsRegressor(3)),
        load_linnerud(return_X_y=True),
        zipmap=None,
        doubles=True,
        form="lists",
    ),
    "support vectors with probabilities": lambda: exported(
        svm.SVC(probability=True, random_state=0), classes(15), form="npz"
    ),
    "gradient boosting for diabetes": lambda: exported(
        ensemble.GradientBoostingRegressor(n_estimators=20, random_state=0),
        diabetes(),
        zipmap=None,
        form="npy",
    ),
    "mixed columns as records": lambda: mixed_columns("records"),
    "XGBoost": xgboost_regressor,
    "calibrated line": lambda: exported(
        CalibratedClassifierCV(svm.LinearSVC(), cv=3), classes(16), form="csv"
    ),
    "votes": lambda: exported(voting(), classes(17), form="npy"),
    "gaussian process": lambda: exported(
        gaussian_process(), amounts(18), zipmap=None, doubles=True, form="npz"
    ),
    "bayes": lambda: exported(naive_bayes.GaussianNB(), classes(19), zipmap=True),
    "clusters": lambda: exported(
        KMeans(4, n_init=2, random_state=0), classes(20), zipmap=None, form="lists"
    ),
    "components and a line": lambda: exported(
        make_pipeline(PCA(3), linear_model.Ridge()), amounts(21, 2), zipmap=None
    ),
    "what is out of place": lambda: exported(
        ensemble.IsolationForest(n_estimators=8, random_state=0),
        classes(22),
        zipmap=None,
        form="npy",
    ),
}
