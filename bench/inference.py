"""The demonstration's models on the reference executor, beside ONNX Runtime with one thread."""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnxruntime

from bench.row import Row, seconds
from synnergy import tensor
from synnergy.demo.models import train_models


def rows() -> list[Row]:
    """Calls/s of each model on its held-out rows, and of one row."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    found: list[Row] = []
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
                ours = 1 / seconds(lambda plan=plan, given=given: plan.run(given))
                peer = 1 / seconds(lambda session=session, given=given: session.run(None, given))
                title = f"invocations_vs_onnxruntime {model.name} batch {batch}"
                found.append(Row(title, ours, "1/s", "ONNX Runtime", peer))
    return found
