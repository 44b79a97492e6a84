"""NET-20, NET-21, ENG-4: entries and the transactions they carry, without a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synnergy.engines.cometbft.mempool import Mempool
from synnergy.engines.waiting import Submitted, WaitingRoom
from synnergy.opcodes import ledger as money
from synnergy.rejected import Rejected
from synnergy.wire.bundle import MAX_BUNDLE_BYTES, MAX_BUNDLED, PREFIX, Bundle, bundle, unbundle
from synnergy.wire.codec import encode
from synnergy.wire.transaction import Attachment
from tests.ledger.harness import CONSUMER, OPERATOR, PUBLISHER, Ledger

GIVE = money.Transfer(CONSUMER.address, 5)


class Node:
    """A ledger with a mempool, whose CometBFT is the test."""

    def __init__(self, path: Path) -> None:
        self.ledger = Ledger(path)
        self.room = WaitingRoom(self.ledger.application)
        self.mempool = Mempool(self.ledger.application, self.room)

    def block(self, *entries: bytes) -> list[str]:
        """Decide these entries; the status of each transaction."""
        flat: list[bytes] = []
        for entry in entries:
            carried = unbundle(entry)
            flat += (entry,) if isinstance(carried, Rejected) else carried
        results = self.ledger.block(*flat)
        with self.room.lock:
            self.mempool.settle(self.ledger.application.height, results, entries)
        return [result.status for result in results]

    def accept(self, raw: bytes) -> Submitted:
        found = self.mempool.submit(raw)
        assert isinstance(found, Submitted), found
        return found

    def outbox(self) -> list[Submitted]:
        return self.mempool.take(0, 0)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path / "data")
    yield made
    made.ledger.close()


def transfer(node: Node, nonce: int, **header: object) -> bytes:
    return node.ledger.envelope(OPERATOR, "LEDGER_TRANSFER", GIVE, nonce=nonce, **header)


# ---- bundles --------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=MAX_BUNDLED))
def test_a_bundle_carries_its_envelopes_in_order(envelopes: list[bytes]) -> None:
    if len(envelopes) == 1 and envelopes[0].startswith(PREFIX):
        return
    assert unbundle(bundle(envelopes)) == tuple(envelopes)


@given(st.binary(max_size=400))
def test_whatever_follows_the_prefix_is_a_bundle_or_refused(rest: bytes) -> None:
    found = unbundle(PREFIX + rest)
    if not isinstance(found, Rejected):
        assert bundle(found) == PREFIX + rest


@pytest.mark.parametrize(
    "entry",
    [
        PREFIX,
        PREFIX + encode(Bundle((b"one",))),
        PREFIX + encode({"transactions": [b"a"] * (MAX_BUNDLED + 1)}),
        PREFIX + encode(Bundle((b"one", b"two"))) + b"\x00",
        PREFIX + encode(Bundle((bytes(MAX_BUNDLE_BYTES // 2),) * 2)),
    ],
)
def test_improper_bundles_are_refused(entry: bytes) -> None:
    found = unbundle(entry)
    assert isinstance(found, Rejected) and found.rule == "NET-20"


def test_too_much_is_no_bundle() -> None:
    for envelopes in ([], [b"x"] * (MAX_BUNDLED + 1), [bytes(MAX_BUNDLE_BYTES)] * 2):
        with pytest.raises(ValueError):
            bundle(envelopes)


# ---- entries that come from elsewhere -------------------------------------------------------


def test_one_bad_transaction_does_not_sink_its_neighbours(node: Node) -> None:
    late = transfer(node, 9)  # its nonce comes too early
    entry = bundle([transfer(node, 0), late, transfer(node, 1)])
    assert node.mempool.check(entry) is None
    assert node.block(entry) == ["ok", "inadmissible", "ok"]
    assert len(node.room) == 0


def test_an_entry_with_something_unauthentic_is_refused_whole(node: Node) -> None:
    broken = bytearray(transfer(node, 1))
    broken[-1] ^= 1
    refused = node.mempool.check(bundle([transfer(node, 0), bytes(broken)]))
    assert refused is not None
    assert len(node.room) == 0


def test_an_entry_of_which_nothing_passes_is_refused(node: Node) -> None:
    refused = node.mempool.check(bundle([transfer(node, 7), transfer(node, 8)]))
    assert refused is not None and refused.code == "nonce_too_high"


def test_the_same_transactions_do_not_fill_the_mempool_twice(node: Node) -> None:
    one, two, three = (transfer(node, nonce) for nonce in range(3))
    assert node.mempool.check(bundle([one, two])) is None
    refused = node.mempool.check(bundle([two, one]))
    assert refused is not None and refused.code == "duplicate"
    assert node.mempool.check(bundle([one, two])) is None  # the very same, asked again
    assert node.mempool.check(bundle([two, three])) is None  # something of it is new


def test_what_a_block_makes_pointless_is_not_kept(node: Node) -> None:
    entry = bundle([transfer(node, 0), transfer(node, 1)])
    assert node.mempool.check(entry) is None and node.mempool.recheck(entry)
    other = bundle([transfer(node, nonce, gas_price=2) for nonce in range(2)])
    assert node.block(other) == ["ok", "ok"]
    assert not node.mempool.recheck(entry)
    assert len(node.room) == 0


# ---- what came to this node first -----------------------------------------------------------


def test_what_arrives_together_leaves_together_and_in_order(node: Node) -> None:
    raws = [transfer(node, nonce) for nonce in range(5)]
    for raw in raws:
        node.accept(raw)
    assert [submitted.raw for submitted in node.outbox()] == raws
    assert node.outbox() == []


def test_a_submitted_transaction_is_told_where_it_landed(node: Node) -> None:
    submitted = node.accept(transfer(node, 0))
    assert node.mempool.submit(submitted.raw) is submitted
    [taken] = node.outbox()
    assert node.room.status(taken.transaction) == "pending"
    assert node.block(taken.raw) == ["ok"]
    assert submitted.committed is not None and submitted.committed.height == 1
    assert node.room.status(taken.transaction) is None


def test_what_came_too_early_in_its_block_travels_again(node: Node) -> None:
    zero, one = node.accept(transfer(node, 0)), node.accept(transfer(node, 1))
    entry = bundle([submitted.raw for submitted in node.outbox()])
    node.mempool.mark([zero, one], entry)
    assert node.block(one.raw, zero.raw) == ["inadmissible", "ok"]
    assert [submitted.raw for submitted in node.outbox()] == [one.raw]
    assert node.block(one.raw) == ["ok"]
    assert one.committed is not None and one.committed.height == 2


def test_what_travels_in_another_s_entry_is_not_sent_twice(node: Node) -> None:
    mine = node.accept(transfer(node, 0))
    assert node.mempool.check(bundle([mine.raw, transfer(node, 1)])) is None
    assert node.outbox() == []


def test_what_another_s_entry_brought_too_early_travels_again_for_who_submitted_it_here(
    node: Node,
) -> None:
    one, zero = transfer(node, 1), transfer(node, 0)
    theirs = bundle([zero, one])
    assert node.mempool.check(theirs) is None
    submitted = node.accept(one)
    assert node.outbox() == []
    assert node.block(one, zero) == ["inadmissible", "ok"]
    assert node.outbox() == [submitted]
    assert node.block(one) == ["ok"]
    assert submitted.committed is not None


def test_what_no_block_takes_travels_anew(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody else refused its entry, and CometBFT doesn't offer it twice."""
    mine = [node.accept(transfer(node, nonce)) for nonce in range(2)]
    entry = bundle([submitted.raw for submitted in node.outbox()])
    node.mempool.mark(mine, entry)
    assert node.mempool.check(entry) is None
    assert node.block() == [] and node.outbox() == []
    monkeypatch.setattr("synnergy.engines.cometbft.mempool.RESEND_SECONDS", 0.0)
    assert node.block() == []
    assert not node.mempool.recheck(entry)
    assert node.outbox() == mine
    node.mempool.mark(mine, entry)
    assert node.mempool.check(entry) is None
    assert node.block(entry) == ["ok", "ok"] and node.outbox() == []


