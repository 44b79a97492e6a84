"""Whatever is sent is answered with 4xx and a sentence, never 5xx (API-1, API-2, API-3)."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synnergy.wire.transaction import MAX_ENVELOPE_BYTES
from tests.api.processes import Running, make_home, node
from tests.api.support import OCTETS, World, genesis

POSTS = ("/v1/transactions", "/v1/quotes")
thorough = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
relaxed = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def check_error(answer: httpx.Response, *statuses: int) -> None:
    assert answer.status_code in statuses, (answer.status_code, answer.text)
    error = answer.json()["error"]
    assert error.keys() == {"code", "message", "rule"}
    assert error["code"] and error["message"] and error["rule"]


# ---- bodies ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", POSTS)
@relaxed
@given(body=st.binary(max_size=200))
def test_random_bodies(world: World, path: str, body: bytes) -> None:
    check_error(world.client.post(path, content=body, headers=OCTETS), 400)


@pytest.mark.parametrize("path", POSTS)
@relaxed
@given(seed=st.integers(0, 2**32))
def test_damaged_envelopes(world: World, path: str, seed: int) -> None:
    """Bits flipped, bytes dropped, doubled or appended: refused, or quoted where still sound."""
    choice = random.Random(seed)
    raw = bytearray(world.transfer_of(1))
    at = choice.randrange(len(raw))
    match choice.randrange(4):
        case 0:
            raw[at] ^= 1 << choice.randrange(8)
        case 1:
            del raw[at : at + choice.randrange(1, 9)]
        case 2:
            raw[at:at] = raw[at : at + choice.randrange(1, 9)]
        case _:
            raw += choice.randbytes(choice.randrange(1, 9))
    answer = world.client.post(path, content=bytes(raw), headers=OCTETS)
    if path == "/v1/quotes" and answer.status_code == 200:
        return
    check_error(answer, 400)


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "media_type",
    [None, "", "application/json", "text/plain", "multipart/form-data; boundary=x", "\x00", "*/*"],
)
def test_wrong_content_types(world: World, path: str, media_type: str | None) -> None:
    headers = {} if media_type is None else {"Content-Type": media_type}
    check_error(world.client.post(path, content=b"{}", headers=headers), 415)


def test_content_type_may_have_parameters(world: World) -> None:
    headers = {"Content-Type": "Application/Octet-Stream; charset=binary"}
    check_error(world.client.post("/v1/quotes", content=b"\xc0", headers=headers), 400)


@pytest.mark.parametrize("path", POSTS)
def test_huge_bodies(world: World, path: str) -> None:
    body = bytes(MAX_ENVELOPE_BYTES + 1)
    check_error(world.client.post(path, content=body, headers=OCTETS), 413)
    check_error(world.client.post(path, content=body[:-1], headers=OCTETS), 400)


def test_bodies_together_are_limited_and_let_go(world: World, monkeypatch) -> None:
    monkeypatch.setattr("synnergy.api.bodies.MAX_HELD_BYTES", 1_000)
    for _ in range(3):
        answer = world.client.post("/v1/quotes", content=bytes(1_001), headers=OCTETS)
        check_error(answer, 429)
        assert answer.headers["retry-after"]
        check_error(world.client.post("/v1/quotes", content=bytes(999), headers=OCTETS), 400)


# ---- parameters --------------------------------------------------------------------------------

segment = (
    st.text(max_size=70)
    | st.sampled_from(["-", "latest", "..", ".", "%", "%00", "0" * 64, "f" * 40, "-1", "1e9"])
    | st.integers(-(2**70), 2**70).map(str)
    | st.binary(max_size=40).map(bytes.hex)
)
FAMILIES = (
    "blocks",
    "transactions",
    "accounts",
    "models",
    "artefacts",
    "documents",
    "licences",
    "receipts",
    "payloads",
    "state",
    "policy",
    "proposals",
    "gas",
)


@thorough
@given(family=st.sampled_from(FAMILIES), segments=st.lists(segment, max_size=4), raw=st.booleans())
def test_any_path(world: World, family: str, segments: list[str], raw: bool) -> None:
    path = "/".join(encoded(part, keep=raw) for part in segments)
    answer = world.client.get(f"/v1/{family}/{path}", follow_redirects=False)
    if answer.status_code != 200:
        check_error(answer, 400, 404, 405, 422)


def encoded(text: str, *, keep: bool) -> str:
    content = text.encode("utf-8", "replace")
    if keep and content.isascii() and text.isprintable() and not set(text) & set("?# "):
        return text
    return "".join(f"%{byte:02x}" for byte in content)


@thorough
@given(
    path=st.sampled_from(
        [
            "/v1/models",
            "/v1/licences",
            "/v1/policy/check",
            "/v1/state/accounts/x",
            "/v1/transactions/" + "0" * 64,
        ]
    ),
    query=st.dictionaries(
        st.sampled_from(
            ["publisher", "after", "limit", "licensee", "model", "who", "action", "resource"]
        )
        | st.just("prove")
        | st.text(max_size=5),
        segment,
        max_size=5,
    ),
)
def test_any_query(world: World, path: str, query: dict[str, str]) -> None:
    cleaned = {name: value.encode("utf-8", "replace").decode() for name, value in query.items()}
    answer = world.client.get(path, params=cleaned)
    if answer.status_code != 200:
        check_error(answer, 400, 404, 422)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "POST"])
def test_wrong_methods(world: World, method: str) -> None:
    answer = world.client.request(method, "/v1/chain")
    check_error(answer, 405)
    assert answer.json()["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/v2/chain", "/v1/chain/", "//v1/chain"])
def test_unknown_paths(world: World, path: str) -> None:
    check_error(world.client.get(path), 404)


def test_a_bug_is_told_without_detail(world: World, monkeypatch) -> None:
    """API-1: 500 names nothing of what went wrong inside."""
    from fastapi.testclient import TestClient

    def broken(*_: object) -> object:
        raise RuntimeError("secret path /x/y")

    monkeypatch.setattr("synnergy.api.routes.chain.chain_view", broken)
    with TestClient(world.client.app, raise_server_exceptions=False) as client:
        answer = client.get("/v1/chain")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    assert "secret" not in answer.text


# ---- on the wire -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home: Path = make_home(tmp_path_factory.mktemp("hostile") / "home", genesis())
    with node(home) as started:
        yield started
        status, errors = started.stop()
        assert (status, errors) == (0, "")


def exchange(running: Running, *parts: bytes, end: bool = False) -> bytes:
    """Send the parts as they are; what comes back until the node closes or a second is silent."""
    with socket.create_connection(running.address, timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
        if end:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        connection.settimeout(1)
        try:
            while part := connection.recv(65_536):
                answer += part
                if b'"}}' in answer:
                    break
        except (TimeoutError, ConnectionError):
            pass
        return answer


def head(path: str, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/octet-stream"]
    return "\r\n".join([*lines, *headers, "", ""]).encode()


def alive(running: Running) -> None:
    assert httpx.get(running.url + "/health", trust_env=False).status_code == 200


def test_a_body_without_announced_length_is_limited_while_read(running: Running) -> None:
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    chunks = [chunk] * (MAX_ENVELOPE_BYTES // 0x10000 + 1)
    answer = exchange(running, head("/v1/transactions", "Transfer-Encoding: chunked"), *chunks)
    assert answer.startswith(b"HTTP/1.1 413"), answer[:200]
    assert b'"too_large"' in answer
    alive(running)


def test_an_announced_length_is_refused_before_the_body(running: Running) -> None:
    for length in (MAX_ENVELOPE_BYTES + 1, 10**18):
        answer = exchange(running, head("/v1/transactions", f"Content-Length: {length}"))
        assert answer.startswith(b"HTTP/1.1 413"), answer[:200]
    alive(running)


def test_a_body_that_breaks_off(running: Running) -> None:
    exchange(running, head("/v1/transactions", "Content-Length: 1000"), b"abc", end=True)
    with socket.create_connection(running.address, timeout=10) as connection:
        connection.sendall(head("/v1/transactions", "Content-Length: 1000") + b"abc")
    alive(running)


@pytest.mark.parametrize(
    "content",
    [
        b"\x00\xff\xfe" * 100,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /v1/chain HTTP/1.1\r\n\r\n",
        b"GET /v1/chain HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        head("/v1/transactions", "Content-Length: -5"),
        head("/v1/transactions", "Content-Length: 5", "Content-Length: 6"),
        head("/v1/transactions", "Transfer-Encoding: chunked") + b"zz\r\n",
        head("/v1/transactions", "Transfer-Encoding: gzip"),
    ],
)
def test_what_is_hardly_http(running: Running, content: bytes) -> None:
    answer = exchange(running, content)
    assert not answer.startswith(b"HTTP/1.1 5") or answer.startswith(b"HTTP/1.1 501"), answer[:99]
    alive(running)


def test_a_slow_body_is_given_up(world: World, monkeypatch) -> None:
    import asyncio

    from fastapi import Request

    from synnergy.api import bodies
    from synnergy.api.errors import ApiError

    monkeypatch.setattr(bodies, "SEND_SECONDS", 0.05)

    async def never() -> dict[str, object]:
        await asyncio.sleep(60)
        return {}

    scope = {"type": "http", "headers": [(b"content-type", b"application/octet-stream")]}

    async def read() -> None:
        async with bodies.Bodies().read(Request(scope, never), 10):
            pytest.fail("there is no body")

    with pytest.raises(ApiError) as caught:
        asyncio.run(read())
    assert caught.value.status == 408
