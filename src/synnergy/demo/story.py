"""`synnergy demo`: the main job, end to end, in a throw-away home, through the real commands.

Every step runs the command line as a user would, in a process of its own; the node is a process
too, and is stopped before the receipts are verified.
"""

# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from synnergy.demo.models import DemoModel, train_models

Json = dict[str, Any]

#: Outputs may differ from ONNX Runtime's by this fraction of the largest one.
TOLERANCE = 1e-5
READY_SECONDS = 60


class DemoFailed(Exception):
    """A step did not go as it must."""


@dataclass(slots=True)
class Stage:
    """The throw-away home, the node's address, and what the story has collected."""

    home: Path
    console: Console
    node: str = ""
    receipts: list[tuple[DemoModel, Path, Path]] = field(
        default_factory=list[tuple[DemoModel, Path, Path]]
    )

    def run(self, *arguments: object, refused: bool = False) -> Json:
        """Run one command; its JSON object. `refused` says that it must exit with 1."""
        command = [sys.executable, "-m", "synnergy", "--json", *map(str, arguments)]
        environment = os.environ | {
            "SYNNERGY_HOME": str(self.home),
            "SYNNERGY_NODE": self.node,
            "SYNNERGY_PASSPHRASE": "a demonstration has no secrets",
        }
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        shown = " ".join(map(str, arguments))
        if done.returncode != (1 if refused else 0):
            raise DemoFailed(f"`synnergy {shown}` exited with {done.returncode}: {done.stderr}")
        return json.loads(done.stdout)

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False)

    def chapter(self, title: str) -> None:
        self.console.print()
        self.console.rule(f"[bold]{title}", align="left")


def run(console: Console) -> Json:
    """Tell the whole story on `console`. Returns the summary; raises DemoFailed, MissingExtra."""
    with tempfile.TemporaryDirectory(prefix="synnergy-demo-") as folder:
        stage = Stage(Path(folder) / "home", console)
        stage.chapter("1  A ledger, its regulators and its users")
        ledger = open_ledger(stage)
        with running_node(stage):
            register_users(stage)
            stage.chapter("2  Models: trained, published, approved, priced")
            models = train_models(Path(folder))
            for model in models:
                put_on_sale(stage, model)
            stage.chapter("3  A hospital buys calls and uses them on rows no model has seen")
            matches = [call_model(stage, model) for model in models]
            stage.chapter("4  A clinic where the model isn't allowed")
            refuse_the_clinic(stage, models[0])
            stage.chapter("5  What was spent, what was earned")
            show_money(stage, models)
            app_hash = stage.run("chain", "show")["app_hash"]
        stage.chapter("6  The node is gone; the receipts still prove themselves")
        verified = verify_offline(stage)
        tell_one(stage)
        catch_forgeries(stage, Path(folder))
        stage.chapter("7  The whole ledger, executed again from its first block")
        replayed = stage.run("chain", "replay")
        if replayed["app_hash"] != app_hash:
            raise DemoFailed("the replay ended in another state")
        stage.say(f"{replayed['height']} blocks replayed, the same app hash: {app_hash}")
        say_what_next(stage)
        return {
            "models": [f"publisher/{model.name}@1" for model in models],
            "calls": len(models),
            "outputs_match_onnxruntime": all(matches),
            "receipts_verified": verified,
            "app_hash": app_hash,
            "chain_id": ledger["chain_id"],
        }


def open_ledger(stage: Stage) -> Json:
    """Create the home and its users' wallets."""
    second = stage.run("wallet", "create", "second-regulator")
    ledger = stage.run("init", "--dev", "--regulator", second["address"], "--threshold", "2")
    for name in ("hospital", "clinic"):
        stage.run("wallet", "create", name)
    stage.say(f"chain [bold]{ledger['chain_id']}[/]: local, throw-away, one process")
    stage.say("two regulators; policy changes need both of them")
    return ledger


@contextmanager
def running_node(stage: Stage) -> Generator[None]:
    """The node in a process of its own, ended cleanly."""
    command = [sys.executable, "-m", "synnergy", "start", "--listen", "127.0.0.1:0"]
    environment = os.environ | {"SYNNERGY_HOME": str(stage.home)}
    log = (stage.home / "node.log").open("w+")
    node = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
    )
    try:
        assert node.stdout is not None
        ready = node.stdout.readline()
        address = next((word for word in ready.split() if word.startswith("http://")), "")
        if not address:
            log.seek(0)
            raise DemoFailed(f"the node did not start: {ready}{log.read()}")
        stage.node = address.rstrip(".,")
        yield
    finally:
        node.send_signal(signal.SIGTERM)
        code = node.wait(READY_SECONDS)
        log.close()
    if code != 0:
        raise DemoFailed(f"the node ended with {code}")


def register_users(stage: Stage) -> None:
    """A hospital in Great Britain, a clinic in the United States, both consumers."""
    for name, jurisdiction in (("hospital", "GB"), ("clinic", "US")):
        stage.run("transfer", name, 100_000_000, "--from", "operator")
        stage.run(
            "regulator", "register", name, "--jurisdiction", jurisdiction,
            "--role", "consumer", "--from", "regulator",
        )  # fmt: skip
        stage.say(f"{name}: registered in {jurisdiction} as a consumer, on its own signed request")


