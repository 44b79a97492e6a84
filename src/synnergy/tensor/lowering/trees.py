"""TreeEnsembleRegressor, TreeEnsembleClassifier and TreeEnsemble. ML-29 to ML-36"""

from __future__ import annotations

import numpy as np

from synnergy.tensor.kernels.program import Operand
from synnergy.tensor.kernels.steps import Step
from synnergy.tensor.lowering import forests
from synnergy.tensor.lowering.ml import final_scores, label_table, transform_code
from synnergy.tensor.lowering.registry import Site, lowers
from synnergy.tensor.operators import ml_attributes as read
from synnergy.tensor.operators import ml_trees as reference
from synnergy.tensor.operators.ml_forest import Forest
from synnergy.tensor.types import Array

_HOW = {"SUM": 0, "AVERAGE": 0, "MIN": 1, "MAX": 2}
#: Bytes of keys that a block of rows may take in the cache.
_KEY_BYTES = 1 << 14
_MOST_NODES = 1 << 30


def _rows(x: Operand) -> tuple[int, int]:
    return (1, x.shape[0]) if len(x.shape) == 1 else (x.shape[0], x.shape[1])


def _aggregate(
    site: Site, x: Operand, forest: Forest, targets: int, how: str
) -> tuple[Operand, Operand | None]:
    """(scores in the forest's type, whether a leaf gave each; None: surely) of every row."""
    builder = site.builder
    rows, columns = _rows(x)
    made = forests.tables(forest)
    weights = forest.weights
    dtype = forest.dtype.name
    scores = builder.tensor(dtype, (rows, targets))
    seen = starts = entry_targets = None
    if targets == 1:
        has = weights.start[1:] > weights.start[:-1]
        only: Array = np.zeros(len(has), forest.dtype)
        only[has] = weights.value[weights.start[:-1][has]]
        values = only[made.origin]
    else:
        seen = builder.tensor("bool", (rows, targets))
        starts, entries = _entries(weights.start, made.origin)
        starts = builder.constant(starts)
        entry_targets = builder.constant(weights.target[entries].astype(np.int32))
        values = weights.value[entries]
    keys = max(1, forest.features * (2 if made.sides == 3 else 1)) * forest.dtype.itemsize
    block = max(1, min(rows, _KEY_BYTES // keys) // forests.WALKS) * forests.WALKS
    scratch = builder.thread_scratch(keys * block)
    wide = Step.TREES_WIDE if forest.dtype == np.float32 else Step.TREES_F64
    builder.step(
        Step.TREES_NARROW if made.nodes.dtype == forests.NARROW else wide,
        *(scores, seen, x, x.code, rows, columns, forest.features, made.sides),
        builder.constant(made.nodes.view(np.uint8)),
        *(builder.constant(made.roots), builder.constant(made.depths), forest.trees),
        *(builder.constant(values), starts, entry_targets),
        *(targets, _HOW[how], scratch, block),
    )
    return scores, seen


def _entries(start: Array, origin: Array) -> tuple[Array, Array]:
    """(where each node's entries begin, and the weights they are) for renumbered nodes."""
    lengths = start[origin + 1] - start[origin]
    starts: Array = np.concatenate([[0], np.cumsum(lengths)])
    entries: Array = np.repeat(start[origin] - starts[:-1], lengths)
    entries += np.arange(len(entries))
    return starts.astype(np.int32), entries


def _fits(forest: Forest) -> bool:
    return len(forest.mode) < _MOST_NODES and len(forest.weights.value) < _MOST_NODES


def _regression(site: Site, x: Operand, model: reference.Regressor) -> Operand | None:
    """Final scores: in float64 for TreeEnsemble's float64 inputs, else in float32."""
    wide = site.outputs[0].dtype == "float64"
    final = model.transform == "NONE" or (model.targets == 1 and model.transform != "PROBIT")
    if not x.elements or not _fits(model.forest) or (wide and not final):
        return None
    builder = site.builder
    scores, seen = _aggregate(site, x, model.forest, model.targets, model.aggregate)
    trees = model.forest.trees if model.aggregate == "AVERAGE" else 0
    if trees or len(model.base) or scores.dtype != site.outputs[0].dtype:
        base = builder.constant(model.base) if len(model.base) else None
        summed = scores
        scores = builder.tensor(site.outputs[0].dtype, summed.shape)
        builder.step(
            Step.FOREST_SCORES,
            *(scores, summed, seen, base, *summed.shape, trees, summed.code, scores.code),
        )
    return scores if final else final_scores(builder, scores, model.transform)


@lowers("TreeEnsembleRegressor", "TreeEnsemble", domain=read.DOMAIN)
def regressor(site: Site) -> list[Operand] | None:
    x = site.inputs[0]
    if x is None:
        return None
    newer = site.node.operator == "TreeEnsemble"
    read_model = reference.ensemble if newer else reference.regressor
    result = _regression(site, x, read_model(site.node, x.dtype))
    return None if result is None else [result]


@lowers("TreeEnsembleClassifier", domain=read.DOMAIN, labelling=True)
def classifier(site: Site) -> list[Operand] | None:
    x = site.inputs[0]
    if x is None or not x.elements:
        return None
    model = reference.classifier(site.node, x.dtype)
    if not _fits(model.forest):
        return None
    builder, count = site.builder, model.classes.count
    scores, seen = _aggregate(site, x, model.forest, count, "SUM")
    labels, result = builder.tensor("int64", (scores.shape[0],)), site.result(1)
    base = builder.constant(model.base) if len(model.base) else None
    builder.step(
        Step.FOREST_CLASSES,
        *(labels, result, scores, seen, base, *scores.shape, scores.code, len(model.base)),
        *(transform_code(model.transform), label_table(site, model.classes)),
        *(model.single, model.positive, builder.thread_scratch(4 * count)),
    )
    return [labels, result]
