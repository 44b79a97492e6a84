"""`payload erase` and `regulator retention` against a node in a process of its own."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from synnergy.cli.main import main
from tests.cli.test_end_to_end import World, world

__all__ = ["world"]

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
MODEL, ROWS = EXAMPLES / "iris.onnx", EXAMPLES / "flowers.csv"
SECRET = "file of Jane Doe, born on 1 April 1984"


@pytest.fixture(scope="module")
def licence(world: World) -> str:
    world.ok("model", "publish", MODEL, "--name", "iris", "--from", "publisher")
    world.ok("model", "approve", "publisher/iris@1", "--from", "regulator")
    world.ok("model", "offer", "publisher/iris@1", "--price-per-call", 5, "--from", "publisher")
    bought = world.ok("model", "buy", "publisher/iris@1", "--calls", 50, "--from", "consumer")
    return bought["licence"]


@pytest.fixture
def called(world: World, licence: str) -> dict[str, Any]:
    return world.ok(
        "model", "invoke", "publisher/iris@1", "--licence", licence, "--input", ROWS,
        "--reference", SECRET, "--from", "consumer",
    )  # fmt: skip


def erase(identifier: str, who: str = "consumer", *more: object) -> list[object]:
    return ["payload", "erase", identifier, "--reason", "asked to", "--from", who, *more]


def verify(receipt: Path, *more: object) -> list[object]:
    return ["receipt", "verify", receipt, "--model", MODEL, *more]


def test_a_call_is_erased_and_its_receipt_still_verifies(
    world: World, called: dict[str, Any]
) -> None:  # RCPT-7
    before, after = world.folder / "before.receipt", world.folder / "after.receipt"
    world.ok("receipt", "export", called["receipt"], "--out", before)
    erased = world.ok(*erase(called["receipt"]))
    assert erased["id"] == called["receipt"] and erased["engine_copy_until"] is None
    assert erased["engine_copy"] == "none"
    assert [one["what"] for one in erased["erased"]] == ["input", "output", "reference"]
    assert all(one["bytes"] > 0 for one in erased["erased"]) and not erased["left"]
    assert world.ok("tx", "show", erased["tx"])["height"] == erased["height"]
    # The home keeps the opening, so both exports verify against the caller's own copy.
    opening = world.home / "openings" / f"{called['receipt']}.json"
    assert erased["openings"] == [str(opening)] and opening.exists()
    assert world.ok("receipt", "export", called["receipt"], "--out", after)["opening"] is True
    for receipt in (before, after):
        assert world.ok(*verify(receipt, "--input", ROWS))["verified"] is True
        missing = world.refused(*verify(receipt))
        assert missing["code"] == "missing_input" and missing["rule"] == "RCPT-7"
        assert "the ledger's state holds the receipt" in missing["message"]
    # A second time there is nothing left, and the answer says since when.
    again = world.refused(*erase(called["receipt"]))
    assert again["code"] == "already_erased" and erased["tx"] in again["message"]


def test_a_forgotten_opening(world: World, called: dict[str, Any]) -> None:
    erased = world.ok(*erase(called["receipt"], "consumer", "--forget-opening"))
    assert erased["openings_forgotten"] is True
    assert not Path(erased["openings"][0]).exists()
    closed = world.folder / "closed.receipt"
    line = ["receipt", "export", called["receipt"], "--out", closed]
    assert world.ok(*line)["opening"] is False
    assert world.ok(*line, "--from", "consumer")["opening"] is False  # no salt is left to fetch
    missing = world.refused(*verify(closed, "--input", ROWS))
    assert missing["code"] == "missing_opening" and "salt" in missing["message"]


def test_by_transaction_by_commitment_and_by_a_regulator(
    world: World, called: dict[str, Any]
) -> None:
    found = world.ok("tx", "show", called["tx"])
    commitment = found["body"]["attachments"][1]["commitment"]
    one = world.ok(*erase(commitment, "regulator"))
    assert [entry["payload"] for entry in one["erased"]] == [commitment]
    rest = world.ok(*erase(called["tx"]))
    assert [entry["what"] for entry in rest["erased"]] == ["input", "output"]
    assert [entry["payload"] for entry in rest["gone_before"]] == [commitment]


def test_strangers_unknown_ids_and_models_are_refused(
    world: World, called: dict[str, Any]
) -> None:  # ERASE-3, ERASE-7
    height = world.ok("chain", "show")["height"]
    stranger = world.refused(*erase(called["receipt"], "publisher"))
    assert (stranger["code"], stranger["rule"]) == ("not_a_party", "ERASE-3")
    assert world.refused(*erase("ab" * 32))["code"] == "not_found"
    model = world.ok("model", "show", "publisher/iris@1")
    assert model["size"] < 512 * 1024  # one chunk, whose digest is the file's
    exempt = world.refused(*erase(model["digest"], "publisher"))
    assert (exempt["code"], exempt["rule"]) == ("exempt", "ERASE-7")
    assert world.run(*erase("zz")).code == 2
    assert world.ok("chain", "show")["height"] == height  # none of them cost anything


def test_people_are_told(world: World, called: dict[str, Any], capsys) -> None:
    line = ["--home", world.home, "--node", world.node, *erase(called["receipt"])]
    assert main([str(word) for word in line]) == 0
    said = capsys.readouterr().out
    for words in ("erased the input", "recorded at height", "--forget-opening", "backups"):
        assert words in said


def test_retention_is_set_and_shown(world: World) -> None:  # ERASE-5
    assert world.ok("chain", "show")["retention"] == 0
    denied = world.refused("regulator", "retention", "--days", "30", "--from", "consumer")
    assert denied["code"] == "not_a_regulator"
    short = world.refused("regulator", "retention", "--days", "0.0001", "--from", "regulator")
    assert short["code"] == "retention_too_short"
    given = world.ok("regulator", "retention", "--days", "30", "--from", "regulator")
    assert given["carried_out"] is True
    assert world.ok("chain", "show")["retention"] == 30 * 24 * 3600 * 1000
    assert world.ok("regulator", "retention", "--days", "0", "--from", "regulator")


def test_the_chain_replays_and_names_what_it_did_not_recompute(
    world: World, called: dict[str, Any], tmp_path: Path
) -> None:  # CHAIN-13
    world.ok(*erase(called["receipt"]))
    shutil.copytree(world.home / "data", tmp_path / "data")
    shutil.copy(world.home / "genesis.json", tmp_path / "genesis.json")
    done = world.run("--home", tmp_path, "chain", "replay")
    assert done.code == 0, done.err
    assert called["tx"] in done.json["not_recomputed"]
