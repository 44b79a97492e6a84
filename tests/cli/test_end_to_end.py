"""The main job through the commands alone, against a node in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from synnergy.cli.main import main
from tests.cli.nodes import running_node
from tests.cli.support import Done

Run = Callable[..., Done]


@dataclass
class World:
    home: Path
    folder: Path
    node: str
    run: Run

    def ok(self, *words: object) -> dict[str, Any]:
        done = self.run(*words)
        assert done.code == 0, done.err
        return done.json

    def refused(self, *words: object) -> dict[str, Any]:
        done = self.run(*words)
        assert done.code == 1, done.out
        return done.json["error"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A home with a running node; commands run in this process with --json."""
    folder = tmp_path_factory.mktemp("e2e")
    home = folder / "home"

    def command(*words: object) -> Done:
        import contextlib
        import io

        out, err = io.StringIO(), io.StringIO()
        line = ["--json", "--home", home, "--node", place["node"], *words]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(word) for word in line])
        return Done(code, out.getvalue(), err.getvalue())

    place = {"node": "http://127.0.0.1:9"}
    assert command("init", "--dev").code == 0
    with running_node(home) as url:
        place["node"] = url
        yield World(home, folder, url, command)


@pytest.fixture(scope="module")
def iris(world: World) -> dict[str, Any]:
    """A logistic regression, published, approved, on sale, with a licence of 20 calls."""
    features, labels = load_iris(return_X_y=True)
    features = features.astype(np.float32)
    model = LogisticRegression(max_iter=500).fit(features, labels)
    path = world.folder / "iris.onnx"
    path.write_bytes(to_onnx(model, features[:1]).SerializeToString())
    rows = world.folder / "iris.csv"
    np.savetxt(rows, features[::10], delimiter=",", header="a,b,c,d", comments="", fmt="%.9g")
    (world.folder / "use.txt").write_text("For telling flowers apart.")
    published = world.ok(
        "model", "publish", path, "--name", "iris", "--intended-use", world.folder / "use.txt",
        "--from", "publisher",
    )  # fmt: skip
    world.ok("model", "approve", "publisher/iris@1", "--from", "regulator")
    world.ok(
        "model", "offer", "publisher/iris@1", "--price-per-call", 50, "--from", "publisher",
        "--expires-after", "0.5", "--max-rows", 20,
    )  # fmt: skip
    bought = world.ok("model", "buy", "publisher/iris@1", "--calls", 20, "--from", "consumer")
    assert bought["escrow"] == 1000
    expected = onnxruntime.InferenceSession(str(path)).run(None, {"X": features[::10]})
    return {
        **published,
        "path": path,
        "rows": rows,
        "features": features[::10],
        "licence": bought["licence"],
        "expected": expected,
    }


def call(iris: dict[str, Any], *more: object) -> list[object]:
    return [
        "publisher/iris@1", "--licence", iris["licence"], "--input", iris["rows"], *more
    ]  # fmt: skip


def test_money(world: World) -> None:
    before = world.ok("balance", "consumer")["balance"]
    sent = world.ok("transfer", "consumer", 1000, "--from", "operator")
    assert set(sent) >= {"tx", "height", "gas_used"}
    assert world.ok("balance", "consumer")["balance"] == before + 1000
    proven = world.ok("balance", "consumer", "--prove")
    assert proven["balance"] == before + 1000 and proven["proven"]
    shown = world.ok("tx", "show", sent["tx"])
    assert (shown["status"], shown["height"]) == ("ok", sent["height"])
    assert world.refused("tx", "show", "ab" * 32)["code"] == "not_found"


def test_human_output_shows_what_is_signed(world: World, capsys) -> None:
    line = ["--home", world.home, "--node", world.node, "transfer", "consumer", "7"]
    code = main([*map(str, line), "--from", "operator"])
    captured = capsys.readouterr()
    assert code == 0
    assert "LEDGER_TRANSFER" in captured.err and "amount" in captured.err
    assert "moved" in captured.out


