from __future__ import annotations

from collections.abc import Callable

import httpx
import msgspec
import pytest

from synnergy.client import api, connection, nodes
from synnergy.client.api import Node
from synnergy.client.failures import ClientError, NodeUnavailable, WrongUse

ACCOUNT = {"address": "syn1x", "balance": 5, "nonce": 2, "registered": True, "new_field": 1}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "PAUSES", (0.0, 0.0, 0.0))


def node(answer: Callable[[int, httpx.Request], httpx.Response]) -> tuple[Node, list[str]]:
    """A node that answers the n-th request by `answer(n, request)`."""
    asked: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.raw_path.decode()}")
        return answer(len(asked), request)

    return Node("http://node.test:7070/", httpx.MockTransport(handle)), asked


def ok(fields: object) -> httpx.Response:
    return httpx.Response(200, json=fields)


def problem(status: int, code: str = "c") -> httpx.Response:
    return httpx.Response(status, json={"error": {"code": code, "message": "m", "rule": "TX-1"}})


def test_answers_are_typed_and_newer_fields_ignored() -> None:
    client, asked = node(lambda _n, _r: ok(ACCOUNT))
    assert client.account("syn1x").balance == 5
    assert asked == ["GET /v1/accounts/syn1x"]


@pytest.mark.parametrize("status", [429, 503, 502, 504])
def test_reading_is_retried_where_the_node_asks_for_it(status: int) -> None:  # CLIENT-6
    client, asked = node(lambda n, _r: problem(status) if n < 3 else ok(ACCOUNT))
    assert client.account("syn1x").nonce == 2
    assert len(asked) == 3


def test_reading_is_retried_where_the_line_breaks() -> None:
    def answer(n: int, request: httpx.Request) -> httpx.Response:
        if n < 4:
            raise httpx.ReadError("reset", request=request)
        return ok(ACCOUNT)

    client, asked = node(answer)
    client.account("syn1x")
    assert len(asked) == 4


def test_retries_end() -> None:
    client, asked = node(lambda _n, _r: problem(503, "halted"))
    with pytest.raises(ClientError) as failed:
        client.account("syn1x")
    assert failed.value.code == "halted" and len(asked) == 4


def test_a_refusal_is_told_with_its_rule_and_not_repeated() -> None:
    client, asked = node(lambda _n, _r: problem(400, "bad_address"))
    with pytest.raises(ClientError) as failed:
        client.account("syn1x")
    assert (failed.value.code, failed.value.rule, len(asked)) == ("bad_address", "TX-1", 1)


def test_no_node_says_how_to_start_one() -> None:
    def answer(_n: int, request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    client, asked = node(answer)
    with pytest.raises(NodeUnavailable) as gone:
        client.chain()
    assert gone.value.code == "no_node" and "synnergy start" in gone.value.message
    assert len(asked) == 1


def test_a_transaction_is_not_repeated_when_the_line_breaks() -> None:  # CLIENT-4
    def answer(_n: int, request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("late", request=request)

    client, asked = node(answer)
    with pytest.raises(NodeUnavailable) as gone:
        client.post_transaction(b"x")
    assert gone.value.code == "no_answer" and len(asked) == 1


def test_back_pressure_took_nothing_and_is_tried_again() -> None:
    done = {"transaction": "00", "status": "pending"}
    client, asked = node(lambda n, _r: problem(429) if n < 3 else httpx.Response(202, json=done))
    assert client.post_transaction(b"x", 2.5).status == "pending"
    assert asked == ["POST /v1/transactions?wait=2.5"] * 3


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"balance": "many"}', b"\xff", b'{"address": "x"}']
)
def test_an_answer_that_is_none_is_not_believed(body: bytes) -> None:
    client, _ = node(lambda _n, _r: httpx.Response(200, content=body))
    with pytest.raises(NodeUnavailable) as bad:
        client.account("syn1x")
    assert bad.value.code == "bad_reply"


def test_an_error_page_of_something_else() -> None:
    client, _ = node(lambda _n, _r: httpx.Response(404, content=b"<html>not here</html>"))
    with pytest.raises(NodeUnavailable):
        client.chain()


def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MAX_REPLY_BYTES", 1_000)
    client, _ = node(lambda _n, _r: httpx.Response(200, content=b"x" * 1_001))
    with pytest.raises(NodeUnavailable):
        client.genesis()


def test_what_is_missing_is_none_only_where_that_is_an_answer() -> None:
    client, _ = node(lambda _n, _r: problem(404, "not_found"))
    assert client.transaction("00") is None
    assert client.artefact("00") is None
    with pytest.raises(ClientError) as missing:
        client.model("00")
    assert missing.value.code == "not_found"


def test_lists_come_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "PAGE", 2)
    fields = dict.fromkeys(("model", "licensee", "publisher", "offer", "transaction"), "")
    numbers = dict.fromkeys(
        ("price_per_call", "max_rows", "calls", "used", "escrow", "expires"), 0
    )
    rows = [
        {"id": str(n), "status": "open", "gas_version": 1, "height": 1, **fields, **numbers}
        for n in range(5)
    ]

    def answer(_n: int, request: httpx.Request) -> httpx.Response:
        after = int(request.url.params.get("after", "-1"))
        return ok({"licences": rows[after + 1 : after + 3]})

    client, asked = node(answer)
    assert [licence.id for licence in client.licences("syn1x")] == list("01234")
    assert len(asked) == 3


@pytest.mark.parametrize("url", ["", "node", "ftp://x", "http://", "http://x:y"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(WrongUse):
        Node(url)


def test_payloads_are_msgpack() -> None:
    content = msgspec.msgpack.encode({"salt": b"s", "content": b"c"})
    client, _ = node(lambda _n, _r: httpx.Response(200, content=content))
    assert client.payload("00", {}).content == b"c"
