"""A network under rising load: what it commits, and how long a transaction takes until then."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec

from bench.network.load import Outcome, Plan, Request

#: A step's committed rate follows the offered one down to this share of it.
FOLLOWS = 0.93
#: Seconds without a transaction after which no more are expected.
QUIET = 1.5

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Shipment:
    """A request for a lane, and the transactions that it hands over."""

    lane: int
    content: bytes
    transactions: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Network:
    """Where load goes and where blocks are seen.

    `contents` are the transactions of a mempool entry, of which a block consists.
    """

    name: str
    lanes: Sequence[Address]
    observer: Address
    contents: Callable[[bytes], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Step:
    """One load: transactions/s `offered` and `committed`, `mean` and `p95` seconds to finality.

    `lost` transactions came into no block, `refused` entries weren't even taken; `late` is the
    generator's own largest delay in seconds, `largest` the transactions of the largest block.
    """

    offered: float
    committed: float
    mean: float
    p95: float
    lost: int
    refused: int
    complaint: str
    late: float
    largest: int

    @property
    def follows(self) -> bool:
        return self.committed >= FOLLOWS * self.offered and not self.lost


def drive(network: Network, shipments: Sequence[Shipment], rate: float, folder: Path) -> Step:
    """Send the shipments at `rate` transactions/s from a process of its own, and look back.

    Finality is from when a transaction was to be sent until the observer has executed and
    committed its block.
    """
    offset = 0.0
    requests: list[Request] = []
    for shipment in shipments:
        requests.append(Request(offset, shipment.lane, shipment.content))
        offset += len(shipment.transactions) / rate
    outcome = _generate(Plan(list(network.lanes), network.observer, requests, QUIET), folder)
    due = {
        transaction: when
        for shipment, when in zip(shipments, outcome.due, strict=True)
        for transaction in shipment.transactions
    }
    waited: list[tuple[float, float]] = []
    largest = 0
    with httpx.Client(base_url=f"http://{network.observer[0]}:{network.observer[1]}") as rpc:
        for block in outcome.blocks:
            found = [
                (when, block.seen - when)
                for entry in (entries_of(rpc, block.height) if block.entries else ())
                for transaction in network.contents(entry)
                if (when := due.pop(transaction, None)) is not None
            ]
            waited += found
            largest = max(largest, len(found))
    latencies = [latency for _, latency in waited]
    return Step(
        offered=rate,
        committed=committed_rate(waited, offset),
        mean=statistics.fmean(latencies) if latencies else float("inf"),
        p95=quantile(latencies, 0.95),
        lost=len(due),
        refused=outcome.refused,
        complaint=outcome.complaint,
        late=outcome.late,
        largest=largest,
    )


def _generate(plan: Plan, folder: Path) -> Outcome:
    given, made = folder / "plan", folder / "outcome"
    given.write_bytes(msgspec.msgpack.encode(plan))
    subprocess.run([sys.executable, "-m", "bench.network.load", given, made], check=True)
    return msgspec.msgpack.decode(made.read_bytes(), type=Outcome)


class _Data(msgspec.Struct):
    txs: list[bytes] | None


class _Block(msgspec.Struct):
    data: _Data


class _BlockResult(msgspec.Struct):
    block: _Block


class _BlockAnswer(msgspec.Struct):
    result: _BlockResult


def entries_of(rpc: httpx.Client, height: int) -> list[bytes]:
    """The mempool entries in the block at a height."""
    answer = rpc.get("/block", params={"height": height}, timeout=30)
    return msgspec.json.decode(answer.content, type=_BlockAnswer).result.block.data.txs or []


def committed_rate(waited: Sequence[tuple[float, float]], seconds: float) -> float:
    """Transactions/s of a load that was sent for so many seconds.

    `waited` are when each of those committed was to be sent, and its seconds to finality. By as
    much as the last tenth waited longer than the first, the network took longer than the load.
    """
    if not waited:
        return 0.0
    ordered = [latency for _, latency in sorted(waited)]
    tenth = -(-len(ordered) // 10)
    behind = statistics.fmean(ordered[-tenth:]) - statistics.fmean(ordered[:tenth])
    return len(ordered) / (seconds + max(0.0, behind))


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of all don't exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("inf")


def climb(
    rates: Sequence[float], step: Callable[[float], Step], tell: Callable[[Step], None]
) -> list[Step]:
    """Rising steps, until one isn't followed."""
    taken: list[Step] = []
    for rate in rates:
        taken.append(step(rate))
        tell(taken[-1])
        if not taken[-1].follows:
            break
    return taken
