"""Linear models, support vector machines and preprocessing of ai.onnx.ml."""

from __future__ import annotations

from synnergy.tensor.kernels.program import Builder, Operand
from synnergy.tensor.kernels.steps import Step
from synnergy.tensor.operators import ml_scores

#: Forms of SCORES_F32: as many columns as scores, or two of one score.
PLAIN, COMPLEMENT, OPPOSED = range(3)


def transform_code(name: str) -> int:
    """A post_transform as kernels number it."""
    return ml_scores.TRANSFORMS.index(name)


def final_scores(builder: Builder, scores: Operand, transform: str, form: int = PLAIN) -> Operand:
    """Rows of raw float32 scores to what comes out. ML-5"""
    rows, count = scores.shape
    result = builder.tensor("float32", (rows, count if form == PLAIN else 2))
    code = transform_code(transform)
    builder.step(Step.SCORES_F32, result, scores, rows, count, code, form)
    return result
