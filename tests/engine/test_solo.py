"""CHAIN-8, ENG-1, ENG-2: the embedded engine makes blocks, holds back, halts and stops."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from synnergy.chain.replay import replay
from synnergy.engines import solo
from synnergy.engines import waiting as room
from synnergy.engines.solo import SoloEngine
from synnergy.engines.waiting import Committed, Submitted
from synnergy.opcodes import artefacts
from synnergy.opcodes import ledger as money
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.state.store import Batch, Store, StoreFull
from tests.ledger.harness import CONSUMER, OPERATOR, PUBLISHER, SIGNER, Ledger, genesis

GIVE = money.Transfer(CONSUMER.address, 5)
#: Seconds within which anything here should have happened; nothing is asserted of the time.
PATIENCE = 60.0


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "data")
    yield opened
    opened.close()


@contextmanager
def running(ledger: Ledger) -> Iterator[SoloEngine]:
    engine = SoloEngine(ledger.application, SIGNER)
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()


def transfer(ledger: Ledger, nonce: int, **header: object) -> bytes:
    return ledger.envelope(OPERATOR, "LEDGER_TRANSFER", GIVE, nonce=nonce, **header)


def submitted(engine: SoloEngine, raw: bytes) -> Submitted:
    found = engine.submit(raw)
    assert isinstance(found, Submitted), found
    return found


def committed(engine: SoloEngine, raw: bytes) -> Committed:
    found = submitted(engine, raw).wait(PATIENCE)
    assert found is not None
    return found


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)


def test_a_transaction_is_committed_before_it_is_acknowledged(ledger: Ledger) -> None:
    """CHAIN-5"""
    with running(ledger) as engine:
        done = committed(engine, transfer(ledger, 0))
        assert (done.height, done.index, done.result.status) == (1, 0, "ok")
        assert ledger.store.get("transactions", done.result.transaction) is not None
        assert ledger.balance(CONSUMER.address) == 10**12 + 5
        assert engine.status(done.result.transaction) is None


def test_nonces_may_be_sent_in_a_row_without_waiting(ledger: Ledger) -> None:
    with running(ledger) as engine:
        waiting = [submitted(engine, transfer(ledger, nonce)) for nonce in range(200)]
        places = [one.wait(PATIENCE) for one in waiting]
    assert all(place is not None and place.result.status == "ok" for place in places)
    order = [(place.height, place.index) for place in places if place is not None]
    assert order == sorted(order) and len(set(order)) == 200
    assert ledger.balance(CONSUMER.address) == 10**12 + 5 * 200


def test_what_can_never_be_admitted_is_refused_at_once(ledger: Ledger) -> None:
    with running(ledger) as engine:
        for raw, code in (
            (b"nonsense", "malformed"),
            (transfer(ledger, 1), "nonce_too_high"),
            (transfer(ledger, 0, gas_price=0), "gas_price_too_low"),
            (transfer(ledger, 0, chain_id="other-" + "0" * 32), "wrong_chain"),
        ):
            refused = engine.submit(raw)
            assert isinstance(refused, Rejected) and refused.code == code
        raw = transfer(ledger, 0)
        committed(engine, raw)
        refused = engine.submit(raw)
        assert isinstance(refused, Rejected) and refused.code == "replayed"
    assert ledger.application.height == 1


def test_the_same_transaction_twice_is_one(ledger: Ledger) -> None:
    engine = SoloEngine(ledger.application, SIGNER)  # not started: what comes in waits
    raw = transfer(ledger, 0)
    one, two = submitted(engine, raw), submitted(engine, raw)
    assert one is two and engine.mempool_size == 1
    assert engine.status(one.transaction) == "pending"
    other = engine.submit(ledger.envelope(OPERATOR, "LEDGER_TRANSFER", GIVE, nonce=0, gas_price=2))
    assert isinstance(other, Rejected) and other.code == "replayed"


def test_a_nonce_is_refused_with_what_of_its_sender_waits(ledger: Ledger) -> None:
    """ENG-2: as on a network that makes no blocks, where an account's nonce stays behind."""
    engine = SoloEngine(ledger.application, SIGNER)
    first = submitted(engine, transfer(ledger, 0))
    for nonce, code in ((0, "replayed"), (7, "nonce_too_high")):
        raw = ledger.envelope(OPERATOR, "LEDGER_TRANSFER", GIVE, nonce=nonce, gas_price=2)
        refused = engine.submit(raw)
        assert isinstance(refused, Rejected) and (refused.code, refused.rule) == (code, "TX-7")
        assert "1 of its transactions waits for a block" in refused.message
        assert first.transaction.hex() in refused.message
        assert "the last block is 0, of 20" in refused.message
    submitted(engine, transfer(ledger, 1))
    refused = engine.submit(ledger.envelope(PUBLISHER, "LEDGER_TRANSFER", GIVE, nonce=9))
    assert isinstance(refused, Rejected) and "wait" not in refused.message
    refused = engine.submit(transfer(ledger, 5))
    assert isinstance(refused, Rejected) and "2 of its transactions wait" in refused.message
    engine.start()
    try:
        until(lambda: engine.mempool_size == 0)
        refused = engine.submit(transfer(ledger, 0))
        assert isinstance(refused, Rejected) and "wait" not in refused.message
    finally:
        engine.stop()


