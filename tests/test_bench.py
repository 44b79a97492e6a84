"""The benchmarks run on tiny sizes. Nothing here asserts how fast anything is."""

from __future__ import annotations

import base64
import json

import pytest

from bench import interpreter, scale, transfers
from bench.network import rising, signing
from bench.network.abci import measure_abci
from bench.report import NETWORK, ONE_NODE, PAGE, cells, measured, merged, with_measured
from bench.row import Row
from synnergy.chain.verified import Authenticator
from synnergy.rejected import Rejected
from synnergy.wire.bundle import unbundle

CHAIN = "bench-" + "0" * 32


def test_the_benchmarks_run() -> None:
    rows = [
        *transfers.rows(wallets=20, per_block=40, blocks=1),
        *interpreter.rows(rounds=40, repeats=1),
        *scale.rows(few=20, many=300, blocks=1, per_block=10),
    ]
    names = [row.name for row in rows]
    assert len(set(names)) == len(names)
    assert {
        "transfers_vs_signature_verify",
        "transfers_vs_signature_verify_threads",
        "interpreter_vs_pyevm",
        "cost_per_tx_1e6_vs_1e3_accounts",
        "memory_at_1e6_accounts",
    } <= set(names)
    assert all(row.value > 0 and row.peer_value > 0 and row.ratio > 0 for row in rows)
    table = measured(rows)
    for row in rows:
        assert f"| {' | '.join(cells(row))} |" in table


@pytest.mark.parametrize("marks", [ONE_NODE, NETWORK])
def test_the_page_has_room_for_what_is_measured(marks: tuple[str, str]) -> None:
    begin, end = marks
    page = PAGE.read_text("utf-8")
    assert page.count(begin) == page.count(end) == 1
    assert page.index(begin) < page.index(end)


def test_measuring_one_part_keeps_the_others_rows() -> None:
    alone, network = _row("transfers"), _row("network_transfers")
    both = merged(merged("[]", [alone], ONE_NODE), [network], NETWORK)
    assert [row["name"] for row in json.loads(both)] == ["transfers", "network_transfers"]
    again = merged(both, [_row("transfers", 2.0)], ONE_NODE)
    assert [row["value"] for row in json.loads(again)] == [2.0, 1.0]
    assert merged(both, [network], NETWORK) == both

    page = "a\n{}\nold\n{}\nb\n{}\nold\n{}\nc\n".format(*ONE_NODE, *NETWORK)
    changed = with_measured(page, [network], NETWORK)
    assert changed.startswith("a\n{}\nold\n{}\nb\n".format(*ONE_NODE))
    assert changed.endswith(f"{NETWORK[1]}\nc\n")
    assert changed.count("old") == 1
    assert "network_transfers" in changed


def _row(name: str, value: float = 1.0) -> Row:
    return Row(name, value, "1/s", "peer", 1.0, value)


def test_a_load_is_committed_as_fast_as_finality_stays_the_same() -> None:
    sent = [number / 100 for number in range(1_000)]
    steady = [(when, 0.3) for when in sent]
    assert rising.committed_rate(steady, seconds=10.0) == pytest.approx(100.0)
    # Each is committed half as fast as it was sent.
    slow = [(when, 0.3 + when) for when in sent]
    assert rising.committed_rate(slow, seconds=10.0) == pytest.approx(52.6, abs=0.1)
    assert rising.committed_rate(slow[::-1], seconds=10.0) == pytest.approx(52.6, abs=0.1)
    # What was slow to begin isn't faster than it was sent; what was lost doesn't count.
    assert rising.committed_rate([(0.0, 2.0), (5.0, 0.3)], seconds=10.0) == pytest.approx(0.2)
    assert rising.committed_rate([], seconds=10.0) == 0.0


def test_a_quantile_is_a_value_that_was_measured() -> None:
    assert rising.quantile([3.0, 1.0, 2.0, 4.0], 0.5) == 3.0
    assert rising.quantile([1.0], 0.95) == 1.0
    assert rising.quantile([], 0.95) == float("inf")


@pytest.mark.parametrize("followed", [True, False])
def test_the_load_rises_until_it_isnt_followed(followed: bool) -> None:
    def step(rate: float) -> rising.Step:
        committed = rate if followed or rate < 200 else rate / 2
        return rising.Step(rate, committed, 0.1, 0.2, 0, 0, "", 0.0, 1)

    taken = rising.climb([100, 200, 300], step, lambda _: None)
    assert [done.offered for done in taken] == ([100, 200, 300] if followed else [100, 200])


def test_signed_load_is_valid_and_in_order_of_each_wallets_nonces() -> None:
    senders, each = range(1, 121), 3
    made = signing.transfers(CHAIN, senders, each)
    authenticate = Authenticator(CHAIN)
    lanes = [("127.0.0.1", 1), ("127.0.0.1", 2)]
    for arranged in (signing.bundles(lanes, made), signing.singles(lanes, made)):
        nonces: dict[str, int] = {}
        lane_of: dict[str, int] = {}
        for shipment in arranged:
            for raw in shipment.transactions:
                transaction = authenticate(raw)
                assert not isinstance(transaction, Rejected)
                body = transaction.body
                assert body.nonce == nonces.get(body.sender, 0)
                nonces[body.sender] = body.nonce + 1
                assert lane_of.setdefault(body.sender, shipment.lane) == shipment.lane
        assert list(nonces.values()) == [each] * len(senders)


def test_a_request_carries_its_bundle() -> None:
    made = signing.transfers(CHAIN, range(1, 61), 1)
    first, second = signing.bundles([("127.0.0.1", 1)], made)
    for shipment, size in ((first, 50), (second, 10)):
        head, _, body = shipment.content.partition(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head
        (call,) = json.loads(body)
        entry = call["params"]["tx"]
        assert unbundle(base64.b64decode(entry)) == shipment.transactions
        assert len(shipment.transactions) == size


def test_the_abci_server_is_measured() -> None:
    assert measure_abci(messages=500) > 0
