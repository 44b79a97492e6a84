from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from synnergy.api.app import create_app
from synnergy.api.node import Node
from synnergy.engines.solo import SoloEngine
from tests.api.support import SIGNER, World, build_ledger, fill


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A node with history and a running engine; tests may add blocks, and lean on none absent."""
    ledger = build_ledger(tmp_path_factory.mktemp("api") / "data")
    known = fill(ledger)
    engine = SoloEngine(ledger.application, SIGNER)
    engine.start()
    with TestClient(create_app(Node(ledger.application, engine))) as client:
        yield World(ledger=ledger, engine=engine, client=client, **known)  # type: ignore[arg-type]
    engine.stop()
    ledger.close()
