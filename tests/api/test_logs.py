"""API-13: the node's log, JSON or for people, on standard error, and nothing of anybody in it."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from synnergy.api.app import create_app
from synnergy.api.logs import BadLogSetting, node_log, parse_setting
from synnergy.api.node import Node
from synnergy.chain.genesis import chain_id_of
from synnergy.engines.solo import SoloEngine
from synnergy.opcodes.ledger import Transfer
from synnergy.state.store import Store, StoreFull
from tests.api.processes import make_home, node
from tests.api.support import CONSUMER, OPERATOR, SIGNER, World, genesis
from tests.api.test_server import post, refusal, transfer
from tests.ledger.harness import Ledger

EVERY_LINE = {"timestamp", "level", "logger", "event"}


def lines(text: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in text.splitlines()]
    assert all(line.keys() >= EVERY_LINE for line in found), found
    return found


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("", []),
        ("error", []),
        ("info", [("unknown", 404, "info")]),
        ("DEBUG", [("/v1/accounts/{address}", 200, "debug"), ("unknown", 404, "info")]),
    ],
)
def test_requests(world: World, capsys, setting: str, expected: list) -> None:
    capsys.readouterr()
    app = create_app(Node(world.ledger.application, world.engine))
    with node_log({"SYNNERGY_LOG": setting}), TestClient(app) as client:
        client.get(f"/v1/accounts/{CONSUMER.address}?secret=1")
        client.get("/v1/nothing")
    written = capsys.readouterr()
    found = [line for line in lines(written.err) if line["event"] == "request"]
    assert [(line["route"], line["status"], line["level"]) for line in found] == expected
    assert all({"seconds", "method"} <= line.keys() for line in found)
    assert written.out == ""
    assert CONSUMER.address not in written.err and "secret" not in written.err


def test_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    with node_log({"SYNNERGY_LOG": "info,console"}):
        logging.getLogger("synnergy.sample").info("told", extra={"height": 7})
    err = capsys.readouterr().err
    assert "told" in err and "height=7" in err and not err.startswith("{")


def test_libraries_speak_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """The server's own words and a failure's traceback are one JSON line each."""
    with node_log({}):
        logging.getLogger("uvicorn.error").error("Cancel %s task(s)", 3)
        logging.getLogger("uvicorn.error").info("not worth a line")
        try:
            raise ValueError("so")
        except ValueError:
            logging.getLogger("synnergy.sample").exception("failed")
    one, two = lines(capsys.readouterr().err)
    assert (one["event"], one["level"]) == ("Cancel 3 task(s)", "error")
    assert "ValueError: so" in two["exception"]


def test_nothing_is_left_configured() -> None:
    root = logging.getLogger()
    before = root.level, list(root.handlers)
    with node_log({"SYNNERGY_LOG": "debug"}):
        assert root.handlers != before[1]
    assert (root.level, root.handlers) == before


@pytest.mark.parametrize("setting", ["loud", "info,xml", ",", "info,json,more", "0"])
def test_other_settings_are_refused(setting: str, tmp_path: Path, monkeypatch) -> None:
    if setting == ",":
        assert parse_setting(setting) == (logging.WARNING, "json")
        return
    with pytest.raises(BadLogSetting, match="info,console"):
        parse_setting(setting)
    monkeypatch.setenv("SYNNERGY_LOG", setting)
    assert "SYNNERGY_LOG" in refusal(make_home(tmp_path / "home", genesis()))


def test_a_nodes_life(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", genesis())
    with node(home, SYNNERGY_LOG="info") as running:
        assert post(running, transfer(0)).json()["status"] == "ok"
        assert post(running, transfer(5)).status_code == 400
        status, errors = running.stop()
    assert status == 0
    found = lines(errors)
    names = ["kernels", "started", "ready", "block", "request", "stopped"]
    assert [line["event"] for line in found] == names
    _, started, ready, block, request, stopped = found
    assert (started["height"], stopped["height"]) == (0, 1)
    assert started["chain_id"] == chain_id_of(genesis()) and ready["url"] == running.url
    assert (block["height"], block["transactions"], block["refused"]) == (1, 1, 0)
    assert block["gas_used"] > 0 and block["app_hash"] == stopped["app_hash"]
    assert (request["route"], request["status"]) == ("/v1/transactions", 400)
    assert OPERATOR.address not in errors and CONSUMER.address not in errors


def test_a_halt_is_told_whatever_the_level(tmp_path: Path, capsys, monkeypatch) -> None:
    ledger = Ledger(tmp_path / "data")

    def full(_: Store) -> None:
        raise StoreFull("the disk is full; make room")

    monkeypatch.setattr(Store, "write", full)
    engine = SoloEngine(ledger.application, SIGNER)
    give = Transfer(CONSUMER.address, 1)
    capsys.readouterr()
    with node_log({"SYNNERGY_LOG": "error"}):
        engine.submit(ledger.envelope(OPERATOR, "LEDGER_TRANSFER", give, nonce=0))
        engine.start()
        engine._thread.join(60)
    (halted,) = lines(capsys.readouterr().err)
    assert (halted["event"], halted["level"], halted["height"]) == ("halted", "critical", 0)
    assert "make room" in halted["reason"] and "exception" not in halted
    engine.stop()
    ledger.close()
