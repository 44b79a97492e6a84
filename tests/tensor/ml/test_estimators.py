"""A cross-section of the survey: trained, exported, run here and in onnxruntime."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "tools"))

from estimator_cases import CASES
from estimator_survey import survey

BY_NAME = {case.name: case for case in CASES}

BOTH = """
LogisticRegression
LogisticRegression, zipmap as columns, classes
SGDClassifier
SVC
SVC, poly kernel, probabilities, binary
NuSVC, probabilities
GaussianNB
MultinomialNB
KNeighborsClassifier
QuadraticDiscriminantAnalysis
LinearDiscriminantAnalysis
DecisionTreeClassifier
RandomForestClassifier
RandomForestClassifier, named_binary
GradientBoostingClassifier
MLPClassifier, tanh
CalibratedClassifierCV, isotonic, LinearSVC
OneVsOneClassifier
LinearRegression
HuberRegressor
SVR
KNeighborsRegressor
DecisionTreeRegressor
GradientBoostingRegressor
PoissonRegressor
GaussianProcessRegressor, RBF
MLPRegressor
PLSRegression
StandardScaler
RobustScaler
QuantileTransformer
PCA
KernelPCA, rbf
SelectKBest
OneHotEncoder, words
OrdinalEncoder, whole numbers
SimpleImputer, missing values
KMeans
GaussianMixture
OneClassSVM
LocalOutlierFactor
""".strip().splitlines()

NARROW = """
HistGradientBoostingClassifier, missing values
RidgeClassifier
LinearSVC
PowerTransformer
IsolationForest
LogisticRegression, zipmap as maps, named_binary
AdaBoostClassifier
BaggingClassifier
VotingClassifier (soft)
AdaBoostRegressor
VotingRegressor
PolynomialFeatures, Ridge
RandomForestClassifier, decision path
TargetEncoder, words
ColumnTransformer, LogisticRegression
ColumnTransformer, HistGradientBoostingClassifier
CountVectorizer, bigrams
TfidfVectorizer, LogisticRegression
lightgbm.LGBMClassifier, missing
lightgbm.LGBMRegressor, poisson
xgboost.XGBClassifier, classes
xgboost.XGBRegressor, missing_regression
""".strip().splitlines()


@pytest.mark.parametrize(
    ("name", "double"),
    [*((name, False) for name in BOTH + NARROW), *((name, True) for name in BOTH)],
)
def test_agrees_with_the_oracle(name: str, double: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = survey(BY_NAME[name], double)
    assert result.status == "supported", result
