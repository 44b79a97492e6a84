"""Request logs: JSON lines on standard error, and nothing unless they are asked for."""

from __future__ import annotations

import json

import pytest
from fastapi.testclient import TestClient

from synnergy.api.app import create_app
from synnergy.api.node import Node
from tests.api.support import World


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (None, []),
        ("", []),
        ("loud", []),
        ("info", [("/v1/nothing", 404, "info")]),
        ("DEBUG", [("/v1/chain", 200, "debug"), ("/v1/nothing", 404, "info")]),
    ],
)
def test_logs(world: World, monkeypatch, capsys, level: str | None, expected: list) -> None:
    if level is None:
        monkeypatch.delenv("SYNNERGY_LOG", raising=False)
    else:
        monkeypatch.setenv("SYNNERGY_LOG", level)
    with TestClient(create_app(Node(world.ledger.application, world.engine))) as client:
        client.get("/v1/chain?secret=1")
        client.get("/v1/nothing")
    written = capsys.readouterr()
    lines = [json.loads(line) for line in written.err.splitlines()]
    assert [(line["path"], line["status"], line["level"]) for line in lines] == expected
    assert written.out == ""
    assert all({"timestamp", "seconds", "method", "event"} <= line.keys() for line in lines)
