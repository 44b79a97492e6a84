"""Digests of results on fixed inputs: a changed bit anywhere is a changed digest.

Run this file as a module (`python -m tests.tensor.shapes.test_golden`) to write them anew.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from synnergy.tensor.numerics import canonicalise
from synnergy.tensor.operators.registry import OPERATORS
from synnergy.tensor.types import Array

from .oracle import Names
from .seeds import SEEDS, Seed
from .test_hostile import outcome

GOLDEN = Path(__file__).with_name("golden.json")


def digest(results: list[Array]) -> str:
    """sha256 over types, shapes and little-endian contents, NaN canonicalised."""
    total = hashlib.sha256()
    for result in results:
        kind, array = result.dtype.name, canonicalise(result)
        texts = "\0".join(array.reshape(-1).tolist()).encode() if kind == "object" else b""
        total.update(f"{kind}{list(result.shape)}".encode())
        total.update(texts or np.array(array, order="C").tobytes())
    return total.hexdigest()


def run(seed: Seed) -> list[Array]:
    node = seed.node()
    names = dict(zip(node.inputs, seed.inputs, strict=True))
    with np.errstate(all="ignore"):
        operator = OPERATORS[node.domain, node.operator]
        return operator.run(node, list(seed.inputs), Names(names))


def key(place: int) -> str:
    return f"{place:02} {SEEDS[place].operator}"


@pytest.mark.parametrize("place", range(len(SEEDS)), ids=key)
def test_results_keep_their_bits(place: int) -> None:
    golden = json.loads(GOLDEN.read_text())
    assert digest(run(SEEDS[place])) == golden[key(place)]


@pytest.mark.parametrize("place", range(len(SEEDS)), ids=key)
def test_every_seed_is_valid(place: int) -> None:
    seed = SEEDS[place]
    assert outcome(seed.node(), list(seed.inputs), seed.mask()) == "ran"


if __name__ == "__main__":
    digests = {key(place): digest(run(seed)) for place, seed in enumerate(SEEDS)}
    GOLDEN.write_text(json.dumps(digests, indent=1) + "\n")
