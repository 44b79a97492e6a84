"""The demonstration's models on the reference executor, beside ONNX Runtime with one thread."""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnxruntime

from bench.row import Row, geometric_mean, interleaved
from synnergy import tensor
from synnergy.demo.models import train_models

ROUNDS = 15


def rows(rounds: int = ROUNDS) -> list[Row]:
    """Calls/s of each model on its held-out rows and on one row, and the latency of one row.

    The row of all of them is the geometric mean over the calls with all rows.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    calls: list[Row] = []
    latencies: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for model in train_models(Path(folder)):
            content = model.path.read_bytes()
            plan = tensor.load(content)
            session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
            name = plan.inputs[0].name
            for batch in (1, len(model.rows)):
                given = {name: model.rows[:batch]}
                taken = interleaved(
                    lambda plan=plan, given=given: plan.run(given),
                    lambda session=session, given=given: session.run(None, given),
                    rounds,
                )
                title = f"invocations_vs_onnxruntime {model.name} batch {batch}"
                calls.append(
                    Row(title, 1 / taken.ours, "1/s", "ONNX Runtime", 1 / taken.peer, taken.ratio)
                )
                if batch == 1:
                    latencies.append(
                        Row(
                            f"invocation_latency {model.name}",
                            taken.ours * 1e6,
                            "µs",
                            "ONNX Runtime",
                            taken.peer * 1e6,
                            1 / taken.ratio,
                        )
                    )
    whole = [row for row in calls if not row.name.endswith("batch 1")]
    total = Row(
        "invocations_vs_onnxruntime",
        geometric_mean([row.value for row in whole]),
        "1/s",
        "ONNX Runtime",
        geometric_mean([row.peer_value for row in whole]),
        geometric_mean([row.ratio for row in whole]),
    )
    return [total, *calls, *latencies]