def test_a_call_agrees_with_onnx_runtime_and_costs_what_was_quoted(
    world: World, iris: dict[str, Any]
) -> None:
    before = {name: world.ok("balance", name)["balance"] for name in ("consumer", "publisher")}
    quoted = world.ok("model", "quote", *call(iris, "--reference", "case 7"))
    assert quoted["total"] == quoted["fee"] + quoted["price"] and quoted["price"] == 50
    out = world.folder / "out.npz"
    called = world.ok(
        "model", "invoke", *call(iris, "--reference", "case 7"), "--from", "consumer",
        "--out", out,
    )  # fmt: skip
    assert called["gas_used"] == quoted["gas"]
    labels, probabilities = iris["expected"]
    names = list(called["outputs"])
    assert called["outputs"][names[0]] == labels.tolist()
    ours = [[row[str(label)] for label in range(3)] for row in called["outputs"][names[1]]]
    theirs = [[row[label] for label in range(3)] for row in probabilities]
    assert np.max(np.abs(np.array(ours) - np.array(theirs))) <= 1e-5
    with np.load(out) as written:
        assert written[f"{names[1]}/2"].tolist() == [row[2] for row in ours]
    after = {name: world.ok("balance", name)["balance"] for name in ("consumer", "publisher")}
    assert after["consumer"] == before["consumer"] - quoted["fee"]
    assert after["publisher"] == before["publisher"] + 50
    stats = world.ok("model", "stats", "publisher/iris@1")
    assert stats["calls"] >= 1 and stats["revenue"] == 50 * stats["calls"]
    assert stats["licensees"] == 1 and stats["gas"] > 0 and stats["failures"] == 0


def test_a_quote_needs_nobody(world: World, iris: dict[str, Any]) -> None:
    quoted = world.ok("model", "quote", iris["model"], "--input", iris["rows"])
    assert quoted["gas"] > 0 and quoted["price"] == 50


@pytest.fixture(scope="module")
def receipt(world: World, iris: dict[str, Any]) -> Path:
    called = world.ok(
        "model", "invoke", *call(iris, "--reference", "file 12"), "--from", "consumer"
    )
    path = world.folder / "a.receipt"
    exported = world.ok("receipt", "export", called["receipt"], "--out", path)
    assert exported["opening"] is True
    return path


def verify(receipt: Path, iris: dict[str, Any], **changed: Path) -> list[object]:
    model, rows = changed.get("model", iris["path"]), changed.get("rows", iris["rows"])
    return ["receipt", "verify", receipt, "--model", model, "--input", rows]


def test_a_receipt_proves_itself_without_the_node(
    world: World, iris: dict[str, Any], receipt: Path
) -> None:
    gone = World(world.home, world.folder, "", world.run)
    holds = gone.ok("--node", "http://127.0.0.1:9", *verify(receipt, iris))
    assert holds["verified"] is True and holds["outputs"]
    other = world.folder / "same.npy"
    np.save(other, iris["features"])
    assert world.ok(*verify(receipt, iris, rows=other))["verified"] is True
    told = world.ok("receipt", "show", receipt)
    assert any("file 12" in sentence for sentence in told["sentences"])
    genesis = world.home / "genesis.json"
    line = verify(receipt, iris)
    nobody = world.folder / "nobody"
    assert world.ok("--home", nobody, *line, "--trusted", genesis)["verified"] is True
    assert world.refused("--home", nobody, *line)["code"] == "untrusted_root"


