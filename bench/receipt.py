"""`synnergy receipt verify` in a process of its own, with the demonstration's first model."""

from __future__ import annotations

import os
import statistics
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.row import Row, seconds
from synnergy.demo import story
from synnergy.demo.models import train_models

ROUNDS = 7
#: Seconds in which a receipt should be verified, the interpreter's start included.
AIM = 1.0


def rows(rounds: int = ROUNDS) -> list[Row]:
    """Seconds from the command's start to its end, without a node; the peer is the aim."""
    # As users have it: bytecode beside what is installed, no development mode; only where the
    # modules are found is taken from this shell.
    for name in [name for name in os.environ if name.startswith("PYTHON")]:
        if name != "PYTHONPATH":
            del os.environ[name]
    with tempfile.TemporaryDirectory() as folder:
        stage = story.Stage(Path(folder) / "home", Console(quiet=True))
        story.open_ledger(stage)
        with story.running_node(stage):
            story.register_users(stage)
            model = train_models(Path(folder))[0]
            story.put_on_sale(stage, model)
            assert story.call_model(stage, model)
        stage.node = "http://127.0.0.1:9"
        given = stage.home / f"{model.name}.npy"
        assert np.load(given).shape == model.rows.shape
        receipt = stage.receipts[0][1]
        command = ("receipt", "verify", receipt, "--model", model.path, "--input", given)
        stage.run(*command)
        taken = [seconds(lambda: stage.run(*command)) for _ in range(rounds)]
    median = statistics.median(taken)
    return [Row("receipt_verify_cold", median, "s", "aim", AIM, median / AIM)]
