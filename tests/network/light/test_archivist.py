"""RCPT-11: what must be kept is kept before CometBFT forgets it, whatever happens meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from synnergy.chain.archive import height_key
from synnergy.chain.commits import (
    ARCHIVED,
    archived_proof,
    light_proof,
    load_commit,
    needed_commits,
)
from synnergy.chain.genesis import chain_id_of, first_validators
from synnergy.engines.cometbft.archivist import AT_A_TIME, Archivist
from synnergy.engines.cometbft.commits import BadAnswer, committed, validator_set
from synnergy.engines.cometbft.rpc import CometUnreachable, RpcError, Status
from synnergy.receipts.comet import Committed
from synnergy.receipts.light import LightProof, check_light
from synnergy.rejected import Rejected
from synnergy.state.store import Store, StoreFull
from synnergy.wire.codec import encode
from tests.receipts.forging import (
    Powers,
    commit,
    commit_json,
    header,
    network,
    validators_json,
)

FIRST: Powers = {"a": 10, "b": 10, "c": 10}
SECOND: Powers = {"a": 10, "b": 10, "c": 10, "d": 20}
THIRD: Powers = {"a": 1, "c": 10, "d": 20}
GENESIS = network(FIRST)
CHAIN = chain_id_of(GENESIS)
LENGTH = 60
#: Blocks with receipts, and blocks that changed voting power (the last of them to what it was).
RECEIPTS = (2, 3, 10, 11, 25, 40, 41, 42, 58)
CHANGES = {10: SECOND, 30: THIRD, 45: THIRD}


def chain() -> dict[int, Committed]:
    """Commits by height: the header behind a change names the set of the one after it."""
    made: dict[int, Committed] = {}
    powers = FIRST
    for height in range(1, LENGTH + 1):
        following = CHANGES.get(height - 1, powers)
        made[height] = commit(header(height, powers, following, chain_id=CHAIN), powers)
        powers = following
    return made


CHAIN_OF_COMMITS = chain()
#: Behind blocks with receipts, or with changes.
WANTED = sorted({block + 1 for block in (*RECEIPTS, *CHANGES)})


class FakeRpc:
    """CometBFT's answers; `earliest` is the first height that it hasn't forgotten."""

    def __init__(self) -> None:
        self.earliest = 1
        self.newest = LENGTH
        self.asked: list[int] = []
        self.sets_asked: list[int] = []
        self.fault: Callable[[int], None] = lambda height: None
        self.change: Callable[[dict[str, Any]], None] = lambda answer: None

    def status(self) -> Status:
        import msgspec

        sync = {
            "latest_block_height": self.newest,
            "latest_app_hash": "",
            "latest_block_hash": "",
            "latest_block_time": "",
            "earliest_block_height": self.earliest,
            "catching_up": False,
        }
        node = {"id": "", "moniker": "", "network": "", "version": ""}
        info = {"address": "", "voting_power": 0}
        return msgspec.convert(
            {"node_info": node, "sync_info": sync, "validator_info": info}, Status
        )

    def commit(self, height: int) -> dict[str, Any]:
        self.asked.append(height)
        self.fault(height)
        if not self.earliest <= height <= self.newest:
            raise RpcError(-32603, f"height {height} is not available")
        answer = commit_json(CHAIN_OF_COMMITS[height])
        self.change(answer)
        return answer

    def validators(self, height: int) -> list[dict[str, Any]]:
        self.sets_asked.append(height)
        return validators_json(CHAIN_OF_COMMITS[height])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "data")
    blocks(opened, 1, LENGTH)
    yield opened
    opened.close()


def blocks(store: Store, first: int, last: int) -> None:
    """What committing these blocks leaves of receipts and changes."""
    with store.write() as batch:
        for height in range(first, last + 1):
            if height in RECEIPTS:
                batch.put("proofs", height_key(height), b"proof")
            if height in CHANGES:
                batch.put("changes", height_key(height), b"")
        batch.put("meta", b"height", height_key(last))


def nothing(_address: str, _path: str, _most: int) -> bytes | None:
    return None


def archivist(store: Store, rpc: FakeRpc, read=nothing, faults: list | None = None) -> Archivist:
    noted = [] if faults is None else faults
    return Archivist(store, GENESIS, rpc, lambda: ("http://one", "http://two"), noted.append, read)


def archived(store: Store) -> list[int]:
    return [int.from_bytes(key, "big") for key, _ in store.scan("commits", b"", None)]


def exhaust(one: Archivist) -> None:
    while one.step():
        pass


def test_what_is_needed_is_archived_and_nothing_else(store: Store) -> None:
    rpc = FakeRpc()
    one = archivist(store, rpc)
    exhaust(one)
    assert archived(store) == WANTED
    assert one.archived_to() == LENGTH
    for height in WANTED:
        assert load_commit(store.get, height) == CHAIN_OF_COMMITS[height]
    # Sets are asked for once each, and kept once each.
    assert len(rpc.sets_asked) == 3
    assert len(store.scan("validator_sets", b"", None)) == 3
    asked = len(rpc.asked)
    exhaust(one)
    assert len(rpc.asked) == asked


def test_every_receipt_is_proved_from_the_genesis(store: Store) -> None:
    exhaust(archivist(store, FakeRpc()))
    trusted = first_validators(GENESIS)
    assert trusted is not None
    for height in WANTED:
        proof = archived_proof(store, GENESIS, height)
        assert isinstance(proof, LightProof), proof
        assert check_light(proof, CHAIN, trusted) == CHAIN_OF_COMMITS[height].signed.header
        # RCPT-10: none of the changes at or behind it; none that changed nothing.
        heights = [step.signed.header.height for step in proof.steps]
        assert heights == [at for at in (11, 31) if at < height]


@pytest.mark.parametrize("height", [1, 11, 12, 31, 32, 46, 47, LENGTH])
def test_any_recent_header_is_proved_with_the_archived_changes(store: Store, height: int) -> None:
    exhaust(archivist(store, FakeRpc()))
    trusted = first_validators(GENESIS)
    last = CHAIN_OF_COMMITS[height]
    with store.snapshot() as view:
        proof = light_proof(view, GENESIS, last)
    assert proof is not None and trusted is not None
    assert check_light(proof, CHAIN, trusted) == last.signed.header


def test_a_header_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "data")
    blocks(store, 1, 10)
    rpc = FakeRpc()
    rpc.newest = 10
    one = archivist(store, rpc)
    exhaust(one)
    # The receipts of block 10 are signed by header 11.
    assert one.archived_to() == 10
    waiting = archived_proof(store, GENESIS, 11)
    assert isinstance(waiting, Rejected) and waiting.code == "not_yet_signed"
    blocks(store, 11, 11)
    rpc.newest = 11
    exhaust(one)
    assert isinstance(archived_proof(store, GENESIS, 11), LightProof)
    store.close()


@pytest.mark.parametrize("dies_at", [0, 1, 5, len(WANTED) - 1])
def test_it_goes_on_where_it_was_ended(store: Store, dies_at: int) -> None:
    """RCPT-11: what is missing shows from the store alone."""
    first = FakeRpc()

    def die(height: int) -> None:
        if len(first.asked) > dies_at:
            raise CometUnreachable("gone")

    first.fault = die
    with pytest.raises(CometUnreachable):
        exhaust(archivist(store, first))
    second = archivist(store, FakeRpc())
    assert second.archived_to() < LENGTH
    exhaust(second)
    assert archived(store) == WANTED
    third = FakeRpc()
    exhaust(archivist(store, third))
    assert third.asked == []


def test_transactions_stay_short(tmp_path: Path) -> None:
    """A block never waits for more than a few commits to be written."""
    store = Store.open(tmp_path / "data")
    with store.write() as batch:
        for height in range(1, LENGTH):
            batch.put("proofs", height_key(height), b"proof")
        batch.put("meta", b"height", height_key(LENGTH))
    one = archivist(store, FakeRpc())
    before = 0
    while one.step():
        assert len(archived(store)) - before <= AT_A_TIME
        before = len(archived(store))
    assert archived(store) == list(range(2, LENGTH + 1))
    store.close()


def test_needed_heights_are_the_first_ones_of_both_kinds(store: Store) -> None:
    with store.snapshot() as view:
        for limit in range(1, len(WANTED) + 2):
            assert needed_commits(view, 0, LENGTH, limit) == WANTED[:limit]
        for after in range(LENGTH):
            for upto in range(after, LENGTH, 7):
                expected = [at for at in WANTED if after < at <= upto]
                assert needed_commits(view, after, upto, 100) == expected


def test_what_was_forgotten_too_early_is_elsewhere(store: Store) -> None:
    rpc = FakeRpc()
    rpc.earliest = 30
    one = archivist(store, rpc)
    exhaust(one)
    assert one.archived_to() == LENGTH
    assert archived(store) == [at for at in WANTED if at >= 30]
    for height in WANTED:
        lost = archived_proof(store, GENESIS, height)
        assert isinstance(lost, Rejected) and lost.code == "elsewhere"


@pytest.mark.parametrize(
    "change",
    [
        lambda answer: answer["signed_header"]["header"].update(app_hash="00" * 32),
        lambda answer: answer["signed_header"]["header"].update(height="1"),
        lambda answer: answer["signed_header"]["header"].update(validators_hash="00" * 32),
        lambda answer: answer["signed_header"]["header"].update(validators_hash=None),
        lambda answer: answer["signed_header"]["commit"]["signatures"][0].update(block_id_flag=1),
        lambda answer: answer.update(signed_header=None),
    ],
)
def test_what_does_not_hold_is_not_kept(store: Store, change: Callable) -> None:
    rpc = FakeRpc()
    rpc.change = change
    rpc.newest = 3
    with store.write() as batch:
        batch.put("meta", b"height", height_key(3))
    one = archivist(store, rpc)
    with pytest.raises(BadAnswer):
        one.step()
    assert archived(store) == [] and one.archived_to() == 0
    rpc.change = lambda answer: None
    exhaust(one)
    assert archived(store) == [3]


def test_one_unprovable_commit_does_not_hold_up_the_others(store: Store) -> None:
    """A validator can sign so that only CometBFT takes it for valid (ID-1)."""
    rpc = FakeRpc()

    def spoil(answer: dict[str, Any]) -> None:
        if answer["signed_header"]["header"]["height"] == "4":
            answer["signed_header"]["commit"]["signatures"][0]["signature"] = "AA" * 43 + "=="

    rpc.change = spoil
    exhaust(archivist(store, rpc))
    assert archived(store) == [at for at in WANTED if at != 4]


def synced(path: Path, at: int) -> Store:
    """The store of a node that began with a snapshot of block `at`."""
    store = Store.open(path)
    with store.write() as batch:
        batch.put("meta", b"first_height", height_key(at))
        batch.put("meta", b"height", height_key(at))
    blocks(store, at + 1, LENGTH)
    return store


def test_a_node_that_began_with_a_snapshot_takes_the_changes_from_others(tmp_path: Path) -> None:
    store = synced(tmp_path / "data", 30)
    other = LightProof((CHAIN_OF_COMMITS[11], CHAIN_OF_COMMITS[31]), CHAIN_OF_COMMITS[LENGTH])
    asked: list[str] = []

    def read(address: str, path: str, most: int) -> bytes | None:
        asked.append(address + path)
        return encode(other) if address == "http://two" else None

    rpc = FakeRpc()
    rpc.earliest = 31
    one = archivist(store, rpc, read)
    exhaust(one)
    assert asked == ["http://one/v1/commits/latest", "http://two/v1/commits/latest"]
    trusted = first_validators(GENESIS)
    for height in (at for at in WANTED if at > 31):
        proof = archived_proof(store, GENESIS, height)
        assert isinstance(proof, LightProof) and trusted is not None
        assert check_light(proof, CHAIN, trusted) == CHAIN_OF_COMMITS[height].signed.header
    again = archivist(store, rpc, read)
    exhaust(again)
    assert len(asked) == 2
    store.close()


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"garbage",
        encode(LightProof((), CHAIN_OF_COMMITS[LENGTH])),
        encode(LightProof((CHAIN_OF_COMMITS[11],), CHAIN_OF_COMMITS[LENGTH])),
        # Too old to tell of the change that the snapshot's own block made.
        encode(LightProof((CHAIN_OF_COMMITS[11],), CHAIN_OF_COMMITS[30])),
        encode(LightProof((CHAIN_OF_COMMITS[11],), CHAIN_OF_COMMITS[31])),
    ],
)
def test_of_what_others_say_only_what_is_proved_is_kept(tmp_path: Path, said: bytes) -> None:
    store = synced(tmp_path / "data", 30)
    exhaust(archivist(store, FakeRpc(), lambda *_: said))
    assert 11 not in archived(store)
    lost = archived_proof(store, GENESIS, 41)
    assert isinstance(lost, Rejected) and lost.code == "elsewhere"
    store.close()


def test_the_thread_archives_as_blocks_come_and_stops_at_once(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "data")
    blocks(store, 1, 5)
    faults: list[BaseException] = []
    one = archivist(store, FakeRpc(), faults=faults)
    one.start()
    for upto in (5, 20, LENGTH):
        blocks(store, 1, upto)
        one.committed()
        wait_for(lambda upto=upto: one.archived_to() == upto)
    one.stop()
    assert archived(store) == WANTED and faults == []
    store.close()


def test_it_keeps_trying_while_cometbft_is_away(store: Store) -> None:
    rpc = FakeRpc()
    away = threading.Event()
    away.set()

    def fault(_height: int) -> None:
        if away.is_set():
            raise CometUnreachable("away")

    rpc.fault = fault
    one = archivist(store, rpc)
    one.start()
    wait_for(lambda: len(rpc.asked) >= 2)
    assert one.archived_to() == 0
    away.clear()
    wait_for(lambda: one.archived_to() == LENGTH)
    one.stop()


@pytest.mark.parametrize("error", [StoreFull("full"), RuntimeError("a bug")])
def test_a_full_disk_and_a_bug_are_told(store: Store, error: Exception) -> None:
    rpc = FakeRpc()

    def fault(_height: int) -> None:
        raise error

    rpc.fault = fault
    faults: list[BaseException] = []
    one = archivist(store, rpc, faults=faults)
    one.start()
    wait_for(lambda: faults == [error])
    one.stop()
    assert store.get("meta", ARCHIVED) is None


def test_cometbfts_json_and_back() -> None:
    for made in (CHAIN_OF_COMMITS[3], commit(header(9, SECOND, chain_id=CHAIN), SECOND, "abd", 3)):
        answer = commit_json(made)["signed_header"]
        assert committed(answer, validator_set(validators_json(made))) == made


def wait_for(reached: Callable[[], bool], seconds: float = 30) -> None:
    tick = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if reached():
            return
        tick.wait(0.01)
    raise AssertionError("it never came to that")
