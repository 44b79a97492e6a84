"""Train, export and run one estimator on both engines, and say how they agree."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pandas
from estimator_cases import Case
from estimator_data import Data, load
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common import data_types as tool_types
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import (
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
)
from threadpoolctl import threadpool_limits

from synnergy.tensor.plan import load as load_plan
from synnergy.tensor.types import BadInput, Unsupported

TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class Result:
    """status: supported, unsupported, differs, not exported (no file), or invalid (ONNX Runtime
    cannot run the file that was exported either)."""

    status: str
    operators: tuple[str, ...] = ()
    note: str = ""
    difference: float = 0.0


def _tensor_type(column: np.ndarray, double: bool) -> Any:
    width = [None, column.shape[1]]
    if column.dtype == object:
        return StringTensorType(width)
    if column.dtype.kind == "i":
        return Int64TensorType(width)
    return DoubleTensorType(width) if double else FloatTensorType(width)


def _cast(column: np.ndarray, double: bool) -> np.ndarray:
    if column.dtype == object or column.dtype.kind == "i":
        return column
    return column.astype(np.float64 if double else np.float32)


def _training(data: Data, double: bool) -> Any:
    if isinstance(data.x, dict):
        return pandas.DataFrame({name: column[:, 0] for name, column in data.x.items()})
    return _cast(data.x, double)


def _fitted(case: Case, data: Data, double: bool) -> Any:
    model = case.make()
    x = _training(data, double)
    if case.data == "texts":
        x = x[:, 0]
    if hasattr(model, "random_state"):
        model.random_state = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(x, data.y)


def _scopes(model: Any) -> list[Any]:
    """The model and every estimator inside a pipeline, to which options may belong."""
    steps = getattr(model, "steps", None)
    return [model] if steps is None else [model, *(step for _, step in steps)]


def _options(case: Case, model: Any) -> dict[Any, Any]:
    options: dict[Any, Any] = {}
    final = _scopes(model)[-1]
    if hasattr(final, "predict_proba") or hasattr(final, "decision_function"):
        options[id(final)] = {"zipmap": case.zipmap}
    for name, value in case.options.items():
        if name == "locale":
            for step in _scopes(model):
                if type(step).__name__ in ("CountVectorizer", "TfidfVectorizer"):
                    options[id(step)] = {"locale": value}
        else:
            options.setdefault(id(model), {})[name] = value
    return options


def export(case: Case, data: Data, model: Any, double: bool) -> onnx.ModelProto:
    """The ONNX file of a fitted model; raises whatever the exporter raises."""
    held = data.held if isinstance(data.held, dict) else {"X": data.held}
    types = [(name, _tensor_type(column, double)) for name, column in held.items()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if case.exporter == "skl2onnx":
            return _exported(case, model, types)
        plain = tool_types.DoubleTensorType if double else tool_types.FloatTensorType
        types = [(name, plain(kind.shape)) for name, kind in types]
        if case.exporter == "lightgbm":
            return convert_lightgbm(model, initial_types=types, zipmap=False)
        return convert_xgboost(model, initial_types=types)


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raise TimeoutError after so much processor time: skl2onnx loops for ever on some trees."""

    def stop(*_: Any) -> None:
        raise TimeoutError("the exporter does not come to an end")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _exported(case: Case, model: Any, types: list[Any]) -> onnx.ModelProto:
    """skl2onnx knows the option zipmap for some models only, writes some in older sets only."""
    options, opsets = _options(case, model), None
    for _ in range(2):
        try:
            return convert_sklearn(
                model, initial_types=types, options=options, target_opset=opsets
            )
        except Exception as error:
            if "zipmap" in str(error):
                # Without any option of its own a pipeline's last step is given zipmap again.
                last = id(_scopes(model)[-1])
                nothing = {"nocl": False} if last != id(model) else {}
                options = {**options, last: nothing}
                options = {key: value for key, value in options.items() if value}
            elif "target_opset" in str(error):
                opsets = {"": 18, "ai.onnx.ml": 3}
            else:
                raise
    return convert_sklearn(model, initial_types=types, options=options, target_opset=opsets)


def feeds(data: Data, double: bool) -> dict[str, np.ndarray]:
    held = data.held if isinstance(data.held, dict) else {"X": data.held}
    return {name: _cast(column, double) for name, column in held.items()}


def oracle(model: onnx.ModelProto, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, arrays), strict=True))