def test_what_is_not_as_it_was_is_refused(
    world: World, iris: dict[str, Any], receipt: Path
) -> None:
    content = receipt.read_bytes()
    forged = world.folder / "forged"
    for position in range(0, len(content), 37):
        changed = bytearray(content)
        changed[position] ^= 1 << position % 8
        forged.write_bytes(changed)
        world.refused(*verify(forged, iris))
    model = world.folder / "other.onnx"
    weights = bytearray(iris["path"].read_bytes())
    weights[len(weights) // 2] ^= 1
    model.write_bytes(weights)
    assert world.refused(*verify(receipt, iris, model=model))["code"] in (
        "wrong_model",
        "bad_model_file",
    )
    rows = world.folder / "other.csv"
    rows.write_text(iris["rows"].read_text().replace("5.0", "5.1", 1).replace("4.9", "4.8", 1))
    assert world.refused(*verify(receipt, iris, rows=rows))["code"] == "wrong_input"
    other = json.loads(world.run("--home", world.folder / "forger", "init", "--dev").out)
    error = world.refused(*verify(receipt, iris), "--trusted", other["genesis"])
    assert error["code"] == "untrusted_root"


def test_the_opening_is_the_callers(world: World, iris: dict[str, Any], receipt: Path) -> None:
    identifier = world.ok("receipt", "show", receipt)["receipt"]
    opening = world.home / "openings" / f"{identifier}.json"
    assert opening.stat().st_mode & 0o777 == 0o600
    kept = opening.read_bytes()
    opening.unlink()
    closed = world.folder / "closed.receipt"
    assert world.ok("receipt", "export", identifier, "--out", closed)["opening"] is False
    assert world.refused(*verify(closed, iris))["code"] == "missing_opening"
    line = ["receipt", "export", identifier, "--out", closed]
    assert world.ok(*line, "--from", "consumer")["opening"] is True
    assert closed.read_bytes() == receipt.read_bytes()
    assert world.refused(*line, "--from", "publisher")["code"] == "not_a_party"
    opening.write_bytes(kept)


def test_a_newcomer_from_another_home(world: World, iris: dict[str, Any]) -> None:
    """Unregistered, registered from a file, denied, frozen, unfrozen."""
    theirs = world.folder / "theirs"
    created = world.ok("--home", theirs, "wallet", "create", "dave", "--passphrase-file", secret())
    request = world.folder / "dave.json"
    world.ok(
        "--home", theirs, "wallet", "request", "dave", "--out", request,
        "--passphrase-file", secret(),
    )  # fmt: skip
    address = created["address"]
    world.ok("transfer", address, 10**6, "--from", "operator")
    dave = ["--home", theirs, "--passphrase-file", secret()]
    pay = [*dave, "transfer", world.ok("balance", "consumer")["address"], 1, "--from", "dave"]
    assert world.refused(*pay)["code"] == "unregistered"
    reference = world.ok("model", "show", "publisher/iris@1")["reference"]
    registered = world.ok(
        "regulator", "register", request, "--jurisdiction", "FR", "--role", "trainer",
        "--from", "regulator",
    )  # fmt: skip
    assert registered["address"] == address
    denied = world.refused(*dave, "model", "buy", reference, "--calls", 1, "--from", "dave")
    assert denied["code"] == "policy_denied" and denied["fee"] > 0 and "tx" in denied
    verdict = world.ok("regulator", "policy", "check", address, "buy", "publisher/iris@1")
    assert verdict["allowed"] is False
    assert world.ok(*pay)["gas_used"] > 0
    world.ok("regulator", "freeze", address, "--reason", "a test", "--from", "regulator")
    assert world.refused(*pay)["code"] == "frozen_wallet"
    world.ok("regulator", "unfreeze", address, "--from", "regulator")
    world.ok(*pay)


def secret() -> Path:
    path = Path(__file__).parent / "passphrase.txt"
    assert path.exists()
    return path


def test_refusals_have_names(world: World, iris: dict[str, Any]) -> None:
    again = ["model", "publish", iris["path"], "--name", "iris", "--from", "publisher"]
    assert world.refused(*again)["code"] == "already_published"
    small = world.folder / "small.csv"
    small.write_text("a,b\n1,2\n")
    line = ["model", "invoke", "publisher/iris@1", "--licence", iris["licence"]]
    bad = world.refused(*line, "--input", small, "--from", "consumer")
    assert bad["code"] == "bad_input" and "4 columns" in bad["message"]
    missing = world.folder / "missing.csv"
    missing.write_text("a,b,c,d\n1,2,,4\n")
    assert world.refused(*line, "--input", missing, "--from", "consumer")["code"] == "bad_input"
    many = world.folder / "many.npy"
    np.save(many, np.ones((21, 4), np.float32))
    assert world.refused(*line, "--input", many, "--from", "consumer")["code"] == "too_many_rows"
    unlicensed = ["model", "invoke", "publisher/iris@1", "--licence", "ab" * 32]
    refused = world.refused(*unlicensed, "--input", iris["rows"], "--from", "consumer")
    assert refused["code"] == "unlicensed"
    assert world.refused("model", "show", "publisher/iris@2")["code"] == "unknown_model"
    poor = ["transfer", "consumer", 2**53 - 1, "--from", "operator"]
    assert world.refused(*poor)["code"] == "insufficient_funds"


def test_a_model_with_an_input_a_column(world: World) -> None:
    rng = np.random.default_rng(3)
    columns = {
        "age": rng.integers(18, 80, (60, 1)).astype(np.float32),
        "town": rng.choice(["Bath", "Leeds", "York"], (60, 1)),
    }
    import pandas

    frame = pandas.DataFrame({name: values[:, 0] for name, values in columns.items()})
    chosen = (frame["age"] > 40) ^ (frame["town"] == "York")
    shaping = ColumnTransformer(
        [("scale", StandardScaler(), ["age"]), ("town", OneHotEncoder(), ["town"])]
    )
    model = make_pipeline(shaping, LogisticRegression()).fit(frame, chosen)
    types = [("age", FloatTensorType([None, 1])), ("town", StringTensorType([None, 1]))]
    path = world.folder / "columns.onnx"
    path.write_bytes(to_onnx(model, initial_types=types).SerializeToString())
    rows = world.folder / "columns.csv"
    frame.head(5)[["town", "age"]].to_csv(rows, index=False)
    records = world.folder / "columns.json"
    records.write_text(frame.head(5).to_json(orient="records"))
    one = world.ok("tensor", "run", path, "--input", rows)["outputs"]
    assert one == world.ok("tensor", "run", path, "--input", records)["outputs"]
    world.ok(
        "model", "publish", path, "--name", "columns", "--risk", "minimal", "--from", "publisher"
    )
    world.ok(
        "model", "approve", "publisher/columns@1", "--from", "regulator", "--until", "2090-01-01"
    )
    world.ok("model", "offer", "publisher/columns@1", "--price-per-call", 0, "--from", "publisher")
    licence = world.ok("model", "buy", "publisher/columns@1", "--calls", 1, "--from", "consumer")
    called = world.ok(
        "model", "invoke", "publisher/columns@1", "--licence", licence["licence"],
        "--input", rows, "--from", "consumer",
    )  # fmt: skip
    assert called["outputs"] == one
    again = ["--licence", licence["licence"], "--input", rows, "--from", "consumer"]
    assert world.refused("model", "invoke", "publisher/columns@1", *again)["code"] == "exhausted"


def test_looking_around(world: World, iris: dict[str, Any]) -> None:
    shown = world.ok("model", "show", "publisher/iris@1")
    assert shown["model"] == iris["model"] and shown["status"] == "offered"
    assert shown["texts"] == {"intended_use": "For telling flowers apart."}
    listed = world.ok("model", "ls", "--publisher", "publisher")["models"]
    assert iris["model"] in [model["model"] for model in listed]
    licences = world.ok("licence", "ls", "consumer", "--model", iris["model"])["licences"]
    assert [licence["licence"] for licence in licences] == [iris["licence"]]
    assert world.ok("licence", "show", iris["licence"])["calls"] == 20
    assert "permit" in world.ok("regulator", "policy", "show")["text"]
    assert world.ok("regulator", "proposals") == {"proposals": []}
    pulled = world.folder / "pulled.onnx"
    world.ok("model", "pull", "publisher/iris@1", "--out", pulled)
    assert pulled.read_bytes() == iris["path"].read_bytes()
    assert world.ok("chain", "show")["local_only"] is True


def test_a_node_of_another_chain_is_not_signed_for(world: World) -> None:
    other = world.folder / "stranger"
    world.run("--home", other, "init", "--dev")
    line = ["--home", other, "transfer", "consumer", 1, "--from", "operator"]
    assert world.refused(*line)["code"] == "wrong_chain"


def test_policies_change_by_a_regulator(world: World) -> None:
    text = world.ok("regulator", "policy", "show")["text"]
    file = world.folder / "next.cedar"
    file.write_text(text + "\n// reviewed\n")
    changed = world.ok("regulator", "policy", "set", file, "--from", "regulator")
    assert changed["carried_out"] is True
    assert world.ok("regulator", "policy", "show")["version"] == 2
    file.write_text("permit (principal, action, resource);")
    assert world.run("regulator", "policy", "set", file, "--from", "regulator").code == 1


def test_regulators_agree_on_what_waits(world: World) -> None:
    """Two of two: what one proposed, the other reads in words, and signs by its id."""
    world.ok("wallet", "create", "second")
    line = ["second", "--jurisdiction", "GB", "--role", "consumer", "--from", "regulator"]
    world.ok("regulator", "register", *line)
    both = ["regulator", "second", "--threshold", 2]
    assert world.ok("regulator", "set", *both, "--from", "regulator")["carried_out"]
    waits = world.ok("regulator", "fees", "--minimum-gas-price", 2, "--from", "regulator")
    assert (waits["carried_out"], waits["agreed"], waits["threshold"]) == (False, 1, 2)
    (listed,) = world.ok("regulator", "proposals")["proposals"]
    assert listed["id"] == waits["proposal"] and "at least 2 a unit" in listed["words"]
    assert listed["expires_utc"].endswith("UTC") and listed["agreed"] == 1
    assert world.ok("regulator", "agree", listed["id"][:16], "--from", "second")["carried_out"]
    assert world.ok("chain", "show")["governance"]["minimum_gas_price"] == 2
    assert world.ok("regulator", "proposals")["proposals"] == []
    gone = ["regulator", "agree", listed["id"][:16], "--from", "second"]
    assert world.refused(*gone)["code"] == "unknown_proposal"
    world.ok("regulator", "fees", "--minimum-gas-price", 1, "--from", "second")
    (listed,) = world.ok("regulator", "proposals")["proposals"]
    world.ok("regulator", "agree", listed["id"], "--from", "regulator")
    soon = ["regulator", "upgrade", "--version", 2, "--height", 3, "--from", "second"]
    assert world.refused(*soon)["code"] == "too_soon"
    alone = ["regulator", "set", "regulator", "--threshold", 1]
    waits = world.ok(*alone, "--from", "second")
    assert world.ok("regulator", "agree", waits["proposal"], "--from", "regulator")["carried_out"]


def test_a_wallet_gets_a_new_key(world: World) -> None:
    """By itself; and by a regulator, where the key is lost."""
    for name in ("changing", "losing"):
        world.ok("wallet", "create", name)
        line = [name, "--jurisdiction", "GB", "--role", "consumer", "--from", "regulator"]
        world.ok("regulator", "register", *line)
        world.ok("transfer", name, 10**6, "--from", "operator")
    before = {wallet["name"]: wallet for wallet in world.ok("wallet", "ls")["wallets"]}
    rotated = world.ok("wallet", "rotate", "changing")
    assert rotated["in_force"] and rotated["address"] == before["changing"]["address"]
    assert rotated["public_key"] != before["changing"]["public_key"]
    world.ok("transfer", "operator", 1, "--from", "changing")
    world.ok("wallet", "rotate", "changing")
    world.ok("transfer", "operator", 1, "--from", "changing")

    file, address = world.folder / "lost.rotation", before["losing"]["address"]
    line = ["wallet", "rotate", "found", "--of", address]
    assert not world.ok(*line, "--out", file)["in_force"]
    world.ok("regulator", "rotate", file, "--from", "regulator")
    assert world.refused("transfer", "operator", 1, "--from", "losing")["code"] == (
        "wrong_signatures"
    )
    assert world.ok(*line)["in_force"]
    world.ok("transfer", "operator", 1, "--from", "found")
    world.ok("regulator", "deregister", address, "--reason", "left", "--from", "regulator")
    assert world.refused("transfer", "operator", 1, "--from", "found")["code"] == "deregistered"


def test_the_end_of_a_model(world: World, iris: dict[str, Any]) -> None:
    """Revoked, then withdrawn: refunded, and no more calls."""
    name = "publisher/ending@1"
    world.ok("model", "publish", iris["path"], "--name", "ending", "--from", "publisher")
    world.ok("model", "approve", name, "--from", "regulator")
    world.ok("model", "offer", name, "--price-per-call", 40, "--from", "publisher")
    licence = world.ok("model", "buy", name, "--calls", 9, "--from", "consumer")["licence"]
    call = [name, "--licence", licence, "--input", iris["rows"], "--from", "consumer"]
    world.ok("model", "invoke", *call)
    before = world.ok("balance", "consumer")["balance"]
    world.ok("model", "revoke", name, "--reason", "drift", "--from", "regulator")
    refused = world.refused("model", "invoke", *call)
    world.ok("model", "withdraw", name, "--from", "publisher")
    assert world.ok("model", "show", name)["status"] == "withdrawn"
    assert world.ok("licence", "show", licence)["escrow"] == 0
    paid = refused.get("fee", 0)
    assert world.ok("balance", "consumer")["balance"] == before + 8 * 40 - paid


def test_the_chain_executes_again_to_the_same_state(world: World) -> None:
    """While the node runs, which has the store open."""
    head = world.ok("chain", "show")
    replayed = world.ok("chain", "replay")
    assert (replayed["height"], replayed["app_hash"]) == (head["height"], head["app_hash"])
