"""Random forests as attributes, for comparison with the oracle."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ")
Branch = tuple[str, int, float, int, int]


@dataclass(frozen=True)
class Shape:
    """What a random forest looks like."""

    trees: int = 3
    features: int = 3
    depth: int = 4
    modes: Sequence[str] = MODES
    targets: Sequence[int] = (0,)
    missing: bool = False
    dense: bool = True
    positive: bool = False
    whole: bool = False


def _grow(rng: np.random.Generator, shape: Shape) -> list[Branch]:
    nodes: list[Any] = []

    def grow(depth: int) -> int:
        place = len(nodes)
        nodes.append(("LEAF", 0, 0.0, 0, 0))
        if depth == 0 or (depth < shape.depth and rng.random() < 0.25):
            return place
        value = float(rng.integers(-2, 3)) if shape.whole else float(np.float32(rng.normal()))
        false, true = grow(depth - 1), grow(depth - 1)
        mode, feature = str(rng.choice(shape.modes)), int(rng.integers(shape.features))
        nodes[place] = (mode, feature, value, true, false)
        return place

    grow(shape.depth)
    return nodes


def forest(rng: np.random.Generator, shape: Shape, prefix: str) -> dict[str, Any]:
    """Attributes of TreeEnsembleClassifier (prefix "class") or -Regressor ("target")."""
    attributes: dict[str, Any] = defaultdict(list)
    for tree in range(shape.trees):
        for index, (mode, feature, value, true, false) in enumerate(_grow(rng, shape)):
            attributes["nodes_treeids"].append(tree)
            attributes["nodes_nodeids"].append(index)
            attributes["nodes_modes"].append(mode)
            attributes["nodes_featureids"].append(feature)
            attributes["nodes_values"].append(value)
            attributes["nodes_truenodeids"].append(true)
            attributes["nodes_falsenodeids"].append(false)
            if shape.missing:
                tracks = attributes["nodes_missing_value_tracks_true"]
                tracks.append(int(rng.integers(2)))
            if mode != "LEAF":
                continue
            for target in shape.targets:
                if shape.dense or rng.random() < 0.7 or not attributes[f"{prefix}_ids"]:
                    weight = float(np.float32(rng.normal()))
                    attributes[f"{prefix}_treeids"].append(tree)
                    attributes[f"{prefix}_nodeids"].append(index)
                    attributes[f"{prefix}_ids"].append(target)
                    attributes[f"{prefix}_weights"].append(
                        abs(weight) if shape.positive else weight
                    )
    return dict(attributes)


def rows(rng: np.random.Generator, shape: Shape, count: int = 9) -> np.ndarray:
    """Inputs that meet the thresholds often, with some NaN."""
    x = rng.normal(size=(count, shape.features))
    if shape.whole:
        x = np.round(x)
    x[rng.random(x.shape) < 0.15] = np.nan
    return x
