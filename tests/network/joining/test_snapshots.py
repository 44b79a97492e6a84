"""Snapshots between nodes of a network: whole, alike, and verified by the app hash."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from synnergy.chain import snapshot as chain_snapshot
from synnergy.chain.application import Application
from synnergy.chain.block import Proposal
from synnergy.chain.replay import replay
from synnergy.chain.snapshot import SNAPSHOT_FORMAT, Chunk, Manifest
from synnergy.engines.abci import abci_pb2 as abci
from synnergy.engines.cometbft.snapshots import KEPT, Snapshots
from synnergy.opcodes import erasure
from synnergy.opcodes import ledger as money
from synnergy.wire.codec import decode_trusted, encode
from tests.ledger.harness import CONSUMER, DAY, OPERATOR, REGULATOR
from tests.network.joining.support import Place, chunk_of, files, offer
from tests.network.membership.support import network

OFFER = abci.ResponseOfferSnapshot
APPLY = abci.ResponseApplySnapshotChunk


def give(place: Place, amount: int) -> bytes:
    transfer = money.Transfer(CONSUMER.address, amount)
    return place.ledger.envelope(OPERATOR, "LEDGER_TRANSFER", transfer)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A node that has made two blocks, and the snapshot of the second."""
    place = Place(tmp_path / "one")
    place.block(give(place, 5))
    place.block(give(place, 7))
    place.written()
    yield place
    place.close()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Place]:
    """A node of the same network that has nothing yet."""
    other = Place(tmp_path / "other")
    yield other
    other.close()


def only(place: Place) -> abci.Snapshot:
    (snapshot,) = place.snapshots.list().snapshots
    return snapshot


def fetch(place: Place, other: Place, **changes: object) -> APPLY:
    """What the other says to the last chunk of the one's only snapshot."""
    snapshot = only(place)
    answer = other.snapshots.offer(offer(snapshot, place.ledger.application.app_hash))
    assert answer.result == OFFER.ACCEPT
    applied = APPLY()
    for index in range(snapshot.chunks):
        chunk = chunk_of(place, snapshot, index)
        applied = other.snapshots.apply(
            abci.RequestApplySnapshotChunk(index=index, chunk=chunk, sender="peer")
        )
    return applied


def test_a_node_takes_over_the_state_and_goes_on_alike(place: Place, other: Place) -> None:
    """Both make the same headers from there on: nothing of a history decides anything."""
    assert fetch(place, other).result == APPLY.ACCEPT
    one, two = place.ledger.application, other.ledger.application
    assert other.adopted == 1 and two.header == one.header
    assert not list((other.home / "snapshots").iterdir())
    raw = give(place, 9)
    proposal = Proposal(3, place.ledger.time + 1_000, (raw,))
    assert isinstance(two.check(raw, two.journal()), object)
    assert one.finalise(proposal).header == two.finalise(proposal).header
    assert one.commit() == two.commit()
    raw = give(place, 1)
    proposal = Proposal(4, place.ledger.time + 2_000, (raw,))
    for each in (place, other):
        each.ledger.application.finalise(proposal)
        each.ledger.application.commit()
        each.snapshots.committed()
        each.written()
    assert files(place.home / "snapshots" / "4") == files(other.home / "snapshots" / "4")
    other.ledger.close()
    again = Application(type(other.ledger.store).open(other.home / "data"), network())
    assert again.header == one.header
    again.store.close()


def test_snapshots_come_at_their_heights_and_few_are_kept(place: Place) -> None:
    for _ in range(7):
        place.block()
        place.written()
    assert [one.height for one in place.snapshots.kept] == [8, 6, 4] and KEPT == 3
    assert sorted(path.name for path in (place.home / "snapshots").iterdir()) == ["4", "6", "8"]
    place.snapshots.forget_below(6)
    assert sorted(path.name for path in (place.home / "snapshots").iterdir()) == ["6", "8"]
    again = Snapshots(place.ledger.application, place.home / "snapshots", 2, lambda: None)
    assert again.list() == place.snapshots.list()


def test_what_a_killed_node_left_unfinished_is_never_offered(place: Place) -> None:
    """NET-30: the name comes last; whatever has another is removed at the next start."""
    folder = place.home / "snapshots"
    for name in (".new", ".taken", ".gone"):
        (folder / name).mkdir()
        (folder / name / "manifest").write_bytes((folder / "2" / "manifest").read_bytes())
    (folder / "9").mkdir()  # somebody's, without a manifest
    (folder / "7").mkdir()
    (folder / "7" / "manifest").write_bytes((folder / "2" / "manifest").read_bytes())
    again = Snapshots(place.ledger.application, folder, 2, lambda: None)
    assert [one.height for one in again.kept] == [2]
    assert sorted(path.name for path in folder.iterdir()) == ["2", "7", "9"]


