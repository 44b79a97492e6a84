"""A receipt of a real ledger, verified by the package alone: it holds, and nothing forged does."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np

from synnergy.chain.commits import save_commit, save_steps
from synnergy.chain.genesis import encode_genesis_file
from synnergy.receipts.comet import Timestamp
from synnergy.receipts.file import Opening
from tests.ledger.conftest import logistic as logistic
from tests.ledger.harness import Ledger, tensors
from tests.ledger.test_main_job import bought, export, invoke
from tests.receipts.forging import commit, header, network
from tests.web.conftest import Run

COMMAND = ("node", "bin/synnergy-verify.mjs")


def test_it_holds_and_no_flipped_bit_does(run: Run, evidence: Path) -> None:
    done = run("node", "--test", "test/receipts.test.mjs", SYNNERGY_EVIDENCE=evidence)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    assert "# skipped 0" in done.stdout


def test_the_command_says_what_was_checked(run: Run, evidence: Path) -> None:
    """Exit codes: 0 all holds, 1 something fails, 2 usage, 3 not everything was checked."""
    source = next(evidence.glob("input.*"))
    files = (evidence / "call.receipt", evidence / "model.onnx")
    trusted = ("--genesis", evidence / "genesis.json")
    whole = run(*COMMAND, *files, "--input", source, *trusted)
    assert whole.returncode == 0, whole.stdout + whole.stderr
    assert "the same bits" in whole.stdout and "signed by the trusted chain" in whole.stdout
    told = json.loads(run(*COMMAND, *files, "--input", source, *trusted, "--json").stdout)
    assert told["ok"] and told["kernels"] == "relaxed" and told["outputs"]
    for fewer in ((*trusted,), ("--input", source)):
        partly = run(*COMMAND, *files, *fewer)
        assert partly.returncode == 3 and "NOT everything" in partly.stdout
    other = evidence / "other.npy"
    np.save(other, np.load(source) + np.float32(1))
    assert run(*COMMAND, *files, "--input", other, *trusted).returncode == 1
    assert run(*COMMAND, files[0]).returncode == 2
    assert run(*COMMAND, files[0], evidence / "nowhere.onnx").returncode == 2


def test_a_networks_receipt_holds_by_its_genesis_alone(
    run: Run, tmp_path: Path, logistic: tuple[bytes, np.ndarray]
) -> None:
    """RCPT-10: through a change of its validators."""
    first, second = {"a": 10, "b": 20}, {"b": 20, "c": 15}
    genesis = network({**first, "d": 0})
    content, rows = logistic
    ledger = Ledger(tmp_path / "data", genesis)
    model, licence = bought(ledger, content)
    raw, attachment = invoke(ledger, model, licence, rows)
    receipt = ledger.block(raw)[0].receipts[0]
    last = ledger.application.header
    step = commit(header(last.height - 2, first, second, chain_id=last.chain_id), first)
    head = header(
        last.height + 1,
        second,
        chain_id=last.chain_id,
        app_hash=last.app_hash,
        time=Timestamp(last.time // 1000, last.time % 1000 * 1_000_000 + 1),
    )
    with ledger.store.write() as batch:
        save_commit(batch, commit(head, second))
        save_steps(batch, (step,))
    exported = export(ledger, receipt, Opening(attachment.salt, None, None))
    ledger.close()
    files = {
        "call.receipt": exported,
        "model.onnx": content,
        "input.tensors": tensors(X=rows),
        "genesis.json": encode_genesis_file(genesis),
    }
    # Two validators of three, but with too few votes.
    file = msgspec.msgpack.decode(exported)
    file["root"]["last"]["signed"]["signatures"] = file["root"]["last"]["signed"]["signatures"][:1]
    files["weak.receipt"] = msgspec.msgpack.encode(file)
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    more = ("--input", tmp_path / "input.tensors", "--genesis", tmp_path / "genesis.json")
    done = run(*COMMAND, tmp_path / "call.receipt", tmp_path / "model.onnx", *more)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 2 validators of the trusted chain, with 35 of 35 votes" in done.stdout
    weak = run(*COMMAND, tmp_path / "weak.receipt", tmp_path / "model.onnx", *more)
    assert weak.returncode == 1 and "more than two thirds must" in weak.stdout
