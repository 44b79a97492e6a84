"""Whom a node believes before it takes a snapshot: its genesis, and who proves what by it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from synnergy.chain.application import Application
from synnergy.chain.genesis import chain_id_of
from synnergy.engines.cometbft import joining
from synnergy.engines.cometbft.files import SETTINGS_FORMAT, NodeSettings, StateSync
from synnergy.engines.cometbft.joining import (
    AGAIN_SECONDS,
    STILL_SECONDS,
    CannotJoin,
    Stranded,
    begin_with,
    find_trust,
)
from synnergy.engines.cometbft.relay import LightView
from synnergy.receipts.comet import header_hash
from synnergy.receipts.light import LightProof
from synnergy.state.store import Store
from synnergy.wire.codec import encode
from tests.receipts.forging import Powers, commit, header, network

A, B, C = "http://a.example:1", "https://b.example/api", "http://c.example"
FIRST: Powers = {"a": 10, "b": 20}
GENESIS = network(FIRST)
CHAIN = chain_id_of(GENESIS)
Answers = dict[tuple[str, str], bytes]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """What members answer, by address and path; None is a member that doesn't."""
    given: Answers = {}

    def read(address: str, path: str, most: int) -> bytes | None:
        content = given.get((address, path))
        return content if content is None or len(content) <= most else None

    monkeypatch.setattr(joining, "read_member", read)
    return given


def view(earliest: int, latest: int, *snapshots: int) -> bytes:
    return msgspec.json.encode(LightView(earliest, latest, snapshots))


def proof(
    height: int,
    powers: Powers = FIRST,
    chain_id: str = CHAIN,
    signing: Sequence[str] | None = None,
) -> bytes:
    one = header(height, powers, chain_id=chain_id)
    return encode(LightProof((), commit(one, powers, signing)))


def test_the_newest_snapshot_that_is_proved(answers: Answers) -> None:
    """NET-33: and the servers are members that still have its blocks."""
    answers |= {
        (A, "/v1/light"): view(1, 61, 60, 40),
        (B, "/v1/light"): view(30, 70, 60, 40),
        (C, "/v1/light"): view(65, 70),
        (A, "/v1/commits/60"): proof(60),
        (B, "/v1/commits/60"): proof(60),
    }
    expected = header_hash(header(60, FIRST, chain_id=CHAIN)).hex()
    # The header that follows the one after it is not there yet at A.
    found = find_trust(GENESIS, (A, B + "/", C))
    assert found == StateSync((B + "/v1/light",) * 2, 60, expected)
    answers[A, "/v1/light"] = view(1, 62, 60)
    found = find_trust(GENESIS, (A, B, C))
    assert found == StateSync((A + "/v1/light", B + "/v1/light"), 60, expected)


def test_an_older_one_where_the_newest_is_not_proved(answers: Answers) -> None:
    answers |= {
        (A, "/v1/light"): view(1, 70, 60, 40),
        (A, "/v1/commits/40"): proof(40),
    }
    assert find_trust(GENESIS, (A,)).trust_height == 40


def test_a_member_that_claims_many_snapshots_keeps_nobody_busy(answers: Answers) -> None:
    """Each claim could cost as long as a silent node is given."""
    answers |= {
        (A, "/v1/light"): view(1, 2_000, *range(1_900, 100, -1)),
        (A, "/v1/commits/500"): proof(500),
        (B, "/v1/light"): view(1, 70, 60),
        (B, "/v1/commits/60"): proof(60),
    }
    assert find_trust(GENESIS, (A, B)).trust_height == 60