def put_on_sale(stage: Stage, model: DemoModel) -> None:
    """Publish, approve by as many regulators as the risk class asks for, offer."""
    use = stage.home / f"{model.name}.txt"
    use.write_text(model.intended_use)
    reference = f"publisher/{model.name}@1"
    published = stage.run(
        "model", "publish", model.path, "--name", model.name, "--version", "1",
        "--intended-use", use, "--jurisdictions", "DE,GB", "--risk", model.risk,
        "--from", "publisher",
    )  # fmt: skip
    approvers = ["regulator", "second-regulator"] if model.risk == "high" else ["regulator"]
    for approver in approvers:
        stage.run("model", "approve", reference, "--from", approver)
    stage.run(
        "model", "offer", reference, "--price-per-call", model.price, "--max-rows", 100,
        "--from", "publisher",
    )  # fmt: skip
    stage.say(
        f"[bold]{model.name}[/] ({model.title}): risk {model.risk}, approved by"
        f" {len(approvers)}, {model.price} a call, digest {published['digest'][:16]}…"
    )


def call_model(stage: Stage, model: DemoModel) -> bool:
    """Quote, buy, invoke; compare with the truth and with ONNX Runtime; export the receipt."""
    reference = f"publisher/{model.name}@1"
    rows = stage.home / f"{model.name}.npy"
    np.save(rows, model.rows)
    licence = stage.run("model", "buy", reference, "--calls", 3, "--from", "hospital")["licence"]
    quoted = stage.run(
        "model", "quote", reference, "--input", rows, "--licence", licence, "--from", "hospital"
    )
    called = stage.run(
        "model", "invoke", reference, "--licence", licence, "--input", rows, "--from", "hospital"
    )
    if called["gas_used"] != quoted["gas"]:
        raise DemoFailed(f"{called['gas_used']} gas was charged, {quoted['gas']} was quoted")
    answers: list[Any] = list(called["outputs"].values())
    labels, scores = np.asarray(answers[0]), np.asarray(answers[1], np.float64)
    expected_labels, expected_scores = model.expected
    deviation = float(np.max(np.abs(scores - expected_scores)) / np.max(np.abs(expected_scores)))
    matches = bool(np.array_equal(labels, expected_labels)) and deviation <= TOLERANCE
    accuracy = float(np.mean(labels == model.truth))
    receipt = stage.home / f"{model.name}.receipt"
    stage.run("receipt", "export", called["receipt"], "--out", receipt)
    stage.receipts.append((model, receipt, rows))
    stage.say(
        f"[bold]{model.name}[/]: {len(labels)} rows, {accuracy:.1%} right; ONNX Runtime agrees"
        f" within {deviation:.1e}; {called['gas_used']:,} gas as quoted, {quoted['price']:,} to"
        " the publisher"
    )
    return matches


def refuse_the_clinic(stage: Stage, model: DemoModel) -> None:
    """The same model, asked for from a jurisdiction that it wasn't approved for."""
    reference = f"publisher/{model.name}@1"
    refused = stage.run("model", "buy", reference, "--calls", 1, "--from", "clinic", refused=True)[
        "error"
    ]
    stage.say(f"the clinic (US) asks for {model.name}: [red]refused[/], {refused['code']}")
    stage.say(f"  {refused['message']}")


def show_money(stage: Stage, models: list[DemoModel]) -> None:
    table = Table("model", "calls", "licensees", "revenue", "gas of inference", box=None)
    for model in models:
        stats = stage.run("model", "stats", f"publisher/{model.name}@1")
        table.add_row(
            model.name,
            str(stats["calls"]),
            str(stats["licensees"]),
            f"{stats['revenue']:,}",
            f"{stats['gas']:,}",
        )
    stage.console.print(table)
    for name in ("publisher", "hospital", "clinic"):
        stage.say(f"{name:>10} has {stage.run('balance', name)['balance']:,}")


def verify_offline(stage: Stage) -> int:
    """Verify each receipt in a process of its own, with nothing but files."""
    stage.node = "http://127.0.0.1:9"
    for model, receipt, rows in stage.receipts:
        stage.run("receipt", "verify", receipt, "--model", model.path, "--input", rows)
        stage.say(f"{receipt.name}: signed, included, recomputed bit for bit: [green]holds[/]")
    return len(stage.receipts)


def tell_one(stage: Stage) -> None:
    told = stage.run("receipt", "show", stage.receipts[0][1])
    stage.say("")
    for sentence in told["sentences"]:
        stage.say(f"  {sentence}")
    stage.say("")


def catch_forgeries(stage: Stage, folder: Path) -> None:
    """A receipt with one flipped bit, and a ledger that calls itself the same."""
    model, receipt, rows = stage.receipts[0]
    tampered = stage.home / "tampered.receipt"
    content = bytearray(receipt.read_bytes())
    content[len(content) // 3] ^= 1
    tampered.write_bytes(content)
    files = ("--model", model.path, "--input", rows)
    caught = stage.run("receipt", "verify", tampered, *files, refused=True)["error"]
    stage.say(f"one bit flipped: [red]refused[/], {caught['code']}: {caught['message']}")
    forger = Stage(folder / "forger", stage.console)
    forged = forger.run("init", "--dev")["genesis"]
    caught = stage.run("receipt", "verify", receipt, *files, "--trusted", forged, refused=True)
    error = caught["error"]
    stage.say(f"a forged ledger: [red]refused[/], {error['code']}: {error['message']}")


def say_what_next(stage: Stage) -> None:
    stage.chapter("Yours now")
    for command in (
        ".venv/bin/synnergy init --dev",
        ".venv/bin/synnergy start --listen 127.0.0.1:7070",
        ".venv/bin/synnergy model publish YOUR.onnx --name yours --from publisher",
    ):
        stage.say(f"  {command}")
