"""NET-33: what passes to CometBFT's RPC, and what never does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synnergy.engines.cometbft.relay import LightRelay
from synnergy.engines.cometbft.rpc import CometRpc
from synnergy.engines.cometbft.snapshots import Snapshots
from tests.network.joining.support import Place

Call = dict[str, Any]


class Comet:
    """Answers calls of JSON-RPC, and remembers them."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.reply: dict[str, Any] = {"result": {"block_height": "5"}}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        call = json.loads(request.content)
        self.calls.append(call)
        return httpx.Response(200, json={"jsonrpc": "2.0", "id": call["id"], **self.reply})


@pytest.fixture
def comet() -> Comet:
    return Comet()


@pytest.fixture
def relay(comet: Comet) -> LightRelay:
    rpc = CometRpc("127.0.0.1:1", httpx.MockTransport(comet))
    return LightRelay(rpc, cast(Snapshots, None))


def asked(relay: LightRelay, **fields: object) -> Call:
    call = {"jsonrpc": "2.0", "id": 3, "method": "commit", "params": {}} | fields
    return json.loads(relay.answer(json.dumps(call).encode()))


def test_what_the_light_client_asks(relay: LightRelay, comet: Comet) -> None:
    """As Go's client writes it: 64-bit integers are strings."""
    params = {"height": "5", "page": "1", "per_page": "100"}
    found = asked(relay, method="validators", params=params)
    assert found == {"jsonrpc": "2.0", "id": 3, "result": {"block_height": "5"}}
    assert comet.calls[-1]["method"] == "validators" and comet.calls[-1]["params"] == params
    assert asked(relay, method="commit", params={})["result"]
    assert asked(relay, method="consensus_params", params={"height": "7"})["result"]
    assert asked(relay, id="a")["id"] == "a"


def test_errors_keep_their_words(relay: LightRelay, comet: Comet) -> None:
    data = "height 9 must be less than or equal to the current blockchain height 5"
    comet.reply = {"error": {"code": -32603, "message": "Internal error", "data": data}}
    assert asked(relay)["error"] == comet.reply["error"]


@pytest.mark.parametrize(
    "fields",
    [
        {"method": "block"},
        {"method": "block_results"},
        {"method": "tx_search"},
        {"method": "broadcast_tx_sync", "params": {"tx": "AA=="}},
        {"method": "broadcast_evidence"},
        {"method": "net_info"},
        {"method": "unsafe_flush_mempool"},
        {"method": "Commit"},
        {"method": 5},
        {"params": {"height": "-1"}},
        {"params": {"height": "5; drop"}},
        {"params": {"height": str(2**63)}},
        {"params": {"hash": "AA"}},
        {"params": {"per_page": "1000"}},
        {"params": {"page": "0"}},
        {"params": ["5"]},
        {"jsonrpc": "1.0"},
        {"id": None},
        {"id": "x" * 65},
        {"id": {}},
    ],
)
def test_everything_else_is_refused_here(
    relay: LightRelay, comet: Comet, fields: dict[str, object]
) -> None:
    found = asked(relay, **fields)
    assert found["error"]["code"] == -32600 and comet.calls == []


@given(st.binary(max_size=200) | st.just(b"[" * 4_000))
def test_no_bytes_reach_cometbft_by_chance(content: bytes) -> None:
    comet = Comet()
    with CometRpc("127.0.0.1:1", httpx.MockTransport(comet)) as rpc:
        found = json.loads(LightRelay(rpc, cast(Snapshots, None)).answer(content))
    assert found["error"]["code"] == -32600 and comet.calls == []


def test_a_cometbft_that_is_silent(tmp_path: Path) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no", request=request)

    with CometRpc("127.0.0.1:1", httpx.MockTransport(refuse)) as rpc:
        found = asked(LightRelay(rpc, cast(Snapshots, None)))
    assert "does not answer" in found["error"]["data"]


def test_the_view_names_blocks_and_snapshots(tmp_path: Path, comet: Comet) -> None:
    place = Place(tmp_path / "one")
    for _ in range(4):
        place.block()
        place.written()
    comet.reply = {
        "result": {
            "node_info": {"id": "a" * 40},
            "sync_info": {
                "latest_block_height": "9",
                "latest_app_hash": "",
                "latest_block_hash": "",
                "latest_block_time": "",
                "earliest_block_height": "2",
                "catching_up": False,
            },
            "validator_info": {"address": "", "voting_power": "0"},
        }
    }
    with CometRpc("127.0.0.1:1", httpx.MockTransport(comet)) as rpc:
        view = LightRelay(rpc, place.snapshots).view()
    assert (view.earliest, view.latest, view.snapshots) == (2, 9, (4, 2))
    place.close()