LIES: dict[str, bytes] = {
    "other validators": proof(60, {"e": 10, "f": 20}),
    "too little power": encode(
        LightProof((), commit(header(60, FIRST, chain_id=CHAIN), FIRST, {"a"}))
    ),
    "another chain": proof(60, chain_id="other-" + "0" * 32),
    "another height": proof(59),
    "no proof": b"\xc1",
    "too much": bytes(5 * 1024 * 1024),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_does_not_follow_from_the_genesis(answers: Answers, lie: str) -> None:
    answers |= {(A, "/v1/light"): view(1, 70, 60), (A, "/v1/commits/60"): LIES[lie]}
    with pytest.raises(CannotJoin, match="no snapshot of the members is followed"):
        find_trust(GENESIS, (A,))
    answers |= {(B, "/v1/light"): view(1, 70, 60), (B, "/v1/commits/60"): proof(60)}
    assert find_trust(GENESIS, (A, B)).servers[0] == B + "/v1/light"


@pytest.mark.parametrize(
    ("addresses", "given", "said"),
    [
        ((), {}, "the genesis names none"),
        (("http://a,http://b", "file:///etc"), {}, "the genesis names none"),
        ((A, B), {}, f"none of the members answers .*: {A}, {B}"),
        ((A,), {(A, "/v1/light"): b"{}"}, "none of the members answers"),
        ((A,), {(A, "/v1/light"): b"\xff" * 9}, "none of the members answers"),
        ((A,), {(A, "/v1/light"): view(1, 70)}, "no member has a snapshot yet"),
        ((A,), {(A, "/v1/light"): view(61, 70, 60)}, "no snapshot of the members is followed"),
    ],
)
def test_why_nothing_can_be_taken(
    answers: Answers, addresses: tuple[str, ...], given: Answers, said: str
) -> None:
    answers |= given
    with pytest.raises(CannotJoin, match=said):
        find_trust(GENESIS, addresses)


def test_only_a_node_without_blocks_takes_a_snapshot(
    answers: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NET-32: one that took a snapshot and was ended before CometBFT noted it may take another,
    but needs none to start."""
    settings = NodeSettings(
        SETTINGS_FORMAT, "late", "127.0.0.1:1", "127.0.0.1:2", state_sync=True, members=(A,)
    )
    store = Store.open(tmp_path / "data")
    application = Application(store, GENESIS)
    with pytest.raises(CannotJoin, match="none of the members answers"):
        begin_with(application, settings)
    answers |= {(A, "/v1/light"): view(1, 70, 60), (A, "/v1/commits/60"): proof(60)}
    found = begin_with(application, settings)
    assert found is not None and found.trust_height == 60
    with store.write() as batch:
        batch.put("meta", b"first_height", (60).to_bytes(8, "big"))
        batch.put("meta", b"height", (60).to_bytes(8, "big"))
    monkeypatch.setattr(Application, "height", 60)
    assert begin_with(application, settings) == found
    answers.clear()
    assert begin_with(application, settings) is None
    with store.write() as batch:
        batch.put("meta", b"height", (61).to_bytes(8, "big"))
    assert begin_with(application, settings) is None
    store.close()


def test_a_node_that_needs_blocks_which_nobody_keeps_says_so(
    answers: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genesis = network(FIRST, (A, B))
    own = genesis.validators[1].node_id
    store = Store.open(tmp_path / "data")
    application = Application(store, genesis)
    now = 0.0
    monkeypatch.setattr(joining.time, "monotonic", lambda: now)
    stranded = Stranded(application, (C,), own)

    def told(later: float) -> str:
        nonlocal now
        now += later
        stranded.look()
        return stranded.reason

    answers |= {
        (A, "/v1/light"): view(60, 90, 80),
        (B, "/v1/light"): view(0, 0),  # its own, which it doesn't ask
        (C, "/v1/light"): view(1, 90),
    }
    assert told(0) == told(STILL_SECONDS + 1) == ""  # C still has them
    answers[C, "/v1/light"] = view(70, 90)
    assert told(1) == ""
    assert told(AGAIN_SECONDS).startswith("the members keep blocks from 60 on")
    assert "needs block 1: start it with --state-sync" in stranded.reason
    monkeypatch.setattr(Application, "height", 40)
    assert told(1) == ""
    assert "priv_validator_state.json" in told(STILL_SECONDS + 1)
    answers.clear()
    assert told(AGAIN_SECONDS + 1) == ""  # nobody answers: nothing is known
    store.close()
