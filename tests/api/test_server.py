"""A node as a process: ready when it answers, stopped cleanly, or not started (API-10)."""

from __future__ import annotations

import json
import signal
import socket
import threading
from pathlib import Path

import httpx
import pytest

from synnergy.api.server import ServeError, bind, open_node, parse_listen, serve
from synnergy.chain.genesis import chain_id_of
from synnergy.opcodes.ledger import Transfer
from synnergy.rejected import Rejected
from synnergy.state.store import Store
from synnergy.vm.templates import template
from synnergy.wire.codec import encode
from synnergy.wire.transaction import Body, BodySignature, Envelope, signing_bytes
from tests.api.processes import Running, make_home, node
from tests.api.support import CONSUMER, OCTETS, OPERATOR, genesis, key

CHAIN = chain_id_of(genesis())


def transfer(nonce: int, amount: int = 1) -> bytes:
    data = encode(Transfer(CONSUMER.address, amount))
    code = template("LEDGER_TRANSFER")
    body = Body(CHAIN, OPERATOR.address, nonce, 1_000_000, 1, 1_000, code, data, ())
    signature = BodySignature(OPERATOR.public_key, OPERATOR.sign(signing_bytes(body)))
    return encode(Envelope(body, (signature,), ()))


def post(running: Running, raw: bytes, wait: float = 20) -> httpx.Response:
    return httpx.post(
        f"{running.url}/v1/transactions?wait={wait:g}",
        content=raw,
        headers=OCTETS,
        timeout=60,
        trust_env=False,
    )


def get(running: Running, path: str) -> httpx.Response:
    return httpx.get(running.url + path, timeout=30, trust_env=False)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return make_home(tmp_path / "home", genesis())


def refusal(home: Path, listen: str = "127.0.0.1:0") -> str:
    """The sentence with which a node of `home` refuses to start."""
    with pytest.raises(ServeError) as caught:
        serve(home, listen, on_ready=pytest.fail)
    (line,) = str(caught.value).splitlines()
    return line


def test_a_node_serves_stops_and_goes_on(home: Path) -> None:
    with node(home) as running:
        assert get(running, "/health").json()["height"] == 0
        done = post(running, transfer(0))
        assert (done.status_code, done.json()["status"]) == (200, "ok")
        before = get(running, "/v1/blocks/latest").json()
        assert running.stop(signal.SIGTERM) == (0, "")
        with pytest.raises(httpx.TransportError):
            get(running, "/health")
    with node(home) as running:
        assert get(running, "/v1/blocks/latest").json() == before
        found = get(running, f"/v1/transactions/{done.json()['transaction']}").json()
        assert found["result"] == done.json()["result"]
        assert running.stop(signal.SIGINT) == (0, "")


def test_the_engine_ends_with_the_node(home: Path) -> None:
    with open_node(home) as opened:
        submitted = opened.engine.submit(transfer(0))
        assert not isinstance(submitted, Rejected)
        assert submitted.wait(30) is not None
    refused = opened.engine.submit(transfer(1))
    assert isinstance(refused, Rejected) and refused.rule == "ENG-1"


def test_what_was_acknowledged_survives_a_stop_under_load(home: Path) -> None:
    acknowledged: list[dict[str, object]] = []
    with node(home) as running:

        def send() -> None:
            for nonce in range(10_000):
                try:
                    answer = post(running, transfer(nonce))
                except httpx.TransportError:
                    return
                if answer.status_code != 200:
                    return
                acknowledged.append(answer.json())
                if len(acknowledged) == 10:
                    ready.set()

        ready = threading.Event()
        sender = threading.Thread(target=send)
        sender.start()
        assert ready.wait(60)
        assert running.stop()[0] == 0
        sender.join()
    with node(home) as running:
        for sent in acknowledged:
            found = get(running, f"/v1/transactions/{sent['transaction']}").json()
            assert found["result"] == sent["result"]


def test_a_busy_address(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refusal(home, f"127.0.0.1:{port}")
    assert f"127.0.0.1:{port}" in line and "listen" in line


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a" * 300, "..", "é" * 70])
def test_an_address_that_is_none(home: Path, host: str) -> None:
    assert "cannot listen" in refusal(home, f"{host}:0")


def test_small_answers_are_sent_at_once() -> None:
    """asyncio turns Nagle's algorithm off only where the socket names its protocol."""
    with bind("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_a_store_that_a_node_has_open(home: Path) -> None:
    with open_node(home):
        assert "already runs" in refusal(home)


def test_a_store_of_another_chain(home: Path, tmp_path: Path) -> None:
    with open_node(home):
        pass
    other = make_home(tmp_path / "other", genesis(name="other"))
    (home / "data").rename(other / "data")
    assert CHAIN in refusal(other)


def test_a_store_of_another_format(home: Path) -> None:
    store = Store.open(home / "data")
    with store.write() as batch:
        batch.put("meta", b"format", b"77")
    store.close()
    assert "77" in refusal(home)


def test_no_ledger(tmp_path: Path) -> None:
    assert "synnergy init" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b"[" * 100_000])
def test_a_broken_genesis(home: Path, content: bytes) -> None:
    (home / "genesis.json").write_bytes(content)
    assert "genesis" in refusal(home)


def test_a_changed_genesis(home: Path) -> None:
    file = json.loads((home / "genesis.json").read_text())
    file["genesis"]["minimum_gas_price"] = 2
    (home / "genesis.json").write_text(json.dumps(file))
    assert CHAIN in refusal(home)


def test_a_genesis_that_cannot_be(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", genesis(policy="permit (principal, action, resource);"))
    assert "policy" in refusal(home)


def test_another_nodes_key(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", genesis(), signer=key("another"))
    assert "not the one" in refusal(home)


@pytest.mark.parametrize("content", ["", "{}", '{"seed": "abc"}', '{"seed": 5}'])
def test_a_broken_key_is_not_quoted(home: Path, content: str) -> None:
    (home / "node_key.json").write_text(content)
    line = refusal(home)
    assert "node_key.json" in line
    assert "abc" not in line


def test_no_key(home: Path) -> None:
    (home / "node_key.json").unlink()
    assert "node_key.json" in refusal(home)


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("127.0.0.1:7070", ("127.0.0.1", 7070)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_listen(listen: str, expected: tuple[str, int]) -> None:
    assert parse_listen(listen) == expected


@pytest.mark.parametrize(
    "listen", ["", "7070", ":7070", "host:", "host:x", "host:65536", "host:-1", "host:٣"]
)
def test_listen_of_a_wrong_form(listen: str) -> None:
    with pytest.raises(ServeError, match="HOST:PORT"):
        parse_listen(listen)
