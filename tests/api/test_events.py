"""API-12: the stream of events, as its clients see it and as the node bears it."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from synnergy.api import streams
from synnergy.api.app import create_app
from synnergy.api.node import Node
from synnergy.api.routes import events
from tests.api.processes import Running, make_home, node
from tests.api.schemas import problems
from tests.api.support import OPERATOR, World, genesis
from tests.api.test_server import post, transfer

LINES = {"Accept": "application/x-ndjson"}
PATH = "/v1/events?follow=false"


def listed(world: World, path: str = PATH, **headers: str) -> list[dict[str, Any]]:
    answer = world.client.get(path, headers=LINES | headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson; charset=utf-8"
    return [json.loads(line) for line in answer.text.splitlines()]


def messages(text: str) -> list[tuple[str | None, str]]:
    """What a browser makes of server-sent events: (last id, data) of each message."""
    found: list[tuple[str | None, str]] = []
    identifier: str | None = None
    data: list[str] = []
    for line in text.split("\n"):
        name, _, value = line.partition(":")
        match name:
            case "":
                if line == "" and data:
                    found.append((identifier, "\n".join(data)))
                    data = []
            case "id":
                identifier = value.removeprefix(" ")
            case "data":
                data.append(value.removeprefix(" "))
            case _:
                raise AssertionError(f"an unknown field: {line!r}")
    return found


# ---- what is sent ------------------------------------------------------------------------------


def test_all_that_blocks_and_transactions_say(world: World) -> None:
    found = listed(world)
    expected: list[tuple[object, ...]] = []
    head = world.get("/v1/chain").json()["height"]
    for height in range(head + 1):
        block = world.get(f"/v1/blocks/{height}").json()
        for index, transaction in enumerate(block["transactions"]):
            result = world.get(f"/v1/transactions/{transaction}").json()["result"]
            expected += [
                (height, block["time"], index, transaction, event["name"], event["attributes"])
                for event in result["events"]
            ]
    fields = ("height", "time", "index", "transaction", "name", "attributes")
    of_transactions = [one for one in found if one["transaction"] is not None]
    known = [tuple(one[name] for name in fields) for one in of_transactions]
    assert known == expected and len(expected) > 5
    document = world.get("/openapi.json").json()["components"]["schemas"]
    for one in found:
        assert list(problems(one, document["EventView"], document)) == []


def test_server_sent_events_say_the_same(world: World) -> None:
    answer = world.client.get(PATH)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    found = messages(answer.text)
    as_lines = listed(world)
    assert [json.loads(data) for _, data in found] == as_lines[: len(found)]
    assert [identifier for identifier, _ in found] == [one["id"] for one in as_lines]


def test_resuming_anywhere_loses_and_doubles_nothing(world: World) -> None:
    whole = listed(world, PATH + "&from=0")
    for position, event in enumerate(whole):
        rest = listed(world, PATH + "&from=0", **{"Last-Event-ID": event["id"]})
        assert rest == whole[position + 1 :]
    height = whole[-1]["height"]
    assert listed(world, PATH, **{"Last-Event-ID": str(height)}) == []
    later = [one for one in whole if one["height"] >= height]
    assert listed(world, f"{PATH}&from={height}") == later


def test_names(world: World) -> None:
    whole = listed(world)
    for query, wanted in (
        ("name=model.approved", lambda name: name == "model.approved"),
        ("name=model.*", lambda name: name.startswith("model.")),
        ("name=model.*&name=licence.bought", lambda name: name[:6] in ("model.", "licenc")),
        ("name=nothing", lambda name: False),
    ):
        kept = [one for one in whole if wanted(one["name"])]
        assert listed(world, f"{PATH}&{query}") == kept
        assert kept or query == "name=nothing"


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("from=-1", {}, 422),
        ("from=x", {}, 422),
        ("from=99999999999999999999", {}, 422),
        ("from=9007199254740991", {}, 404),
        ("follow=perhaps", {}, 422),
        ("&".join(["name=x"] * 33), {}, 422),
        ("", {"Last-Event-ID": "yesterday"}, 422),
        ("from=0", {"Last-Event-ID": "1.2"}, 422),
        ("from=0", {"Last-Event-ID": "999999999999999"}, 404),
        ("", {"Last-Event-ID": "999999999999999.0.0"}, 404),
    ],
)
def test_refusals(world: World, query: str, headers: dict[str, str], status: int) -> None:
    answer = world.client.get(f"/v1/events?{query}", headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"]["rule"] == ("API-12" if status == 404 else "API-2")


def test_the_next_block_can_be_waited_for(world: World) -> None:
    head = world.get("/v1/chain").json()["height"]
    assert world.client.get(f"{PATH}&from={head + 1}").text == ""
    refused = world.client.get(f"{PATH}&from={head + 2}").json()["error"]["message"]
    assert str(head + 1) in refused


# ---- how the node bears it ---------------------------------------------------------------------


class Client:
    """One request, spoken without a network: this side decides when it takes what is sent."""

    def __init__(self, app: Any, query: bytes, *headers: tuple[bytes, bytes]) -> None:
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/v1/events",
            "raw_path": b"/v1/events",
            "query_string": query,
            "root_path": "",
            "headers": list(headers),
            "client": None,
            "server": None,
        }
        self.app = app
        self.left = asyncio.Event()
        self.takes = asyncio.Semaphore(0)
        self.messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.ended = False

    async def receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        await self.takes.acquire()
        self.ended = self.ended or not message.get("more_body", True)
        self.messages.put_nowait(message)

    async def next(self) -> dict[str, Any]:
        self.takes.release()
        return await asyncio.wait_for(self.messages.get(), 60)

    async def text(self) -> str:
        return (await self.next())["body"].decode()

    def take_all(self) -> None:
        for _ in range(10_000):
            self.takes.release()

    def leave(self) -> None:
        """Where the client has gone, sending waits for nothing."""
        self.left.set()
        self.take_all()

    def start(self) -> asyncio.Task[None]:
        return asyncio.create_task(self.app(self.scope, self.receive, self.send))


@asynccontextmanager
async def serving(world: World) -> AsyncIterator[Any]:
    app = create_app(Node(world.ledger.application, world.engine))
    async with app.router.lifespan_context(app):
        yield app


def pinned(world: World) -> list[str]:
    """Threads of this process that hold a snapshot of the store open."""
    rows = [line.split() for line in world.ledger.store._environment.readers().splitlines()]
    return [row[1] for row in rows if len(row) == 3 and row[2].isdigit()]


def test_a_client_that_takes_nothing_pins_nothing(world: World, monkeypatch) -> None:
    """While it is slow there is one page, no snapshot; what it misses meanwhile it reads later."""
    pages = 0
    read_events = events.read_events

    def counted(*arguments: Any) -> Any:
        nonlocal pages
        pages += 1
        with world.ledger.store.snapshot():
            assert pinned(world)  # or the check below would see nothing
        return read_events(*arguments)

    async def scenario() -> None:
        async with serving(world) as app:
            client = Client(app, b"")
            running = client.start()
            assert (await client.next())["status"] == 200
            while pages == 0:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.5)
            assert (pages, pinned(world)) == (1, [])
            nonce = world.get(f"/v1/accounts/{OPERATOR.address}").json()["nonce"]
            done = await asyncio.to_thread(world.post, world.transfer_of(1, nonce=nonce))
            assert done.json()["status"] == "ok"
            assert pages == 1 and world.ledger.store.get("meta", b"height")
            text = await client.text()
            while done.json()["transaction"] not in text:
                text = await client.text()
            client.leave()
            await asyncio.wait_for(running, 60)
            assert app.state.streams._open == 0

    monkeypatch.setattr(events, "read_events", counted)
    asyncio.run(scenario())


def test_heartbeats(world: World, monkeypatch) -> None:
    """Where nothing happens both ends still hear of each other, and of how far it was looked."""
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.05)

    async def scenario() -> None:
        async with serving(world) as app:
            head = world.ledger.application.height
            client = Client(app, b"name=nothing")
            running = client.start()
            await client.next()
            text = await client.text()
            assert text == f": still here\nid: {head}\n\n"
            assert messages(text) == []
            lines = Client(app, b"name=nothing", (b"accept", b"application/x-ndjson"))
            also = lines.start()
            await lines.next()
            assert await lines.text() == "\n"
            client.leave()
            lines.leave()
            await asyncio.wait_for(asyncio.gather(running, also), 60)

    asyncio.run(scenario())


def test_a_limit_of_streams(world: World, monkeypatch) -> None:
    monkeypatch.setattr(streams, "MAX_STREAMS", 2)

    async def scenario() -> None:
        async with serving(world) as app:
            clients = [Client(app, b"") for _ in range(2)]
            running = [client.start() for client in clients]
            for client in clients:
                assert (await client.next())["status"] == 200
            refused = Client(app, b"")
            task = refused.start()
            answer = await refused.next()
            assert answer["status"] == 503
            assert (b"retry-after", b"1") in answer["headers"]
            assert json.loads((await refused.next())["body"])["error"]["code"] == "busy"
            await task
            clients[0].leave()
            await asyncio.wait_for(running[0], 60)
            again = Client(app, b"")
            running[0] = again.start()
            assert (await again.next())["status"] == 200
            app.state.streams.end()
            for client in (again, clients[1]):
                client.take_all()
            await asyncio.wait_for(asyncio.gather(*running), 60)
            assert again.ended and clients[1].ended and app.state.streams._open == 0

    asyncio.run(scenario())


# ---- on the wire -------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return make_home(tmp_path / "home", genesis())


def opened(stack: ExitStack, running: Running, path: str = "/v1/events") -> Iterator[str]:
    client = stack.enter_context(httpx.Client(timeout=60, trust_env=False))
    response = stack.enter_context(client.stream("GET", running.url + path, headers=LINES))
    assert response.status_code == 200
    return response.iter_lines()


def take(lines: Iterator[str], until: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for line in lines:
        if line:
            found.append(json.loads(line))
            if until(found[-1]):
                return found
    raise AssertionError("the stream ended")


def test_stored_then_live_then_the_end(home: Path) -> None:
    """A node told to stop ends its streams as they should end, without cancelling anything."""
    with node(home) as running, ExitStack() as stack:
        first = post(running, transfer(0)).json()["transaction"]
        clients = [opened(stack, running) for _ in range(3)]
        for lines in clients:
            assert take(lines, lambda _: True)[0]["transaction"] == first
        second = post(running, transfer(1)).json()["transaction"]
        for lines in clients:
            assert take(lines, lambda _: True)[0]["transaction"] == second
        assert running.stop(signal.SIGTERM) == (0, "")
        assert [list(lines) for lines in clients] == [[], [], []]


BIG = """
from synnergy.api.routes import events
small = events._message
events._message = lambda event, media_type: small(event, media_type) + b" " * 20_000_000
"""


def test_a_client_that_takes_nothing_keeps_no_node_from_stopping(home: Path) -> None:
    """More than any buffer holds is on its way to it: its connection is cut, and nothing else."""
    with node(home, prelude=BIG) as running, ExitStack() as stack:
        post(running, transfer(0))
        for _ in range(3):
            connection = stack.enter_context(socket.create_connection(running.address))
            connection.sendall(b"GET /v1/events HTTP/1.1\r\nHost: node\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
        assert post(running, transfer(1)).json()["status"] == "ok"
        assert running.stop() == (0, "")


def test_following_a_node_that_is_stopped_and_started(home: Path) -> None:
    seen: list[str] = []
    last = ""
    for nonce in range(3):
        with node(home) as running, httpx.Client(timeout=60, trust_env=False) as client:
            sent = post(running, transfer(nonce)).json()["transaction"]
            headers = LINES | ({"Last-Event-ID": last} if last else {})
            with client.stream("GET", running.url + "/v1/events", headers=headers) as response:
                (event,) = take(response.iter_lines(), lambda _: True)
                assert event["transaction"] == sent
                seen.append(event["transaction"])
                last = event["id"]
                assert running.stop()[0] == 0
    assert len(set(seen)) == 3