def test_blocks_go_on_while_a_snapshot_is_written(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shows the state of its height all the same; one that is due meanwhile is left out."""
    released, begun = threading.Event(), threading.Event()
    write = chain_snapshot.write_snapshot

    def slow(*arguments: object) -> Manifest:
        begun.set()
        assert released.wait(60)
        return write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("synnergy.engines.cometbft.snapshots.write_snapshot", slow)
    place.block()
    place.block(give(place, 1))
    at_four = place.ledger.application.header
    assert begun.wait(60)
    place.block(give(place, 2))
    place.block(give(place, 3))
    released.set()
    place.written()
    assert [one.height for one in place.snapshots.kept] == [4, 2]
    manifest = decode_trusted(place.snapshots.kept[0].manifest, Manifest)
    assert manifest.header == at_four


def test_stopping_gives_up_what_is_being_written(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        place.snapshots,
        "_go_on",
        lambda: place.snapshots._stopping.wait() and Snapshots._go_on(place.snapshots),
    )
    place.block()
    place.block()
    place.snapshots.stop()
    assert [path.name for path in (place.home / "snapshots").iterdir()] == ["2"]


def test_a_full_disk_costs_the_snapshot_and_no_block(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> Manifest:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("synnergy.engines.cometbft.snapshots.write_snapshot", full)
    place.block()
    place.block()
    place.written()
    assert [one.height for one in place.snapshots.kept] == [2]
    assert place.ledger.application.height == 4


def test_where_payloads_have_a_time_there_is_always_a_young_snapshot(tmp_path: Path) -> None:
    """NET-30: or CometBFT could not forget their blocks by then."""
    place = Place(tmp_path / "one", interval=1_000)
    retention = erasure.SetRetention(DAY)
    place.block(place.ledger.envelope(REGULATOR, "REGULATION_SET_RETENTION", retention))
    for _ in range(5):
        place.block(advance=DAY // 5)
        place.written()
    assert [one.height for one in place.snapshots.kept] == [4]
    place.close()


# ---- what others offer -------------------------------------------------------------------------


def resealed(snapshot: abci.Snapshot, **changes: object) -> abci.Snapshot:
    """The snapshot with another manifest, and the hash and height to match."""
    manifest = decode_trusted(snapshot.metadata, Manifest)
    header = {name: changes.pop(name) for name in [*changes] if hasattr(manifest.header, name)}
    changed = msgspec.structs.replace(
        manifest, header=msgspec.structs.replace(manifest.header, **header), **changes
    )
    content = encode(changed)
    return abci.Snapshot(
        height=changed.header.height,
        format=changed.format,
        chunks=len(changed.chunks),
        hash=hashlib.sha256(content).digest(),
        metadata=content,
    )


def with_fields(snapshot: abci.Snapshot, **changes: object) -> abci.Snapshot:
    changed = abci.Snapshot()
    changed.CopyFrom(snapshot)
    for name, value in changes.items():
        setattr(changed, name, value)
    return changed


FORGED: list[tuple[int, Callable[[abci.Snapshot], abci.Snapshot]]] = [
    (OFFER.REJECT_FORMAT, lambda s: resealed(s, format=SNAPSHOT_FORMAT + 1)),
    (OFFER.REJECT, lambda s: resealed(s, app_hash=bytes(32))),
    (OFFER.REJECT_SENDER, lambda s: resealed(s, chain_id="other-" + "0" * 32)),
    (OFFER.REJECT_SENDER, lambda s: resealed(s, signature=bytes(64))),
    (OFFER.REJECT_SENDER, lambda s: resealed(s, previous=b"\1" * 32)),
    (OFFER.REJECT_SENDER, lambda s: resealed(s, height=0)),
    (OFFER.REJECT_SENDER, lambda s: resealed(s, time=2**52)),
    (OFFER.REJECT_SENDER, lambda s: resealed(s, time=0)),
    (OFFER.REJECT_SENDER, lambda s: with_fields(s, height=s.height + 1)),
    (OFFER.REJECT_SENDER, lambda s: with_fields(s, chunks=s.chunks + 1)),
    (OFFER.REJECT_SENDER, lambda s: with_fields(s, hash=bytes(32))),
    (OFFER.REJECT_SENDER, lambda s: with_fields(s, metadata=b"")),
    (OFFER.REJECT_SENDER, lambda s: with_fields(s, metadata=b"\xc1" * 4_000_000)),
]


@pytest.mark.parametrize(("result", "forge"), FORGED)
def test_a_forged_offer_is_refused(
    place: Place, other: Place, result: int, forge: Callable[[abci.Snapshot], abci.Snapshot]
) -> None:
    app_hash = place.ledger.application.app_hash
    answer = other.snapshots.offer(offer(forge(only(place)), app_hash))
    assert answer.result == result
    applied = other.snapshots.apply(abci.RequestApplySnapshotChunk(index=0, chunk=b"x"))
    assert applied.result == APPLY.ABORT
    assert other.ledger.application.height == 0


def test_a_bad_chunk_is_asked_for_again_and_its_sender_is_not(place: Place, other: Place) -> None:
    snapshot = only(place)
    other.snapshots.offer(offer(snapshot, place.ledger.application.app_hash))
    chunk = chunk_of(place, snapshot, 0)
    for bad in (b"", chunk[:-1], chunk + b"\0", bytes([chunk[0] ^ 1]) + chunk[1:]):
        answer = other.snapshots.apply(
            abci.RequestApplySnapshotChunk(index=0, chunk=bad, sender="liar")
        )
        assert answer.result == APPLY.RETRY
        assert list(answer.refetch_chunks) == [0] and list(answer.reject_senders) == ["liar"]
    beyond = abci.RequestApplySnapshotChunk(index=snapshot.chunks, chunk=chunk)
    assert other.snapshots.apply(beyond).result == APPLY.REJECT_SNAPSHOT
    good = abci.RequestApplySnapshotChunk(index=0, chunk=chunk, sender="other")
    assert other.snapshots.apply(good).result == APPLY.ACCEPT
    assert other.ledger.application.header == place.ledger.application.header


def test_another_state_under_the_right_app_hash_leaves_nothing(place: Place, other: Place) -> None:
    """NET-31: the manifest is the sender's word; only the root of what came counts."""
    snapshot = only(place)
    chunk = decode_trusted(chunk_of(place, snapshot, 0), Chunk)
    key, value = chunk.state[0]
    content = encode(Chunk(((key, value + b"\0"), *chunk.state[1:]), chunk.artefacts))
    forged = resealed(snapshot, chunks=(hashlib.sha256(content).digest(),))
    before = other.ledger.application.header
    app_hash = place.ledger.application.app_hash
    assert other.snapshots.offer(offer(forged, app_hash)).result == OFFER.ACCEPT
    answer = other.snapshots.apply(abci.RequestApplySnapshotChunk(index=0, chunk=content))
    assert answer.result == APPLY.REJECT_SNAPSHOT and other.adopted == 0
    assert other.ledger.application.header == before
    assert other.ledger.store.get("meta", b"first_height") is None
    # The next one that is offered is taken all the same.
    assert fetch(place, other).result == APPLY.ACCEPT


def test_blocks_are_never_replaced(place: Place, other: Place) -> None:
    """A node that lost its snapshot's sync half way takes one again; one with blocks never."""
    assert fetch(place, other).result == APPLY.ACCEPT
    assert fetch(place, other).result == APPLY.ACCEPT
    other.block()
    answer = other.snapshots.offer(offer(only(place), place.ledger.application.app_hash))
    assert answer.result == OFFER.ABORT
    assert other.ledger.application.height == 3


def test_chunks_that_are_not_there_are_missing(place: Place) -> None:
    snapshot = only(place)
    assert chunk_of(place, snapshot, snapshot.chunks) == b""
    assert chunk_of(place, with_fields(snapshot, height=1), 0) == b""
    assert chunk_of(place, with_fields(snapshot, format=9), 0) == b""
    (place.home / "snapshots" / "2" / "000000").unlink()
    assert chunk_of(place, snapshot, 0) == b""


def test_a_replay_of_a_node_without_history_says_so(place: Place, other: Place) -> None:
    assert fetch(place, other).result == APPLY.ACCEPT
    other.block()
    for each in (place, other):
        each.close()
    problem = replay(other.home / "data", network()).problem
    assert problem is not None and "begins with a snapshot of block 2" in problem
    assert replay(place.home / "data", network()).problem is None
