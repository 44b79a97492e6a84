"""The load generator, in a process of its own: sends requests on time and watches blocks come.

    python -m bench.network.load PLAN OUTCOME

Requests were made before, so that sending costs next to nothing. Each goes out when its time has
come, whether or not earlier ones were answered; those of one lane, a connection, stay in order.
"""

from __future__ import annotations

import asyncio
import base64
import os
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

#: What still waits so long after the last request is given up, in seconds.
PATIENCE = 20.0
#: Between the start of the process's clock and the first request, in seconds.
LEAD = 0.3


class Request(msgspec.Struct, frozen=True, array_like=True):
    """`content` goes to lane `lane` `offset` seconds after the start."""

    offset: float
    lane: int
    content: bytes


class Plan(msgspec.Struct, frozen=True):
    """`lanes` and `observer` are (host, port); the observer is a CometBFT's RPC.

    The run is over when for `quiet` seconds no block brought anything, and nothing waits.
    """

    lanes: list[tuple[str, int]]
    observer: tuple[str, int]
    requests: list[Request]
    quiet: float


class SeenBlock(msgspec.Struct, frozen=True):
    """A block, the mempool entries in it, and when the observer had committed it (Unix time)."""

    height: int
    entries: int
    seen: float


class Outcome(msgspec.Struct, frozen=True):
    """`due`: Unix time at which each request was to be sent; `late`: the largest delay, seconds.

    `refused` counts the entries that a node didn't take, `complaint` is the first such answer;
    `drained` tells whether nothing waited in the end.
    """

    due: list[float]
    late: float
    refused: int
    complaint: str
    blocks: list[SeenBlock]
    drained: bool


def post(host: str, port: int, path: str, kind: str, body: bytes) -> bytes:
    """An HTTP request as it goes over the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def broadcast(entries: tuple[bytes, ...]) -> bytes:
    """A JSON-RPC batch that hands entries to the mempool without waiting for their check."""
    calls = (
        b'{"jsonrpc":"2.0","id":%d,"method":"broadcast_tx_async","params":{"tx":"%b"}}'
        % (number, base64.b64encode(entry))
        for number, entry in enumerate(entries)
    )
    return b"[" + b",".join(calls) + b"]"


def main() -> None:
    plan = msgspec.msgpack.decode(Path(sys.argv[1]).read_bytes(), type=Plan)
    outcome = asyncio.run(_generate(plan))
    Path(sys.argv[2]).write_bytes(msgspec.msgpack.encode(outcome))


async def _generate(plan: Plan) -> Outcome:
    lanes = [await _Lane.open(*address) for address in plan.lanes]
    async with _observed(plan.observer) as blocks:
        start = time.time() + LEAD
        late = 0.0
        for request in plan.requests:
            await asyncio.sleep(max(0.0, start + request.offset - time.time()))
            lanes[request.lane].send(request.content)
            late = max(late, time.time() - start - request.offset)
        for lane in lanes:
            await lane.finish()
        drained = await _drain(plan, blocks)
    complaints = [lane.complaint for lane in lanes if lane.complaint]
    return Outcome(
        due=[start + request.offset for request in plan.requests],
        late=late,
        refused=sum(lane.refused for lane in lanes),
        complaint=complaints[0] if complaints else "",
        blocks=blocks,
        drained=drained,
    )


class _Lane:
    """A connection whose requests are pipelined, and the reader of its answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.refused = 0
        self.complaint = ""
        self._reader = reader
        self._writer = writer
        self._sent = 0
        self._answered = 0
        self._task = asyncio.create_task(self._read())

    @staticmethod
    async def open(host: str, port: int) -> _Lane:
        return _Lane(*await asyncio.open_connection(host, port))

    def send(self, content: bytes) -> None:
        self._writer.write(content)
        self._sent += 1

    async def finish(self) -> None:
        """Wait until each request is answered, or for `PATIENCE` seconds."""
        until = time.time() + PATIENCE
        while self._answered < self._sent and not self._task.done() and time.time() < until:
            await asyncio.sleep(0.02)
        if self._task.done() and not self._task.cancelled() and self._task.exception():
            self.complaint = self.complaint or repr(self._task.exception())
        self._task.cancel()
        self._writer.close()

    async def _read(self) -> None:
        while True:
            status, body = await _read_answer(self._reader)
            self._answered += 1
            refused = body.count(b'"error"') if status < 300 else 1
            if refused and not self.complaint:
                self.complaint = f"{status} {body[:300].decode(errors='replace')}"
            self.refused += refused


