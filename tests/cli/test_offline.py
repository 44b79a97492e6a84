"""Commands that need no node."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from synnergy.cli import gas
from synnergy.gas.schedule import load_schedule
from synnergy.tensor.kernels import selection
from synnergy.tensor.kernels.selection import builds
from synnergy.tensor.selftest import check
from synnergy.tensor.selftest.models import models
from tests.cli.support import run


def linear(path: Path, operator: str = "MatMul") -> Path:
    weights = np.array([[1, 2], [3, 4]], np.float32)
    graph = helper.make_graph(
        [helper.make_node(operator, ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def test_init(capsys: pytest.CaptureFixture[str], surroundings: Path) -> None:
    done = run(capsys, "init", "--dev", "--json")
    fields = done.json
    assert done.code == 0
    assert fields["home"] == str(surroundings)
    assert fields["genesis"] == str(surroundings / "genesis.json")
    assert set(fields["wallets"]) == {"operator", "regulator", "publisher", "consumer"}
    genesis = json.loads(Path(fields["genesis"]).read_text())
    assert genesis["chain_id"] == fields["chain_id"]
    balances = {w["address"]: w["balance"] for w in genesis["genesis"]["wallets"]}
    assert sum(balances.values()) == 9 * 10**15
    assert balances[fields["wallets"]["consumer"]] == 10**12
    again = run(capsys, "init", "--dev", "--json")
    assert again.code == 1 and again.json["error"]["code"] == "already_initialised"
    assert "LOCAL DEVELOPMENT ONLY" in run(capsys, "init", "--dev", "--home", "other").err


def test_init_without_dev_seals_its_wallets(
    capsys: pytest.CaptureFixture[str], surroundings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = run(capsys, "init", "--json")
    assert refused.code == 1 and refused.json["error"]["code"] == "no_passphrase"
    monkeypatch.setenv("SYNNERGY_PASSPHRASE", "secret")
    fields = run(capsys, "init", "--json").json
    assert set(fields["wallets"]) == {"operator", "regulator"}
    assert all(
        entry["encrypted"] for entry in run(capsys, "wallet", "ls", "--json").json["wallets"]
    )
    monkeypatch.setenv("SYNNERGY_PASSPHRASE", "wrong")
    done = run(capsys, "wallet", "request", "operator", "--out", "r.json", "--json")
    assert done.code == 1 and done.json["error"]["code"] == "wrong_passphrase"
    passphrase = surroundings.parent / "passphrase"
    passphrase.write_text("secret\n")
    line = ["wallet", "request", "operator", "--out", "r.json", "--json"]
    done = run(capsys, *line, "--passphrase-file", passphrase)
    assert done.code == 0
    request = json.loads(Path("r.json").read_text())
    assert request["chain_id"] == fields["chain_id"]
    assert (done.json["address"], done.json["public_key"]) == (
        request["address"],
        request["public_key"],
    )


def test_wallets(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNNERGY_PASSPHRASE", "secret")
    created = run(capsys, "wallet", "create", "alice", "--json").json
    assert set(created) >= {"name", "address", "public_key"}
    taken = run(capsys, "wallet", "create", "alice", "--json")
    assert taken.code == 1 and taken.json["error"]["code"] == "wallet_exists"
    bad = run(capsys, "wallet", "create", "Alice/..", "--json")
    assert bad.code == 2
    listed = run(capsys, "wallet", "ls", "--json").json["wallets"]
    assert [entry["name"] for entry in listed] == ["alice"]


def test_a_development_home_asks_for_no_passphrase(capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "init", "--dev")
    done = run(capsys, "wallet", "create", "bob")
    assert done.code == 0 and "NOT ENCRYPTED" in done.err


def test_gas_and_opcodes(capsys: pytest.CaptureFixture[str]) -> None:
    prices = run(capsys, "gas", "ls", "--json").json["prices"]
    assert all(set(row) == {"name", "gas", "description"} for row in prices)
    by_name = {row["name"]: row["gas"] for row in prices}
    shown = run(capsys, "gas", "show", "LEDGER_TRANSFER", "--json").json
    assert shown["gas"] == by_name["LEDGER_TRANSFER"]
    assert run(capsys, "gas", "show", "nothing", "--json").code == 1
    opcodes = run(capsys, "opcode", "ls", "--json").json["opcodes"]
    rows = {row["name"]: row for row in opcodes}
    assert rows["LEDGER_TRANSFER"]["code"] == "0x010001"
    assert rows["LEDGER_TRANSFER"]["policy"] == "transfer"
    assert rows["REGULATION_SET_POLICY"]["policy"] == "m-of-n"
    assert rows["CORE_I64_ADD"]["policy"] is None
    assert all(by_name[row["name"]] == row["gas"] for row in opcodes)


def test_gas_check_names_every_offender(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = load_schedule(1)
    prices = dict(schedule.opcodes)
    prices["LEDGER_PRINT_MONEY"] = prices.pop("LEDGER_TRANSFER")
    broken = type(schedule)(
        schedule.version,
        prices,
        schedule.units,
        schedule.intrinsic,
        schedule.tensor,
        schedule.limits,
    )
    monkeypatch.setattr(gas, "load_schedule", lambda _version: broken)
    monkeypatch.setattr(gas, "_stale_pages", lambda _schedule: ["docs/reference/gas.md is old"])
    done = run(capsys, "gas", "check", "--json")
    assert done.code == 1
    for offender in ("LEDGER_TRANSFER", "LEDGER_PRINT_MONEY", "docs/reference/gas.md"):
        assert offender in done.json["error"]["message"]
        assert any(offender in problem for problem in done.json["problems"])


def test_tensor_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model = linear(tmp_path / "m.onnx")
    (tmp_path / "x.csv").write_text("a,b\n1,1\n2,0\n")
    done = run(capsys, "tensor", "run", model, "--input", "x.csv", "--out", "y.npz", "--json")
    assert done.json["outputs"] == {"y": [[4.0, 6.0], [2.0, 4.0]]}
    with np.load("y.npz") as written:
        assert written["y"].tolist() == [[4.0, 6.0], [2.0, 4.0]]
    (tmp_path / "bad.csv").write_text("a,b,c\n1,1,1\n")
    bad = run(capsys, "tensor", "run", model, "--input", "bad.csv", "--json")
    assert bad.code == 1 and bad.json["error"]["code"] == "bad_input"
    wrong = run(capsys, "tensor", "run", model, "--input", "x.csv", "--out", "y.pkl", "--json")
    assert wrong.code == 2


@pytest.mark.parametrize("kernel", ["auto", "reference", *builds()])
def test_tensor_run_takes_a_path_and_threads(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, kernel: str
) -> None:
    model = linear(tmp_path / "m.onnx")
    Path("x.json").write_text('{"x": [[1, 2], [5, 6]]}')
    words = ("tensor", "run", model, "--input", "x.json", "--kernel", kernel, "--threads", "2")
    assert run(capsys, *words, "--json").json["outputs"] == {"y": [[7.0, 10.0], [23.0, 34.0]]}


def test_tensor_run_refuses_a_path_that_is_not_there(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = linear(tmp_path / "m.onnx")
    Path("x.json").write_text('{"x": [[1, 2]]}')
    words = ("tensor", "run", model, "--input", "x.json", "--json", "--kernel")
    unknown = run(capsys, *words, "gpu")
    assert unknown.code == 2 and "none of auto, native, wasm, reference" in unknown.err
    monkeypatch.setattr(selection, "build_named", lambda name: "isn't installed")
    selection.chosen.cache_clear()
    selection.verdict_of.cache_clear()
    try:
        gone = run(capsys, *words, "native")
    finally:
        monkeypatch.undo()
        selection.chosen.cache_clear()
        selection.verdict_of.cache_clear()
    assert gone.code == 1 and gone.json["error"]["code"] == "no_kernels"
    assert "native-avx2 isn't installed" in gone.json["error"]["message"]


def test_tensor_selftest_says_what_each_path_gave(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = list(models())[:2]
    known = {case.name: check.recorded()[case.name] for case in cases}
    monkeypatch.setattr(check, "cases", lambda: iter(cases))
    monkeypatch.setattr(check, "recorded", lambda: known)
    held = run(capsys, "tensor", "selftest", "--kernel", "reference", "--json")
    assert held.code == 0 and held.json["held"] and held.json["cases"] == 2
    assert held.json["paths"][0]["equal"] == 2
    known[cases[0].name] = check.Recorded(known[cases[0].name].case, "0" * 64)
    failed = run(capsys, "tensor", "selftest", "--kernel", "reference", "--json")
    assert failed.code == 1 and failed.json["error"]["code"] == "selftest_failed"
    assert failed.json["paths"][0]["different"] == [cases[0].name]


def test_tensor_check(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    fields = run(capsys, "tensor", "check", linear(tmp_path / "m.onnx"), "--json").json
    assert fields["inputs"] == [{"name": "x", "dtype": "float32", "shape": ["n", 2]}]
    assert fields["outputs"] == ["y"] and fields["unsupported"] == []
    assert fields["cost"]["macs"] == 4 and fields["memory"] > 0
    done = run(capsys, "tensor", "check", linear(tmp_path / "n.onnx", "Nonsense"), "--json")
    assert done.code == 1
    (problem,) = done.json["unsupported"]
    assert problem["operator"] == "Nonsense" and set(problem) == {"node", "operator", "reason"}
    assert done.json["error"]["code"] == "unsupported_model"
    (tmp_path / "g.onnx").write_bytes(os.urandom(100))
    garbage = run(capsys, "tensor", "check", "g.onnx", "--json")
    assert garbage.code == 1 and "error" in garbage.json


def test_replay_without_a_chain(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "chain", "replay", "--json").json["error"]["code"] == "no_genesis"
    run(capsys, "init", "--dev")
    assert run(capsys, "chain", "replay", "--json").json["error"]["code"] == "no_data"


def test_start_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    done = run(capsys, "start")
    assert done.code == 1 and "synnergy init" in done.err
    run(capsys, "init", "--dev")
    for listen in ("nowhere", "127.0.0.1:99999", "127.0.0.1"):
        done = run(capsys, "start", "--listen", listen)
        assert done.code in (1, 2) and len(done.err.splitlines()) == 1


def test_receipts_that_are_none(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "r").write_bytes(b"no receipt")
    done = run(capsys, "receipt", "show", "r", "--json")
    assert done.code == 1 and done.json["error"]["code"] == "malformed_receipt"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (["model", "show", "publisher/iris"], "version_missing"),
        (["model", "show", "iris"], "bad_model"),
        (["tx", "show", "xyz"], "bad_id"),
        (["model", "approve", "ab" * 20, "--from", "r", "--until", "tomorrow"], "bad_date"),
        (
            [
                "model",
                "offer",
                "ab" * 20,
                "--price-per-call",
                "1",
                "--from",
                "p",
                "--expires-after",
                "0",
            ],
            "bad_days",
        ),
        (["transfer", "a", "-1", "--from", "b"], "usage"),
        (["transfer", "a", "1.5", "--from", "b"], "usage"),
        (["model", "buy", "ab" * 20, "--calls", "0", "--from", "b"], "usage"),
        (["--node", "ftp://x", "chain", "show"], "bad_node"),
    ],
)
def test_wrong_use_is_exit_2(
    capsys: pytest.CaptureFixture[str], line: list[str], code: str
) -> None:
    run(capsys, "init", "--dev")
    done = run(capsys, *line, "--json")
    assert (done.code, done.json["error"]["code"]) == (2, code)
