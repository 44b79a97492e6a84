"""Events as the SDK reads them: typed, bounded, and nothing of them believed blindly."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from synnergy.client import streams
from synnergy.client.api import Node
from synnergy.client.failures import ClientError, NodeUnavailable

EVENT = {
    "id": "3.1.0",
    "height": 3,
    "time": 1_700_000_000_000,
    "transaction": "ab" * 32,
    "index": 0,
    "name": "ledger.transferred",
    "attributes": {"to": "syn1x"},
    "newer": 1,
}


def line(**changes: object) -> bytes:
    return json.dumps(EVENT | changes).encode() + b"\n"


def node(*parts: bytes, fails: bool = False) -> tuple[Node, list[httpx.Request]]:
    asked: list[httpx.Request] = []

    def body() -> Iterator[bytes]:
        yield from parts
        if fails:
            raise httpx.ReadError("reset")

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, content=body())

    return Node("http://node.test", httpx.MockTransport(handle)), asked


def test_events_are_typed_and_empty_lines_skipped() -> None:
    whole = line() + b"\n\n" + line(id="4.0.0", transaction=None, index=None)
    for cut in range(1, len(whole), 37):
        client, asked = node(whole[:cut], whole[cut:])
        with client.events(2, names=("a.*", "b"), after="1.1.1") as stream:
            found = list(stream)
        assert [(one.id, one.transaction) for one in found] == [
            ("3.1.0", "ab" * 32),
            ("4.0.0", None),
        ]
    query = "follow=false&name=a.%2A&name=b&from=2"
    assert asked[0].url.query.decode() == query
    assert asked[0].headers["last-event-id"] == "1.1.1"
    assert asked[0].headers["accept"] == "application/x-ndjson"


@pytest.mark.parametrize(
    "answer", [b"nonsense\n", b"[1]\n", line(height="3"), b"\xff\n", line()[:-9]]
)
def test_what_is_no_event_is_not_believed(answer: bytes) -> None:
    client, _ = node(line(), answer)
    with pytest.raises(NodeUnavailable) as caught, client.events() as stream:
        list(stream)
    assert caught.value.code == "bad_reply"


def test_a_line_without_end_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_LINE_BYTES", 1_000)
    client, _ = node(*[b"x" * 600] * 10_000)
    with pytest.raises(NodeUnavailable, match="without end"), client.events() as stream:
        list(stream)


def test_a_line_that_breaks_off_is_told() -> None:
    client, _ = node(line(), fails=True)
    seen = []
    with pytest.raises(NodeUnavailable) as caught, client.events() as stream:
        for event in stream:
            seen.append(event.id)
    assert seen == ["3.1.0"] and caught.value.code == "no_answer"


def test_a_refusal_is_the_nodes_own() -> None:
    error = {"error": {"code": "no_such_block", "message": "m", "rule": "API-12"}}
    client = Node(
        "http://node.test", httpx.MockTransport(lambda _: httpx.Response(404, json=error))
    )
    with pytest.raises(ClientError) as caught, client.events(9):
        pass
    assert (caught.value.code, caught.value.rule) == ("no_such_block", "API-12")