def test_all_that_waits_travels_again_once_comet_bft_starts_anew(node: Node) -> None:
    """NET-36: what other nodes brought too."""
    mine, theirs = node.accept(transfer(node, 0)), transfer(node, 1)
    taken = node.outbox()
    node.mempool.mark(taken, mine.raw)
    assert node.mempool.check(mine.raw) is None and node.mempool.check(theirs) is None
    node.mempool.forgotten()
    assert not node.mempool.recheck(theirs)
    assert [submitted.raw for submitted in node.outbox()] == [mine.raw, theirs]
    assert node.mempool.check(theirs) is None and node.mempool.recheck(theirs)


def test_nobody_else_s_signature_passes_for_the_sender_s(node: Node) -> None:
    """TX-5: an entry with a body that a stranger signed carries nothing of its sender's."""
    mine = node.accept(transfer(node, 0))
    stranger = node.ledger.envelope(OPERATOR, "LEDGER_TRANSFER", GIVE, nonce=0, signer=CONSUMER)
    refused = node.mempool.submit(stranger)
    assert isinstance(refused, Rejected) and refused.code == "wrong_signatures"
    other = node.ledger.envelope(PUBLISHER, "LEDGER_TRANSFER", GIVE)
    entry = bundle([stranger, other])
    assert node.mempool.check(entry) is None
    assert node.block(entry) == ["inadmissible", "ok"]
    assert node.outbox() == [mine]


def test_what_comet_bft_does_not_take_goes_back_in_front(node: Node) -> None:
    first = [node.accept(transfer(node, nonce)) for nonce in range(2)]
    taken = node.outbox()
    node.mempool.mark(taken, bundle([submitted.raw for submitted in taken]))
    last = node.accept(transfer(node, 2))
    node.mempool.put_back(taken)
    assert node.outbox() == [*first, last]


def test_a_dropped_transaction_is_told_and_remembered(node: Node) -> None:
    """Another of the sender's takes its place; ENG-4."""
    waiting = node.accept(transfer(node, 0))
    assert node.block(transfer(node, 0, gas_price=2)) == ["ok"]
    assert waiting.dropped is not None and waiting.dropped.code == "replayed"
    assert node.room.status(waiting.transaction) == waiting.dropped
    assert node.outbox() == []


def test_a_bundle_leaves_what_does_not_fit(node: Node) -> None:
    large = Attachment(b"", bytes(MAX_BUNDLE_BYTES // 3 * 2))
    raws = [
        node.ledger.envelope(PUBLISHER, "LEDGER_TRANSFER", GIVE, (large,), nonce=nonce)
        for nonce in range(3)
    ]
    for raw in raws:
        node.accept(raw)
    for raw in raws:
        assert [submitted.raw for submitted in node.outbox()] == [raw]


def test_a_bundle_has_gas_limits_that_a_block_has_room_for(node: Node) -> None:
    """NET-20: one that no block has room for would wait for ever, and what follows it too."""
    raws = [transfer(node, nonce, gas_limit=1_000_000_000) for nonce in range(3)]
    refused = node.mempool.check(bundle(raws))
    assert refused is not None and refused.code == "too_much_gas"
    assert len(node.room) == 0
    for raw in raws:
        node.accept(raw)
    assert [[submitted.raw for submitted in node.outbox()] for _ in range(2)] == [
        raws[:2],
        raws[2:],
    ]