def test_too_many_waiting_transactions_are_held_back(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ENG-2"""
    monkeypatch.setattr(room, "MAX_WAITING", 3)
    engine = SoloEngine(ledger.application, SIGNER)
    waiting = [submitted(engine, transfer(ledger, nonce)) for nonce in range(3)]
    refused = engine.submit(transfer(ledger, 3))
    assert isinstance(refused, Rejected) and (refused.rule, refused.code) == ("ENG-2", "busy")
    engine.start()
    assert all(one.wait(PATIENCE) is not None for one in waiting)
    until(lambda: engine.mempool_size == 0)
    assert committed(engine, transfer(ledger, 3)).result.status == "ok"
    engine.stop()


def test_too_many_waiting_bytes_are_held_back(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ENG-2, and that what left made room again."""
    size = len(transfer(ledger, 0))
    monkeypatch.setattr(room, "MAX_WAITING_BYTES", 2 * size + 10)
    engine = SoloEngine(ledger.application, SIGNER)
    waiting = [submitted(engine, transfer(ledger, nonce)) for nonce in range(2)]
    refused = engine.submit(transfer(ledger, 2))
    assert isinstance(refused, Rejected) and refused.code == "busy"
    engine.start()
    assert all(one.wait(PATIENCE) is not None for one in waiting)
    for nonce in range(2, 6):
        committed(engine, transfer(ledger, nonce))
    engine.stop()
    assert engine.mempool_size == 0


def test_a_deadline_makes_a_block_without_transactions(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CHAIN-8, MKT-8: an upload that nobody finished is forfeited when its time has come."""
    monkeypatch.setattr(artefacts, "UPLOAD_LIFETIME", 300)
    digest = bytes(32)
    arguments = artefacts.Commit(digest, 5, (digest,))
    with running(ledger) as engine:
        done = committed(engine, ledger.envelope(PUBLISHER, "MODEL_COMMIT", arguments))
        assert done.result.status == "ok"
        assert records.artefacts.load(ledger.state, digest) is not None
        due = ledger.application.next_deadline()
        until(lambda: records.artefacts.load(ledger.state, digest) is None)
    assert due is not None and ledger.application.header.time >= due
    assert ledger.application.height == 2
    block_results = ledger.store.scan("results", (2).to_bytes(8, "big"), None)
    assert block_results == []


def test_an_idle_engine_makes_no_blocks(ledger: Ledger) -> None:
    with running(ledger):
        time.sleep(0.3)
    assert ledger.application.height == 0


def test_block_times_increase_strictly(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """CHAIN-8: also where the clock stands still or goes back."""
    clock = iter([5_000_000, 5_000_000, 4_000_000, 0] + [0] * 1_000)
    times: list[int] = []
    with running(ledger) as engine:
        monkeypatch.setattr(solo.time, "time_ns", lambda: next(clock) * 10**6)
        for nonce in range(4):
            committed(engine, transfer(ledger, nonce))
            times.append(ledger.application.header.time)
    assert all(later > earlier for earlier, later in pairwise(times))


def test_what_no_longer_passes_is_dropped_and_told(ledger: Ledger) -> None:
    """A transaction that a block made inadmissible is not waited for."""
    everything = ledger.balance(CONSUMER.address) - 10_000_000
    first = ledger.envelope(
        CONSUMER, "LEDGER_TRANSFER", money.Transfer(OPERATOR.address, everything),
        gas_limit=5_000_000,
    )  # fmt: skip
    second = ledger.envelope(CONSUMER, "LEDGER_TRANSFER", GIVE, nonce=1, gas_limit=50_000_000)
    engine = SoloEngine(ledger.application, SIGNER)
    one, two = submitted(engine, first), submitted(engine, second)
    # One block of the first alone, as where the second came while it was made.
    prepare = ledger.application.prepare
    ledger.application.prepare = lambda waiting: prepare(waiting[:1])  # type: ignore[method-assign]
    engine.start()
    assert one.wait(PATIENCE) is not None
    assert two.wait(PATIENCE) is None and two.ended
    assert two.dropped is not None and two.dropped.code == "insufficient_funds"
    assert engine.status(two.transaction) == two.dropped
    assert engine.mempool_size == 0
    engine.stop()


@contextmanager
def full_store() -> Iterator[Batch]:
    raise StoreFull("the disk is full")
    yield


def test_a_full_store_halts_and_acknowledges_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ENG-1"""
    with running(ledger) as engine:
        committed(engine, transfer(ledger, 0))
        header = ledger.application.header
        monkeypatch.setattr(Store, "write", lambda self: full_store())
        lost = submitted(engine, transfer(ledger, 1))
        assert lost.wait(PATIENCE) is None and lost.ended
        assert lost.dropped is not None and lost.dropped.rule == "ENG-1"
        until(lambda: engine.failure is not None)
        assert "the disk is full" in str(engine.failure)
        monkeypatch.undo()  # even where there is room again: somebody has to look first
        refused = engine.submit(transfer(ledger, 1))
        assert isinstance(refused, Rejected) and (refused.rule, refused.code) == (
            "ENG-1",
            "halted",
        )
        assert engine.mempool_size == 0
    assert ledger.application.header == header
    path = ledger.store.path
    ledger.store.close()
    again = Ledger(path)
    assert again.application.header == header
    with running(again) as engine:
        assert committed(engine, transfer(again, 1)).height == 2
    again.close()


def test_a_bug_halts_as_loudly(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(ledger) as engine:
        monkeypatch.setattr(
            ledger.application, "finalise", lambda proposal: (_ for _ in ()).throw(KeyError("bug"))
        )
        lost = submitted(engine, transfer(ledger, 0))
        assert lost.wait(PATIENCE) is None
        assert lost.dropped is not None and "KeyError" in lost.dropped.message


def test_stopping_finishes_the_block_at_hand(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = ledger.application
    finalise = application.finalise
    inside, go_on = threading.Event(), threading.Event()

    def slow(proposal: object) -> object:
        inside.set()
        assert go_on.wait(PATIENCE)
        return finalise(proposal)  # type: ignore[arg-type]

    monkeypatch.setattr(application, "finalise", slow)
    engine = SoloEngine(application, SIGNER)
    engine.start()
    one = submitted(engine, transfer(ledger, 0))
    assert inside.wait(PATIENCE)
    two = submitted(engine, transfer(ledger, 1))
    stopping = threading.Thread(target=engine.stop)
    stopping.start()
    until(lambda: engine._stopping)
    refused = engine.submit(transfer(ledger, 2))
    assert isinstance(refused, Rejected) and refused.code == "halted"
    go_on.set()
    stopping.join(PATIENCE)
    assert one.wait(0) is not None
    assert two.ended and two.wait(0) is None  # told, not left hanging
    assert two.dropped is not None and two.dropped.code == "halted"
    assert application.height == 1


def test_stopping_before_starting_is_harmless(ledger: Ledger) -> None:
    SoloEngine(ledger.application, SIGNER).stop()


def test_many_threads_may_submit(ledger: Ledger) -> None:
    """Each of several wallets' threads; every acknowledged transaction is in the replay."""
    senders = [OPERATOR, PUBLISHER, CONSUMER]
    places: list[Committed] = []

    def client(sender: object) -> None:
        for nonce in range(20):
            raw = ledger.envelope(sender, "LEDGER_TRANSFER", GIVE, nonce=nonce)  # type: ignore[arg-type]
            places.append(committed(engine, raw))

    with running(ledger) as engine:
        threads = [threading.Thread(target=client, args=(sender,)) for sender in senders]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    assert len(places) == 60 and all(place.result.status == "ok" for place in places)
    height, app_hash = ledger.application.height, ledger.application.app_hash
    ledger.store.close()
    found = replay(ledger.store.path, genesis())
    assert (found.height, found.app_hash, found.problem) == (height, app_hash, None)