async def _read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of an HTTP answer, whose length is told or which comes in chunks."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head.split(b" ", 2)[1])
    if b"content-length:" in head:
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        return status, await reader.readexactly(length)
    body = b""
    while True:
        size = int(await reader.readuntil(b"\r\n"), 16)
        body += (await reader.readexactly(size + 2))[:-2]
        if size == 0:
            return status, body


async def _drain(plan: Plan, blocks: list[SeenBlock]) -> bool:
    """Whether all that waits came into blocks within `PATIENCE` seconds of the last block."""
    reader, writer = await asyncio.open_connection(*plan.observer)
    ask = f"GET /num_unconfirmed_txs?limit=1 HTTP/1.1\r\nHost: {plan.observer[0]}\r\n\r\n".encode()
    ended = time.time()
    try:
        while True:
            await asyncio.sleep(0.1)
            last = max((block.seen for block in blocks if block.entries), default=0.0)
            idle = time.time() - max(last, ended)
            if idle < plan.quiet:
                continue
            writer.write(ask)
            _, body = await _read_answer(reader)
            if b'"n_txs":"0"' in body or b'"n_txs": "0"' in body:
                return True
            if idle > PATIENCE:
                return False
    finally:
        writer.close()


# ---- the observer: CometBFT's event stream, a WebSocket (RFC 6455) ------------------------------

_SUBSCRIBE = (
    b'{"jsonrpc":"2.0","id":0,"method":"subscribe",'
    b'"params":{"query":"tm.event=\'NewBlockEvents\'"}}'
)


class _BlockEvent(msgspec.Struct, frozen=True):
    height: str
    num_txs: str


class _EventData(msgspec.Struct, frozen=True):
    value: _BlockEvent


class _EventResult(msgspec.Struct, frozen=True):
    data: _EventData | None = None


class _EventMessage(msgspec.Struct, frozen=True):
    result: _EventResult


@asynccontextmanager
async def _observed(address: tuple[str, int]) -> AsyncGenerator[list[SeenBlock]]:
    """A list to which each block is added once that CometBFT has executed and committed it."""
    reader, writer = await asyncio.open_connection(*address)
    host = f"{address[0]}:{address[1]}"
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        (
            f"GET /websocket HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()
    )
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    writer.write(_frame(1, _SUBSCRIBE))
    blocks: list[SeenBlock] = []
    subscribed = asyncio.Event()
    task = asyncio.create_task(_watch(reader, writer, blocks, subscribed))
    await asyncio.wait_for(subscribed.wait(), 10)
    try:
        yield blocks
    finally:
        task.cancel()
        writer.close()


async def _watch(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    blocks: list[SeenBlock],
    subscribed: asyncio.Event,
) -> None:
    while True:
        first, second = await reader.readexactly(2)
        kind, size = first & 15, second & 127
        if size > 125:
            size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")
        content = await reader.readexactly(size)
        if kind == 9:  # ping: answered by a pong of the same content
            writer.write(_frame(10, content))
        if kind != 1:
            continue
        now = time.time()
        data = msgspec.json.decode(content, type=_EventMessage).result.data
        if data is None:
            subscribed.set()
        else:
            blocks.append(SeenBlock(int(data.value.height), int(data.value.num_txs), now))


def _frame(kind: int, content: bytes) -> bytes:
    """A whole message to a server; the mask of zeros leaves the content as it is."""
    size = len(content)
    length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes((0x80 | kind,)) + length + bytes(4) + content


if __name__ == "__main__":
    main()
