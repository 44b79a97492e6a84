"""What Prometheus reads: the ledger's figures from committed blocks, and the requests served.

Nothing is counted on the way of a transaction: each reading takes up the blocks committed since
the one before. Counters start with the process, as counters do.
"""

from __future__ import annotations

import threading
from collections import Counter as Tally
from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from synnergy.api.node import Node
from synnergy.chain.archive import height_key, load_block
from synnergy.pipeline import TransactionResult
from synnergy.state.store import View
from synnergy.wire.codec import decode_trusted

#: One reading takes up at most this many blocks; what is left waits for the next.
MAX_BLOCKS = 2_000
#: Upper bounds in seconds of the time from one block to the next.
BLOCK_SECONDS: Final = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 300.0)
REQUEST_SECONDS: Final = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
STATUSES: Final = ("ok", "refused", "inadmissible")
METHODS: Final = frozenset(("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"))


class Metrics:
    """The registry of one server."""

    def __init__(self, node: Node) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(LedgerCollector(node))
        self._requests = Counter(
            "synnergy_http_requests",
            "requests answered",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "synnergy_http_request_seconds",
            "time to answer a request",
            ("route",),
            buckets=REQUEST_SECONDS,
            registry=self.registry,
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request; `route` is its pattern, so that labels stay few (API-11)."""
        known = method if method in METHODS else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)


class LedgerCollector(Collector):
    """Figures of the ledger, brought up to date when they are read."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._height = node.application.height
        self._time = node.application.header.time
        self._transactions: Tally[str] = Tally()
        self._gas = 0
        self._intervals: Tally[float] = Tally()
        self._interval_sum = 0.0

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            with self._node.application.store.snapshot() as view:
                self._take_up(view)
            yield GaugeMetricFamily(
                "synnergy_height", "height of the last block", self._node.application.height
            )
            yield GaugeMetricFamily(
                "synnergy_mempool",
                "transactions that wait for a block",
                self._node.engine.mempool_size,
            )
            yield GaugeMetricFamily(
                "synnergy_halted",
                "1 where the engine halted and nothing is accepted",
                int(self._node.engine.failure is not None),
            )
            transactions = CounterMetricFamily(
                "synnergy_transactions", "transactions in blocks", labels=["status"]
            )
            for status in STATUSES:
                transactions.add_metric([status], self._transactions[status])
            yield transactions
            yield CounterMetricFamily("synnergy_gas_used", "gas used in blocks", self._gas)
            yield self._block_seconds()

    def _block_seconds(self) -> Metric:
        total, buckets = 0, list[tuple[str, float]]()
        for bound in BLOCK_SECONDS:
            total += self._intervals[bound]
            buckets.append((str(bound), total))
        buckets.append(("+Inf", total + self._intervals[float("inf")]))
        family = HistogramMetricFamily(
            "synnergy_block_seconds", "time of a block after the one before"
        )
        family.add_metric([], buckets, self._interval_sum)
        return family

    def _take_up(self, view: View) -> None:
        first = int.from_bytes(view.get("meta", b"first_height") or b"", "big")
        begun = load_block(view.get, first) if first > self._height else None
        if begun is not None:  # a snapshot took the place of the blocks up to here
            self._height, self._time = first, begun.header.time
        for _ in range(MAX_BLOCKS):
            height = self._height + 1
            block = load_block(view.get, height)
            if block is None:
                return
            for _, stored in view.scan("results", height_key(height), height_key(height + 1)):
                result = decode_trusted(stored, TransactionResult)
                self._transactions[result.status] += 1
                self._gas += result.gas_used
            seconds = (block.header.time - self._time) / 1000
            bounds = (bound for bound in BLOCK_SECONDS if seconds <= bound)
            self._intervals[next(bounds, float("inf"))] += 1
            self._interval_sum += seconds
            self._height, self._time = height, block.header.time
