"""Nets of usual kinds on the kernels, beside ONNX Runtime with one thread, in turn in one run.

tensor_native …     the fastest kernels of this machine (the path "auto")
tensor_wasm …       the same in WASM, which any machine runs
… int8 …            a quantised net beside the float32 one on ONNX Runtime
tensor_deviation …  the largest difference from ONNX Runtime's outputs, as a part of the
                    largest output, beside 1e-5; 0 means that they are its very bits
"""

from __future__ import annotations

import math
import timeit
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime

from bench import nets, quantised
from bench.row import Row, geometric_mean, interleaved
from synnergy import tensor
from synnergy.tensor.kernels.selection import NoKernels, runtime_of

Array = np.ndarray[Any, Any]
Feed = Callable[[int], dict[str, Array]]

#: How far an output may be from ONNX Runtime's, as a part of the largest.
ALLOWED = 1e-5
#: Seconds that one comparison may take, rounds of both in turn.
_SECONDS = 2.5
_ROUNDS = (3, 25)


@dataclass(frozen=True)
class Subject:
    """A net: its model, its inputs at a batch size; `peer` is what ONNX Runtime runs instead.

    group: what the geometric mean of its kind is called.
    """

    name: str
    group: str
    model: bytes
    feed: Feed
    batches: tuple[int, ...] = (1, 64)
    peer: bytes | None = None
    wasm: bool = True


def rows() -> list[Row]:
    """The rows of every net; first the geometric means of each kind."""
    timed: list[Row] = []
    deviations: list[Row] = []
    groups: dict[str, list[Row]] = {}
    for subject in subjects():
        plan = tensor.load(subject.model)
        peer = _session(subject.peer or subject.model)
        for batch in subject.batches:
            given = subject.feed(batch)
            for kernel in ("native", "wasm") if subject.wasm else ("native",):
                row = _timed(subject, plan, peer, given, batch, kernel)
                if row is not None:
                    timed.append(row)
                    groups.setdefault(f"tensor_{kernel}_{subject.group}", []).append(row)
            if subject.peer is None:
                deviations.append(_deviation(subject, plan, peer, given, batch))
    means = [_mean(name, members) for name, members in sorted(groups.items())]
    return [*means, *timed, *deviations]


def _mean(name: str, members: list[Row]) -> Row:
    return Row(
        name,
        geometric_mean([row.value for row in members]),
        "1/s",
        "ONNX Runtime",
        geometric_mean([row.peer_value for row in members]),
        geometric_mean([row.ratio for row in members]),
    )


def _session(content: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _timed(
    subject: Subject,
    plan: tensor.Plan,
    peer: onnxruntime.InferenceSession,
    given: Mapping[str, Array],
    batch: int,
    kernel: str,
) -> Row | None:
    """Calls/s; short calls are repeated within a round. None where there is no such kernel."""
    try:
        runtime_of(kernel)
    except NoKernels:
        return None

    def ours() -> object:
        return plan.run(given, kernel=kernel)

    def theirs() -> object:
        return peer.run(None, given)

    ours()
    theirs()
    once = timeit.timeit(ours, number=1) + timeit.timeit(theirs, number=1)
    repeat = max(1, math.ceil(0.01 / once))
    rounds = min(max(int(_SECONDS / (once * repeat)), _ROUNDS[0]), _ROUNDS[1])
    taken = interleaved(
        lambda: timeit.timeit(ours, number=repeat),
        lambda: timeit.timeit(theirs, number=repeat),
        rounds,
    )
    return Row(
        f"tensor_{kernel} {subject.name} batch {batch}",
        repeat / taken.ours,
        "1/s",
        "ONNX Runtime",
        repeat / taken.peer,
        taken.ratio,
    )


def _deviation(
    subject: Subject,
    plan: tensor.Plan,
    peer: onnxruntime.InferenceSession,
    given: Mapping[str, Array],
    batch: int,
) -> Row:
    """Labels of classifiers are no numbers and are left out."""
    mine = plan.run(given)
    worst = 0.0
    for entry, other in zip(peer.get_outputs(), peer.run(None, given), strict=True):
        if isinstance(other, np.ndarray) and other.dtype.kind == "f" and other.size:
            array = np.asarray(mine[entry.name], np.float64)
            largest = max(float(np.abs(other).max()), 1e-30)
            worst = max(worst, float(np.abs(array - other).max()) / largest)
    name = f"tensor_deviation {subject.name} batch {batch}"
    return Row(name, worst, "of the largest output", "allowed", ALLOWED, worst / ALLOWED)


def _normal(name: str, *shape: int) -> Feed:
    """Normally distributed rows for one input; the batch comes first."""

    def feed(batch: int) -> dict[str, Array]:
        generator = np.random.default_rng(batch)
        return {name: generator.standard_normal((batch, *shape)).astype(np.float32)}

    return feed


def _tokens(batch: int) -> dict[str, Array]:
    """Token numbers of an encoder; the mask hides a quarter of each row."""
    generator = np.random.default_rng(batch)
    mask = np.ones((batch, 128), np.int64)
    mask[:, 96:] = 0
    return {"tokens": generator.integers(0, 1000, (batch, 128)), "mask": mask}


def _step(batch: int) -> dict[str, Array]:
    """One token of a decoder with the keys and values of 63 before it."""
    generator = np.random.default_rng(batch)
    given: dict[str, Array] = {
        "token": generator.integers(0, 1000, (batch, 1)),
        "place": np.full((batch, 1), 63, np.int64),
    }
    for layer in range(4):
        for name in (f"past_key_{layer}", f"past_value_{layer}"):
            given[name] = generator.standard_normal((batch, 8, 63, 32)).astype(np.float32)
    return given


def subjects() -> list[Subject]:
    """The nets of the table."""
    return [
        Subject("mlp 784-128-10", "matrix", nets.mlp(784, 128, 10), _normal("x", 784)),
        Subject("mlp 784-512-512-10", "matrix", nets.mlp(784, 512, 512, 10), _normal("x", 784)),
        Subject("lenet", "convolution", nets.lenet(), _normal("x", 1, 28, 28)),
        Subject("mobilenet", "convolution", nets.mobilenet(), _normal("x", 3, 224, 224)),
        Subject("resnet", "convolution", nets.resnet(), _normal("x", 3, 224, 224)),
        Subject("encoder", "encoder", nets.encoder(), _tokens, (1, 8)),
        Subject("decoder step", "encoder", nets.decoder(), _step, (1, 8)),
        Subject("100 trees", "trees", nets.boosted(100), _normal("x", 20)),
        Subject("1000 trees", "trees", nets.boosted(1000), _normal("x", 20)),
        Subject("LSTM", "recurrent", nets.recurrent("LSTM"), _normal("x", 50, 128)),
        Subject("GRU", "recurrent", nets.recurrent("GRU"), _normal("x", 50, 128)),
        *_quantised(),
    ]


def _quantised() -> list[Subject]:
    """Nets of 8-bit integers beside what they were made of."""
    mlp, image = nets.mlp(784, 512, 512, 10), _normal("x", 3, 224, 224)
    lenet, resnet, encoder = nets.lenet(), nets.resnet(), nets.encoder()
    made = quantised.dynamic
    return [
        Subject("int8 mlp 784-512-512-10", "int8", made(mlp), _normal("x", 784), peer=mlp),
        Subject("int8 lenet", "int8", made(lenet), _normal("x", 1, 28, 28), peer=lenet),
        Subject("int8 resnet", "int8", quantised.static(resnet), image, (1,), peer=resnet),
        Subject("int8 encoder", "int8", made(encoder), _tokens, (1, 8), peer=encoder),
    ]
