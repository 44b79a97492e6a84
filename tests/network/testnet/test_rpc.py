"""CometBFT's RPC: a real one, and one that answers badly."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from synnergy.engines.cometbft.rpc import (
    AlreadyKnown,
    Broadcast,
    CometRpc,
    CometUnreachable,
    MempoolFull,
    RpcError,
    TooLarge,
)
from synnergy.wire.bundle import MAX_ENTRY_BYTES
from tests.network.support import eventually, free_ports
from tests.network.testnet.conftest import height

# ---- a real one -------------------------------------------------------------------------------


def test_its_status(running: CometRpc) -> None:
    status = running.status()
    assert status.node_info.network == "single" and not status.sync_info.catching_up
    assert status.validator_info.voting_power == 10 and len(status.validator_info.address) == 40
    assert running.net_info().peers == ()
    assert "last_block_height" in running.abci_info()
    assert running.consensus_params()["block"]["max_bytes"]
    running.health()


def test_an_entry_is_taken_once_and_decided(running: CometRpc) -> None:
    taken = running.broadcast_tx_sync(b"name=value")
    assert taken.code == 0 and len(taken.hash) == 64
    with pytest.raises(AlreadyKnown):
        running.broadcast_tx_sync(b"name=value")
    with pytest.raises(AlreadyKnown):
        running.broadcast_tx_async(b"name=value")
    at = running.status().sync_info.latest_block_height

    def decided() -> bool:
        heights = range(1, running.status().sync_info.latest_block_height + 1)
        blocks = (running.block(each)["block"]["data"]["txs"] for each in heights)
        return ["bmFtZT12YWx1ZQ=="] in blocks

    eventually(decided, f"the entry in a block from {at} on")


def test_the_application_says_no(running: CometRpc) -> None:
    refused = running.broadcast_tx_sync(b"no key and value")
    assert refused.code != 0


def test_an_entry_that_is_too_long(running: CometRpc) -> None:
    with pytest.raises(TooLarge):
        running.broadcast_tx_sync(b"k=" + bytes(MAX_ENTRY_BYTES))


def test_the_longest_entry_gets_through(running: CometRpc) -> None:
    assert running.broadcast_tx_sync(b"long=" + b"v" * (MAX_ENTRY_BYTES - 5)).code == 0


def test_several_at_once_are_answered_in_order(running: CometRpc) -> None:
    known = b"several=0"
    running.broadcast_tx_sync(known)
    first, again, bad, last = running.broadcast_many(
        [b"several=1", known, b"no key and value", b"several=2"]
    )
    assert isinstance(first, Broadcast) and first.code == 0
    assert isinstance(again, AlreadyKnown)
    assert isinstance(bad, Broadcast) and bad.code != 0
    assert isinstance(last, Broadcast) and last.code == 0 and last.hash != first.hash
    assert running.broadcast_many([]) == ()


def test_commits_headers_and_validators(running: CometRpc) -> None:
    eventually(lambda: height(running) >= 2, "a second block")
    commit = running.commit(1)["signed_header"]
    header = running.header(1)
    assert commit["header"] == header and header is not None
    assert commit["commit"]["block_id"] == running.block(1)["block_id"]
    (validator,) = running.validators(1)
    assert validator["address"] == commit["commit"]["signatures"][0]["validator_address"]
    with pytest.raises(RpcError):
        running.commit(10**6)


def test_nobody_answers() -> None:
    (port,) = free_ports(1)
    with CometRpc(f"127.0.0.1:{port}") as rpc, pytest.raises(CometUnreachable):
        rpc.status()


# ---- one that answers badly -------------------------------------------------------------------


def answering(answer: Callable[[Any], Any]) -> CometRpc:
    """An RPC whose other side is `answer`, from the request's JSON to bytes or JSON."""

    def handle(request: httpx.Request) -> httpx.Response:
        content = answer(json.loads(request.content))
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        return httpx.Response(500, content=raw)

    return CometRpc("127.0.0.1:1", httpx.MockTransport(handle))


def failing(data: str) -> CometRpc:
    error = {"code": -32603, "message": "Internal error", "data": data}
    return answering(lambda call: {"jsonrpc": "2.0", "id": call["id"], "error": error})


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("tx already exists in cache", AlreadyKnown),
        (
            "mempool is full: number of txs 30000 (max: 30000), total txs bytes 1 (max: 2)",
            MempoolFull,
        ),
        (
            "mempool is still rechecking after a new committed block, so it is considered as full",
            MempoolFull,
        ),
        ("Tx too large. Max size is 10, but got 11", TooLarge),
        ("tx pre check: tx size is too big: 11, max: 10", TooLarge),
        ("something else", RpcError),
        ("", RpcError),
    ],
)
def test_errors_are_told_apart(said: str, kind: type[RpcError]) -> None:
    with pytest.raises(RpcError) as refused:
        failing(said).broadcast_tx_sync(b"x")
    assert type(refused.value) is kind and refused.value.code == -32603


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\xff", b"[]", b"{}", b"null", b"[" * 100_000, b'{"id":1,"result":{"code":"x"}}',
        b'{"id":1,"error":{"code":"x"}}', b"<html>", b'{"id":1,"result":[]}',
    ],
)  # fmt: skip
def test_rubbish_is_no_answer(content: bytes) -> None:
    rpc = answering(lambda _: content)
    for call in (rpc.status, lambda: rpc.broadcast_tx_sync(b"x"), lambda: rpc.validators(1)):
        with pytest.raises(CometUnreachable):
            call()
    with pytest.raises(CometUnreachable):
        rpc.broadcast_many([b"x", b"y"])


def test_a_missing_answer_among_several_is_told() -> None:
    def answer(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"id": call["id"], "result": {"code": 0, "hash": ""}} for call in calls[1:]]

    with pytest.raises(CometUnreachable, match="fewer"):
        answering(answer).broadcast_many([b"x", b"y"])


def test_a_refused_batch_is_an_error() -> None:
    error = {"code": -32600, "message": "Invalid Request", "data": "batch request exceeds"}
    rpc = answering(lambda _: {"jsonrpc": "2.0", "id": None, "error": error})
    with pytest.raises(RpcError, match="exceeds"):
        rpc.broadcast_many([b"x", b"y"])


def test_all_pages_of_validators() -> None:
    everyone = [{"address": str(number)} for number in range(250)]

    def answer(call: dict[str, Any]) -> dict[str, Any]:
        page, size = int(call["params"]["page"]), int(call["params"]["per_page"])
        part = everyone[(page - 1) * size : page * size]
        return {"id": call["id"], "result": {"validators": part, "total": "250"}}

    assert answering(answer).validators(7) == everyone


def test_pages_without_end_have_one() -> None:
    def answer(call: dict[str, Any]) -> dict[str, Any]:
        return {"id": call["id"], "result": {"validators": [], "total": "250"}}

    assert answering(answer).validators(7) == []
