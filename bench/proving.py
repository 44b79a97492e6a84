"""A small network proved by EZKL beside the same recomputed: the price of not recomputing.

EZKL proves an inference so that nobody need repeat it; a receipt is checked by repeating it.
"""

from __future__ import annotations

import json
import tempfile
import timeit
from pathlib import Path

import ezkl
import numpy as np
import onnx

from bench.nets import mlp
from bench.row import Row, seconds
from synnergy import tensor

SIZES = (4, 20, 20, 3)


def rows() -> list[Row]:
    """Proving and verifying, each beside running the model with exact bits."""
    content = mlp(*SIZES)
    given = np.random.default_rng(0).standard_normal((1, SIZES[0])).astype(np.float32)
    plan = tensor.load(content)
    name = plan.inputs[0].name
    plan.run({name: given})
    ours = min(timeit.repeat(lambda: plan.run({name: given}), number=1000, repeat=5)) / 1000
    with tempfile.TemporaryDirectory() as folder:
        prove, verify = _proof(Path(folder), content, name, given)
    label = "x".join(map(str, SIZES))
    return [
        Row(f"run_vs_ezkl_prove mlp {label}", ours, "s", "EZKL", prove, prove / ours),
        Row(f"run_vs_ezkl_verify mlp {label}", ours, "s", "EZKL", verify, verify / ours),
    ]


def _proof(folder: Path, content: bytes, name: str, given: np.ndarray) -> tuple[float, float]:
    """Seconds to prove and to verify; keys and reference string are made before, unmeasured."""
    model = onnx.load_from_string(content)
    for dimension in model.graph.input[0].type.tensor_type.shape.dim[:1]:
        dimension.dim_value = 1
    onnx.save(model, folder / "model.onnx")
    (folder / "input.json").write_text(json.dumps({"input_data": given.tolist()}))
    path = {key: str(folder / key) for key in ("settings", "circuit", "srs", "vk", "pk")}
    path |= {"proof": str(folder / "proof"), "witness": str(folder / "witness")}
    network, data = str(folder / "model.onnx"), str(folder / "input.json")
    ezkl.gen_settings(network, path["settings"], py_run_args=ezkl.PyRunArgs())
    ezkl.calibrate_settings(data, network, path["settings"], "resources")
    ezkl.compile_circuit(network, path["circuit"], path["settings"])
    rows_log2 = json.loads(Path(path["settings"]).read_text())["run_args"]["logrows"]
    ezkl.gen_srs(path["srs"], rows_log2)
    ezkl.setup(path["circuit"], path["vk"], path["pk"], srs_path=path["srs"])
    ezkl.gen_witness(data, path["circuit"], path["witness"])

    def prove() -> None:
        ezkl.prove(
            *(path["witness"], path["circuit"], path["pk"], path["proof"]), srs_path=path["srs"]
        )

    def verify() -> None:
        if not ezkl.verify(path["proof"], path["settings"], path["vk"], srs_path=path["srs"]):
            raise RuntimeError("EZKL refuses its own proof")

    return min(seconds(prove) for _ in range(2)), min(seconds(verify) for _ in range(5))
