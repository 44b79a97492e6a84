"""The estimators that the survey trains, exports and runs: one line for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sklearn.calibration as calibration
import sklearn.cluster as cluster
import sklearn.compose as compose
import sklearn.cross_decomposition as cross
import sklearn.decomposition as decomposition
import sklearn.discriminant_analysis as discriminant
import sklearn.ensemble as ensemble
import sklearn.feature_extraction.text as text
import sklearn.feature_selection as selection
import sklearn.gaussian_process as gaussian
import sklearn.gaussian_process.kernels as kernels
import sklearn.impute as impute
import sklearn.kernel_approximation as approximation
import sklearn.linear_model as linear
import sklearn.mixture as mixture
import sklearn.model_selection as model_selection
import sklearn.multiclass as multiclass
import sklearn.multioutput as multioutput
import sklearn.naive_bayes as bayes
import sklearn.neighbors as neighbors
import sklearn.neural_network as neural
import sklearn.pipeline as pipeline
import sklearn.preprocessing as preprocessing
import sklearn.random_projection as projection
import sklearn.svm as svm
import sklearn.tree as tree


@dataclass(frozen=True, slots=True)
class Case:
    """`kind` groups the table; `exporter` says who writes the ONNX file."""

    kind: str
    name: str
    make: Callable[[], Any]
    data: str
    options: dict[str, Any] = field(default_factory=dict)
    exporter: str = "skl2onnx"
    zipmap: Any = False


CASES: list[Case] = []


def _add(
    kind: str, name: str, data: str, make: Callable[[], Any], zipmap: Any = False, **options: Any
) -> None:
    CASES.append(Case(kind, name, make, data, options, zipmap=zipmap))


def _each(kind: str, data: str, *classes: Any, **arguments: Any) -> None:
    """A case for each class with the same arguments."""
    for made in classes:
        _add(kind, made.__name__, data, lambda made=made: made(**arguments))


def _classifiers() -> None:
    kind = "classifier"
    _each(kind, "classes", linear.LogisticRegression, linear.LogisticRegressionCV, max_iter=2000)
    _each(kind, "classes", linear.RidgeClassifier, linear.RidgeClassifierCV)
    _each(kind, "classes", linear.Perceptron, linear.PassiveAggressiveClassifier)
    _each(kind, "classes", linear.SGDClassifier, svm.LinearSVC, random_state=0)
    _each(kind, "classes", svm.SVC, svm.NuSVC, bayes.GaussianNB, neighbors.KNeighborsClassifier)
    _each(kind, "classes", discriminant.LinearDiscriminantAnalysis)
    _each(kind, "classes", discriminant.QuadraticDiscriminantAnalysis)
    _each(kind, "counts", bayes.MultinomialNB, bayes.ComplementNB)
    _each(kind, "switches", bayes.BernoulliNB)
    _each(kind, "categories", bayes.CategoricalNB)
    _each(kind, "classes", tree.DecisionTreeClassifier, tree.ExtraTreeClassifier, random_state=0)
    forests = (ensemble.RandomForestClassifier, ensemble.ExtraTreesClassifier)
    _each(kind, "classes", *forests, n_estimators=12, random_state=0)
    boosting = (ensemble.GradientBoostingClassifier, ensemble.AdaBoostClassifier)
    _each(kind, "classes", *boosting, n_estimators=8, random_state=0)
    _each(kind, "classes", ensemble.BaggingClassifier, n_estimators=5, random_state=0)
    _each(kind, "classes", ensemble.HistGradientBoostingClassifier, max_iter=8)
    _each(kind, "classes", neural.MLPClassifier, hidden_layer_sizes=(8,), max_iter=300)
    _each(kind, "classes", gaussian.GaussianProcessClassifier)
    _each(kind, "classes", neighbors.RadiusNeighborsClassifier, radius=2.0)
    _each(kind, "classes", calibration.CalibratedClassifierCV)
    _each(kind, "classes", neighbors.NearestCentroid)
    logistic = linear.LogisticRegression(max_iter=2000)
    for made in (multiclass.OneVsRestClassifier, multiclass.OneVsOneClassifier):
        _add(kind, made.__name__, "classes", lambda made=made: made(logistic))
    _add(
        kind,
        "MultiOutputClassifier",
        "many_labels",
        lambda: multioutput.MultiOutputClassifier(linear.LogisticRegression()),
    )
    members = [("a", linear.LogisticRegression(max_iter=2000)), ("b", bayes.GaussianNB())]
    _add(
        kind,
        "VotingClassifier (soft)",
        "classes",
        lambda: ensemble.VotingClassifier(members, voting="soft", flatten_transform=False),
    )
    _add(
        kind,
        "VotingClassifier (hard)",
        "classes",
        lambda: ensemble.VotingClassifier(members, flatten_transform=False),
    )
    _add(kind, "StackingClassifier", "classes", lambda: ensemble.StackingClassifier(members))
    _add(
        kind,
        "GridSearchCV",
        "classes",
        lambda: model_selection.GridSearchCV(logistic, {"C": [0.1, 1.0]}, cv=3),
    )
    _add(
        kind,
        "TunedThresholdClassifierCV",
        "binary",
        lambda: model_selection.TunedThresholdClassifierCV(bayes.GaussianNB()),
    )


def _classifier_variants() -> None:
    kind = "classifier, variants"
    for data in ("binary", "named_binary", "named_classes", "odd_classes"):
        _add(
            kind,
            f"LogisticRegression, {data}",
            data,
            lambda: linear.LogisticRegression(max_iter=5000),
        )
        _add(
            kind,
            f"RandomForestClassifier, {data}",
            data,
            lambda: ensemble.RandomForestClassifier(8, max_depth=5, random_state=0),
        )
        _add(kind, f"SVC, probabilities, {data}", data, lambda: svm.SVC(probability=True))
        _add(kind, f"SVC, {data}", data, svm.SVC)
        _add(kind, f"KNeighborsClassifier, {data}", data, neighbors.KNeighborsClassifier)
        _add(
            kind,
            f"GradientBoostingClassifier, {data}",
            data,
            lambda: ensemble.GradientBoostingClassifier(n_estimators=6, random_state=0),
        )
        _add(
            kind,
            f"HistGradientBoostingClassifier, {data}",
            data,
            lambda: ensemble.HistGradientBoostingClassifier(max_iter=6),
        )
        _add(
            kind,
            f"MLPClassifier, {data}",
            data,
            lambda: neural.MLPClassifier((8,), max_iter=200, random_state=0),
        )
        _add(
            kind,
            f"SGDClassifier, log loss, {data}",
            data,
            lambda: linear.SGDClassifier(loss="log_loss"),
        )
        _add(kind, f"LinearSVC, {data}", data, svm.LinearSVC)
        _add(
            kind,
            f"AdaBoostClassifier, {data}",
            data,
            lambda: ensemble.AdaBoostClassifier(n_estimators=6),
        )
    for name in ("linear", "poly", "rbf", "sigmoid"):
        for data in ("binary", "classes"):
            _add(
                kind,
                f"SVC, {name} kernel, probabilities, {data}",
                data,
                lambda name=name: pipeline.make_pipeline(
                    preprocessing.StandardScaler(), svm.SVC(kernel=name, probability=True)
                ),
            )
    _add(kind, "NuSVC, probabilities", "classes", lambda: svm.NuSVC(probability=True))
    _add(
        kind,
        "KNeighborsClassifier, distance weights",
        "classes",
        lambda: neighbors.KNeighborsClassifier(weights="distance"),
    )
    _add(
        kind,
        "KNeighborsClassifier, manhattan",
        "classes",
        lambda: neighbors.KNeighborsClassifier(metric="manhattan"),
    )
    _add(
        kind,
        "HistGradientBoostingClassifier, missing values",
        "missing",
        lambda: ensemble.HistGradientBoostingClassifier(max_iter=6),
    )
    _add(
        kind,
        "RandomForestClassifier, missing values",
        "missing",
        lambda: ensemble.RandomForestClassifier(6, random_state=0),
    )
    _add(
        kind,
        "DecisionTreeClassifier, many labels",
        "many_labels",
        lambda: tree.DecisionTreeClassifier(random_state=0),
    )
    _add(
        kind,
        "RandomForestClassifier, many labels",
        "many_labels",
        lambda: ensemble.RandomForestClassifier(6, random_state=0),
    )
    _add(
        kind,
        "KNeighborsClassifier, many labels",
        "many_labels",
        lambda: neighbors.KNeighborsClassifier(),
    )
    _add(
        kind,
        "OneVsRestClassifier, many labels",
        "many_labels",
        lambda: multiclass.OneVsRestClassifier(linear.LogisticRegression()),
    )
    _add(
        kind,
        "MLPClassifier, many labels",
        "many_labels",
        lambda: neural.MLPClassifier((8,), max_iter=200),
    )
    for activation in ("identity", "logistic", "tanh"):
        _add(
            kind,
            f"MLPClassifier, {activation}",
            "classes",
            lambda activation=activation: neural.MLPClassifier(
                (8, 6), activation=activation, max_iter=200
            ),
        )
    for method in ("sigmoid", "isotonic"):
        _add(
            kind,
            f"CalibratedClassifierCV, {method}, LinearSVC",
            "binary",
            lambda method=method: calibration.CalibratedClassifierCV(
                svm.LinearSVC(), method=method
            ),
        )
    _add(
        kind,
        "GaussianProcessClassifier, binary",
        "binary",
        lambda: pipeline.make_pipeline(
            preprocessing.StandardScaler(), gaussian.GaussianProcessClassifier()
        ),
    )
    for zipmap, name in ((True, "maps"), ("columns", "columns")):
        for made in (linear.LogisticRegression, tree.DecisionTreeClassifier, bayes.GaussianNB):
            for data in ("classes", "named_binary"):
                _add(
                    kind,
                    f"{made.__name__}, zipmap as {name}, {data}",
                    data,
                    made,
                    zipmap=zipmap,
                )
    _add(
        kind,
        "KNeighborsClassifier, option cdist",
        "classes",
        neighbors.KNeighborsClassifier,
        optim="cdist",
    )
    _add(
        kind,
        "LogisticRegression, raw scores",
        "classes",
        linear.LogisticRegression,
        raw_scores=True,
    )
    _add(
        kind,
        "RandomForestClassifier, decision path",
        "classes",
        lambda: ensemble.RandomForestClassifier(4, random_state=0),
        decision_leaf=True,
    )


def _regressors() -> None:
    kind = "regressor"
    plain = (
        linear.LinearRegression,
        linear.Ridge,
        linear.RidgeCV,
        linear.Lasso,
        linear.LassoCV,
        linear.ElasticNet,
        linear.ElasticNetCV,
        linear.Lars,
        linear.LarsCV,
        linear.LassoLars,
        linear.LassoLarsCV,
        linear.LassoLarsIC,
        linear.BayesianRidge,
        linear.ARDRegression,
        linear.HuberRegressor,
        linear.QuantileRegressor,
        linear.OrthogonalMatchingPursuit,
        linear.OrthogonalMatchingPursuitCV,
        linear.TheilSenRegressor,
        linear.RANSACRegressor,
        linear.SGDRegressor,
        linear.PassiveAggressiveRegressor,
        svm.SVR,
        svm.NuSVR,
        svm.LinearSVR,
        neighbors.KNeighborsRegressor,
        cross.PLSRegression,
    )
    _each(kind, "regression", *plain)
    glm = (linear.PoissonRegressor, linear.GammaRegressor, linear.TweedieRegressor)
    _each(kind, "positive_regression", *glm)
    _each(kind, "regression", tree.DecisionTreeRegressor, tree.ExtraTreeRegressor, random_state=0)
    forests = (
        ensemble.RandomForestRegressor,
        ensemble.ExtraTreesRegressor,
        ensemble.GradientBoostingRegressor,
        ensemble.AdaBoostRegressor,
        ensemble.BaggingRegressor,
    )
    _each(kind, "regression", *forests, n_estimators=8, random_state=0)
    _each(kind, "regression", ensemble.HistGradientBoostingRegressor, max_iter=8)
    _each(kind, "regression", neural.MLPRegressor, hidden_layer_sizes=(8,), max_iter=300)
    _each(kind, "regression", gaussian.GaussianProcessRegressor, alpha=1.0)
    _each(kind, "regression", neighbors.RadiusNeighborsRegressor, radius=1.0)
    several = (linear.MultiTaskLasso, linear.MultiTaskElasticNet)
    _each(kind, "targets", *several, linear.MultiTaskLassoCV, linear.MultiTaskElasticNetCV)
    _add(
        kind,
        "MultiOutputRegressor",
        "targets",
        lambda: multioutput.MultiOutputRegressor(linear.Ridge()),
    )
    members = [("a", linear.Ridge()), ("b", tree.DecisionTreeRegressor(max_depth=4))]
    _add(kind, "VotingRegressor", "regression", lambda: ensemble.VotingRegressor(members))
    _add(kind, "StackingRegressor", "regression", lambda: ensemble.StackingRegressor(members))
    _add(
        kind,
        "TransformedTargetRegressor",
        "regression",
        lambda: compose.TransformedTargetRegressor(linear.Ridge()),
    )
    _add(
        kind,
        "GridSearchCV (regressor)",
        "regression",
        lambda: model_selection.GridSearchCV(linear.Ridge(), {"alpha": [0.1, 1.0]}, cv=3),
    )


def _regressor_variants() -> None:
    kind = "regressor, variants"
    for name in ("linear", "poly", "rbf", "sigmoid"):
        _add(kind, f"SVR, {name} kernel", "regression", lambda name=name: svm.SVR(kernel=name))
    for made in (
        linear.LinearRegression,
        linear.Ridge,
        tree.DecisionTreeRegressor,
        ensemble.RandomForestRegressor,
        neighbors.KNeighborsRegressor,
        neural.MLPRegressor,
        cross.PLSRegression,
    ):
        _add(kind, f"{made.__name__}, two targets", "targets", made)
    _add(
        kind,
        "KNeighborsRegressor, distance weights",
        "regression",
        lambda: neighbors.KNeighborsRegressor(weights="distance"),
    )
    _add(
        kind,
        "HistGradientBoostingRegressor, missing values",
        "missing_regression",
        lambda: ensemble.HistGradientBoostingRegressor(max_iter=6),
    )
    _add(
        kind,
        "HistGradientBoostingRegressor, poisson",
        "positive_regression",
        lambda: ensemble.HistGradientBoostingRegressor(max_iter=6, loss="poisson"),
    )
    for name, kernel in (
        ("RBF", kernels.RBF()),
        ("Matern", kernels.Matern(nu=1.5)),
        ("RationalQuadratic", kernels.RationalQuadratic()),
        ("DotProduct", kernels.DotProduct()),
        ("ExpSineSquared", kernels.ExpSineSquared()),
        ("sum", kernels.ConstantKernel() * kernels.RBF() + kernels.WhiteKernel()),
    ):
        _add(
            kind,
            f"GaussianProcessRegressor, {name}",
            "regression",
            lambda kernel=kernel: gaussian.GaussianProcessRegressor(
                kernel, alpha=1.0, optimizer=None
            ),
        )
    _add(
        kind,
        "BayesianRidge, with deviations",
        "regression",
        linear.BayesianRidge,
        return_std=True,
    )
    _add(
        kind,
        "GaussianProcessRegressor, with deviations",
        "regression",
        lambda: gaussian.GaussianProcessRegressor(kernels.RBF(), alpha=1.0, optimizer=None),
        return_std=True,
    )


def _transformers() -> None:
    kind = "transformer"
    scalers = (
        preprocessing.StandardScaler,
        preprocessing.MinMaxScaler,
        preprocessing.MaxAbsScaler,
        preprocessing.RobustScaler,
        preprocessing.Normalizer,
        preprocessing.Binarizer,
        preprocessing.PolynomialFeatures,
        preprocessing.PowerTransformer,
        preprocessing.KBinsDiscretizer,
        preprocessing.SplineTransformer,
    )
    _each(kind, "classes", *scalers)
    _each(kind, "classes", preprocessing.QuantileTransformer, n_quantiles=20)
    _each(kind, "classes", decomposition.PCA, decomposition.IncrementalPCA, n_components=2)
    _each(kind, "classes", decomposition.TruncatedSVD, decomposition.KernelPCA, n_components=2)
    _each(kind, "classes", decomposition.FastICA, decomposition.FactorAnalysis, n_components=2)
    _each(kind, "counts", decomposition.NMF, n_components=2, init="nndsvda", max_iter=400)
    _each(kind, "classes", projection.GaussianRandomProjection, n_components=2, random_state=0)
    _each(kind, "classes", neighbors.NeighborhoodComponentsAnalysis, random_state=0)
    _each(kind, "classes", impute.SimpleImputer, impute.KNNImputer)
    chosen = (
        selection.SelectFdr,
        selection.SelectFpr,
        selection.SelectFwe,
        selection.SelectPercentile,
        selection.GenericUnivariateSelect,
        selection.VarianceThreshold,
    )
    _each(kind, "classes", *chosen)
    _each(kind, "classes", selection.SelectKBest, k=2)
    _each(kind, "classes", approximation.Nystroem, approximation.RBFSampler, n_components=5)
    tree_model = tree.DecisionTreeClassifier(random_state=0)
    for made in (selection.SelectFromModel, selection.RFE, selection.RFECV):
        _add(kind, made.__name__, "classes", lambda made=made: made(tree_model))
    _add(
        kind,
        "RandomTreesEmbedding",
        "classes",
        lambda: ensemble.RandomTreesEmbedding(4, random_state=0),
    )
    _add(kind, "OneHotEncoder, whole numbers", "categories", preprocessing.OneHotEncoder)
    _add(kind, "OneHotEncoder, words", "words", preprocessing.OneHotEncoder)
    _add(
        kind,
        "OneHotEncoder, unknown ignored, first dropped",
        "words",
        lambda: preprocessing.OneHotEncoder(handle_unknown="ignore", drop="first"),
    )
    _add(
        kind,
        "OneHotEncoder, rare categories joined",
        "words",
        lambda: preprocessing.OneHotEncoder(min_frequency=70),
    )
    _add(kind, "OrdinalEncoder, whole numbers", "categories", preprocessing.OrdinalEncoder)
    _add(kind, "OrdinalEncoder, words", "words", preprocessing.OrdinalEncoder)
    _add(
        kind,
        "OrdinalEncoder, unknown value",
        "words",
        lambda: preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    )
    _add(kind, "TargetEncoder, words", "words", lambda: preprocessing.TargetEncoder(cv=3))
    _add(kind, "SimpleImputer, missing values", "missing", impute.SimpleImputer)
    for strategy in ("median", "most_frequent", "constant"):
        _add(
            kind,
            f"SimpleImputer, {strategy}",
            "missing",
            lambda strategy=strategy: impute.SimpleImputer(strategy=strategy),
        )
    _add(
        kind,
        "SimpleImputer, words",
        "words",
        lambda: impute.SimpleImputer(strategy="most_frequent", missing_values="grün"),
    )
    _add(kind, "KNNImputer, missing values", "missing", impute.KNNImputer)
    _add(kind, "MissingIndicator", "missing", impute.MissingIndicator)
    for encode in ("ordinal", "onehot-dense"):
        _add(
            kind,
            f"KBinsDiscretizer, {encode}",
            "classes",
            lambda encode=encode: preprocessing.KBinsDiscretizer(4, encode=encode),
        )
    for norm in ("l1", "max"):
        _add(
            kind,
            f"Normalizer, {norm}",
            "classes",
            lambda norm=norm: preprocessing.Normalizer(norm),
        )
    for kernel in ("rbf", "poly", "sigmoid", "cosine"):
        _add(
            kind,
            f"KernelPCA, {kernel}",
            "classes",
            lambda kernel=kernel: decomposition.KernelPCA(2, kernel=kernel, gamma=0.02),
        )
    _add(
        kind,
        "PowerTransformer, box-cox",
        "positive",
        lambda: preprocessing.PowerTransformer("box-cox"),
    )
    _add(kind, "PCA, whitened", "classes", lambda: decomposition.PCA(2, whiten=True))
    _add(kind, "FunctionTransformer", "classes", preprocessing.FunctionTransformer)
    _add(
        kind,
        "FeatureUnion",
        "classes",
        lambda: pipeline.make_union(preprocessing.StandardScaler(), decomposition.PCA(2)),
    )
    _add(
        kind,
        "LinearDiscriminantAnalysis as transformer",
        "classes",
        lambda: pipeline.make_pipeline(decomposition.PCA(3), preprocessing.StandardScaler()),
    )
    _add(kind, "TfidfTransformer", "counts", text.TfidfTransformer)
    _add(
        kind,
        "TfidfTransformer, sublinear",
        "counts",
        lambda: text.TfidfTransformer(sublinear_tf=True, norm="l1"),
    )


def _clusterers() -> None:
    kind = "clusterer"
    _each(kind, "classes", cluster.KMeans, cluster.MiniBatchKMeans, n_clusters=3, random_state=0)
    _each(
        kind, "classes", mixture.GaussianMixture, mixture.BayesianGaussianMixture, n_components=3
    )
    for covariance in ("tied", "diag", "spherical"):
        _add(
            kind,
            f"GaussianMixture, {covariance}",
            "classes",
            lambda covariance=covariance: mixture.GaussianMixture(
                3, covariance_type=covariance, random_state=0
            ),
        )
    _each(kind, "classes", cluster.Birch, n_clusters=3)
    kind = "outlier detector"
    _add(
        kind,
        "IsolationForest",
        "classes",
        lambda: ensemble.IsolationForest(n_estimators=8, random_state=0),
    )
    _each(kind, "classes", svm.OneClassSVM)
    _each(kind, "classes", linear.SGDOneClassSVM, random_state=0)
    _each(kind, "classes", neighbors.LocalOutlierFactor, novelty=True)
    _add(
        kind,
        "NearestNeighbors",
        "classes",
        lambda: neighbors.NearestNeighbors(n_neighbors=3, radius=None),
    )
    _add(
        kind,
        "KNeighborsTransformer",
        "classes",
        lambda: neighbors.KNeighborsTransformer(n_neighbors=3),
    )


def _pipelines() -> None:
    kind = "pipeline"
    scale = preprocessing.StandardScaler
    _add(
        kind,
        "StandardScaler, PCA, LogisticRegression",
        "binary",
        lambda: pipeline.make_pipeline(
            scale(), decomposition.PCA(4), linear.LogisticRegression(max_iter=2000)
        ),
    )
    _add(
        kind,
        "PolynomialFeatures, Ridge",
        "regression",
        lambda: pipeline.make_pipeline(preprocessing.PolynomialFeatures(2), linear.Ridge()),
    )
    _add(
        kind,
        "SimpleImputer, MinMaxScaler, KNeighborsClassifier",
        "missing",
        lambda: pipeline.make_pipeline(
            impute.SimpleImputer(),
            preprocessing.MinMaxScaler(),
            neighbors.KNeighborsClassifier(),
        ),
    )
    _add(
        kind,
        "StandardScaler, SelectKBest, SVC",
        "classes",
        lambda: pipeline.make_pipeline(scale(), selection.SelectKBest(k=3), svm.SVC()),
    )

    def table(final: Any) -> Any:
        numbers = pipeline.make_pipeline(impute.SimpleImputer(strategy="median"), scale())
        choose = compose.ColumnTransformer(
            [
                ("numbers", numbers, ["income"]),
                ("whole", scale(), ["age"]),
                ("words", preprocessing.OneHotEncoder(handle_unknown="ignore"), ["city", "job"]),
            ]
        )
        return pipeline.make_pipeline(choose, final)

    kind = "table of mixed columns"
    for name, final in (
        ("LogisticRegression", lambda: linear.LogisticRegression(max_iter=2000)),
        ("RandomForestClassifier", lambda: ensemble.RandomForestClassifier(8, random_state=0)),
        (
            "HistGradientBoostingClassifier",
            lambda: ensemble.HistGradientBoostingClassifier(max_iter=5),
        ),
        ("SVC", svm.SVC),
        ("Ridge", linear.Ridge),
    ):
        _add(kind, f"ColumnTransformer, {name}", "columns", lambda final=final: table(final()))
    _add(
        kind,
        "ColumnTransformer, OrdinalEncoder, passthrough, DecisionTreeClassifier",
        "columns",
        lambda: pipeline.make_pipeline(
            compose.ColumnTransformer(
                [
                    ("words", preprocessing.OrdinalEncoder(), ["city", "job"]),
                    ("rest", impute.SimpleImputer(), ["income"]),
                    ("age", "passthrough", ["age"]),
                ]
            ),
            tree.DecisionTreeClassifier(max_depth=5, random_state=0),
        ),
    )
    _add(
        kind,
        "ColumnTransformer, KBinsDiscretizer, MLPClassifier",
        "columns",
        lambda: pipeline.make_pipeline(
            compose.ColumnTransformer(
                [
                    ("bins", preprocessing.KBinsDiscretizer(3, encode="onehot-dense"), ["age"]),
                    ("words", preprocessing.OneHotEncoder(), ["city"]),
                ]
            ),
            neural.MLPClassifier((6,), max_iter=100),
        ),
    )


def _texts() -> None:
    kind = "text"
    for name, made in (
        ("CountVectorizer", text.CountVectorizer),
        ("TfidfVectorizer", text.TfidfVectorizer),
    ):
        for label, arguments in (
            ("", {}),
            (", bigrams", {"ngram_range": (1, 2)}),
            (", binary", {"binary": True}),
            (", case kept", {"lowercase": False}),
            (", characters", {"analyzer": "char"}),
            (", own pattern", {"token_pattern": "[a-z]{3,}"}),
            (", stop words", {"stop_words": ["the", "in"]}),
        ):
            _add(
                kind,
                f"{name}{label}",
                "texts",
                lambda made=made, arguments=arguments: made(**arguments),
                locale="C.UTF-8",
            )
    for name, final in (
        ("LogisticRegression", linear.LogisticRegression),
        ("MultinomialNB", bayes.MultinomialNB),
        ("LinearSVC", svm.LinearSVC),
        ("RandomForestClassifier", lambda: ensemble.RandomForestClassifier(6, random_state=0)),
    ):
        _add(
            kind,
            f"TfidfVectorizer, {name}",
            "texts",
            lambda final=final: pipeline.make_pipeline(text.TfidfVectorizer(), final()),
            locale="C.UTF-8",
        )
    _add(
        kind,
        "TfidfVectorizer, TruncatedSVD, LogisticRegression",
        "texts",
        lambda: pipeline.make_pipeline(
            text.TfidfVectorizer(), decomposition.TruncatedSVD(3), linear.LogisticRegression()
        ),
        locale="C.UTF-8",
    )


def _boosting_libraries() -> None:
    import lightgbm
    import xgboost

    def add(name: str, data: str, make: Callable[[], Any], exporter: str) -> None:
        CASES.append(Case("other libraries", name, make, data, exporter=exporter))

    small = {"n_estimators": 8, "verbosity": -1, "min_child_samples": 5, "n_jobs": 1}
    for data in ("binary", "classes", "named_classes", "missing"):
        add(
            f"lightgbm.LGBMClassifier, {data}",
            data,
            lambda: lightgbm.LGBMClassifier(**small),
            "lightgbm",
        )
    for data in ("regression", "missing_regression"):
        add(
            f"lightgbm.LGBMRegressor, {data}",
            data,
            lambda: lightgbm.LGBMRegressor(**small),
            "lightgbm",
        )
    add(
        "lightgbm.LGBMRegressor, random forest",
        "regression",
        lambda: lightgbm.LGBMRegressor(
            boosting_type="rf", bagging_freq=1, bagging_fraction=0.7, **small
        ),
        "lightgbm",
    )
    add(
        "lightgbm.LGBMRegressor, poisson",
        "positive_regression",
        lambda: lightgbm.LGBMRegressor(objective="poisson", **small),
        "lightgbm",
    )
    tiny = {"n_estimators": 6, "max_depth": 4, "n_jobs": 1}
    for data in ("binary", "classes", "missing"):
        add(
            f"xgboost.XGBClassifier, {data}",
            data,
            lambda: xgboost.XGBClassifier(**tiny),
            "xgboost",
        )
    for data in ("regression", "missing_regression"):
        add(f"xgboost.XGBRegressor, {data}", data, lambda: xgboost.XGBRegressor(**tiny), "xgboost")
    add("xgboost.XGBRFClassifier", "binary", lambda: xgboost.XGBRFClassifier(**tiny), "xgboost")
    add("xgboost.XGBRFRegressor", "regression", lambda: xgboost.XGBRFRegressor(**tiny), "xgboost")
    add(
        "xgboost.XGBRegressor, poisson",
        "positive_regression",
        lambda: xgboost.XGBRegressor(objective="count:poisson", **tiny),
        "xgboost",
    )


_classifiers()
_classifier_variants()
_regressors()
_regressor_variants()
_transformers()
_clusterers()
_pipelines()
_texts()
_boosting_libraries()