def difference(mine: Any, theirs: Any) -> float:
    """Largest difference over the largest output; infinite where labels or shapes differ."""
    if isinstance(theirs, list):
        if [list(row) for row in mine] != [list(row) for row in theirs]:
            return np.inf
        mine = np.array([list(row.values()) for row in mine])
        theirs = np.array([list(row.values()) for row in theirs])
    theirs = np.asarray(theirs)
    if mine.shape != theirs.shape:
        return np.inf
    if theirs.dtype.kind not in "f":
        return 0.0 if mine.tolist() == theirs.tolist() else np.inf
    unknown = np.isnan(theirs)
    if (np.isnan(mine) != unknown).any():
        return np.inf
    infinite = np.isinf(theirs)
    if (mine[infinite] != theirs[infinite]).any():
        return np.inf
    finite = ~unknown & ~infinite
    if not finite.any():
        return 0.0
    largest = float(np.abs(theirs[finite]).max()) or 1.0
    apart = np.abs(mine[finite].astype(np.float64) - theirs[finite].astype(np.float64))
    return float(apart.max()) / largest


def operators_of(model: onnx.ModelProto) -> tuple[str, ...]:
    """Names of all operators, those of subgraphs included."""

    def walk(graph: onnx.GraphProto) -> set[str]:
        found = set()
        for node in graph.node:
            found.add(node.op_type)
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.GRAPH:
                    found |= walk(attribute.g)
        return found

    return tuple(sorted(walk(model.graph)))


def _sentence(error: BaseException) -> str:
    first = str(error).strip().splitlines()
    return " ".join((first[0] if first else type(error).__name__).split())[:160]


def survey(case: Case, double: bool) -> Result:
    """Train, export, run on both sides, compare. On one thread: busy machines starve teams."""
    with threadpool_limits(1):
        return _survey(case, double)


def _survey(case: Case, double: bool) -> Result:
    data = load(case.data)
    fitted = _fitted(case, data, double)
    try:
        with _limited(20):
            model = export(case, data, fitted, double)
    except Exception as error:
        return Result("not exported", note=_sentence(error))
    operators = operators_of(model)
    arrays = feeds(data, double)
    theirs, failure = None, ""
    try:
        theirs = oracle(model, arrays)
    except Exception as error:
        failure = f"ONNX Runtime cannot run the file: {_sentence(error)}"
    try:
        plan = load_plan(model.SerializeToString())
        mine = plan.run(arrays)
    except (Unsupported, BadInput) as error:
        problems = error.problems[:3] if isinstance(error, Unsupported) else (error,)
        note = "; ".join(dict.fromkeys(map(str, problems)))
        return Result("invalid" if failure else "unsupported", operators, failure or note)
    if theirs is None:
        apart = _from_scikit_learn(fitted, data, double, next(iter(mine.values())))
        if apart <= TOLERANCE:
            note = "ONNX Runtime cannot run the file; equals scikit-learn"
            return Result("supported", operators, note, apart)
        return Result("invalid", operators, failure, apart)
    worst = max(difference(mine[name], value) for name, value in theirs.items())
    if worst > TOLERANCE:
        first = next(iter(theirs))
        near = _from_scikit_learn(fitted, data, double, mine[first])
        far = _from_scikit_learn(fitted, data, double, theirs[first])
        if near <= far < np.inf:
            note = "nearer to scikit-learn than ONNX Runtime is"
            return Result("supported", operators, note, worst)
        note = f"by {worst:.1e}; from scikit-learn by {near:.1e}, ONNX Runtime by {far:.1e}"
        return Result("differs", operators, note, worst)
    note = "" if plan.static else "work depends on values: local runs only"
    return Result("supported", operators, note, worst)


def _from_scikit_learn(fitted: Any, data: Data, double: bool, first: Any) -> float:
    """Difference of the first output from scikit-learn's own result."""
    if isinstance(data.held, dict):
        x: Any = pandas.DataFrame({name: column[:, 0] for name, column in data.held.items()})
    else:
        x = _cast(data.held, double)
    call = getattr(fitted, "predict", None) or fitted.transform
    expected = call(x)
    if hasattr(expected, "toarray"):
        expected = expected.toarray()
    expected = np.asarray(expected)
    if not isinstance(first, np.ndarray) or expected.size != first.size:
        return np.inf
    return difference(expected.reshape(first.shape), first)
