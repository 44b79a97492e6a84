"""What a network's node proves over its API, and what of it a client believes (RCPT-11)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from fastapi.testclient import TestClient

from synnergy.api.app import create_app
from synnergy.api.node import Node as ServedNode
from synnergy.chain.commits import ARCHIVED, save_commit, save_steps
from synnergy.chain.genesis import chain_id_of
from synnergy.client import trust
from synnergy.client.api import Node
from synnergy.client.failures import ClientError
from synnergy.client.proofs import prove_balance
from synnergy.client.trust import verified_header, when_signed
from synnergy.engines.cometbft.members import ask_members, endpoints, read_member
from synnergy.receipts.comet import Committed
from synnergy.receipts.light import LightProof
from synnergy.rejected import Rejected
from synnergy.wire.codec import decode
from tests.api.fakes import FakeEngine
from tests.ledger.harness import CONSUMER, Ledger
from tests.receipts.forging import Powers, commit, header, network

FIRST: Powers = {"a": 10, "b": 10}
SECOND: Powers = {"a": 10, "c": 15}
HERE, OTHER = "http://here.test", "http://other.test/"
GENESIS = network(FIRST, (HERE, OTHER))
CHAIN = chain_id_of(GENESIS)
HEIGHT = 6


@dataclass
class FakeProofs:
    """CometBFT's recent commits, and where else to look."""

    commits: dict[int, Committed] = field(default_factory=dict)
    other: str | None = None
    searched: list[str] = field(default_factory=list)

    def commit(self, height: int) -> Committed | None:
        return self.commits.get(height)

    def elsewhere(self, path: str) -> str | None:
        self.searched.append(path)
        return self.other


@dataclass
class World:
    ledger: Ledger
    served: TestClient
    proofs: FakeProofs
    node: Node

    def commit(self, height: int, powers: Powers, following: Powers | None = None) -> Committed:
        """The validators' commit of what this ledger did."""
        block = self.ledger.application.store.get("blocks", (height - 1).to_bytes(8, "big"))
        assert block is not None
        app_hash = msgspec.msgpack.decode(block)["header"]["app_hash"]
        head = header(height, powers, following, chain_id=CHAIN, app_hash=app_hash)
        return commit(head, powers)

    def get(self, path: str, **query: object):
        return self.served.get(path, params=query)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A ledger of six blocks; header 3 changes the validators."""
    ledger = Ledger(tmp_path / "data", GENESIS)
    for _ in range(HEIGHT):
        ledger.block()
    proofs = FakeProofs()
    engine = FakeEngine(Rejected("", "", ""))
    app = create_app(ServedNode(ledger.application, engine, None, proofs))
    with TestClient(app) as served, Node("http://here.test", served._transport) as node:
        made = World(ledger, served, proofs, node)
        proofs.commits = {at: made.commit(at, FIRST if at <= 3 else SECOND) for at in (1, 2, 5, 6)}
        with ledger.store.write() as batch:
            save_steps(batch, (made.commit(3, FIRST, SECOND),))
            save_commit(batch, made.commit(4, SECOND))
            batch.put("meta", ARCHIVED, HEIGHT.to_bytes(8, "big"))
        yield made
    ledger.close()


def code(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.parametrize("height", [1, 2, 3, 4, 5, 6, "latest"])
def test_headers_are_proved_by_the_genesis(world: World, height: int | str) -> None:
    """From the archive or from CometBFT, before and after the change."""
    wanted = HEIGHT if height == "latest" else height
    found = verified_header(world.node, GENESIS, None if height == "latest" else wanted)
    assert (found.height, found.chain_id) == (wanted, CHAIN)
    proof = decode(world.get(f"/v1/commits/{height}").content, LightProof, 1 << 20)
    assert isinstance(proof, LightProof)
    assert len(proof.steps) == (1 if wanted > 3 else 0)


@pytest.mark.parametrize("height", ["0", "8", "99999999999999999999"])
def test_a_header_that_is_not_there_is_not_found(world: World, height: str) -> None:
    assert code(world.get(f"/v1/commits/{height}")) == (404, "not_found")


def test_a_chain_of_one_node_has_no_commits(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "data")
    ledger.block()
    engine = FakeEngine(Rejected("", "", ""))
    with TestClient(create_app(ServedNode(ledger.application, engine))) as served:
        assert code(served.get("/v1/commits/1")) == (404, "not_found")
        with Node("http://here.test", served._transport) as node:
            with pytest.raises(ClientError) as failed:
                verified_header(node, ledger.application.genesis)
            assert failed.value.code == "no_validators"
    ledger.close()


def test_what_is_not_archived_yet_is_told_apart_from_what_never_will_be(world: World) -> None:
    world.proofs.commits.clear()
    with world.ledger.store.write() as batch:
        batch.put("meta", ARCHIVED, (5).to_bytes(8, "big"))
    late = world.get("/v1/commits/6")
    assert code(late) == (409, "not_yet_signed") and late.headers["Retry-After"] == "1"
    assert world.proofs.searched == []
    world.proofs.other = "http://other.test"
    lost = world.get("/v1/commits/5")
    assert code(lost) == (404, "elsewhere")
    assert lost.json()["error"]["details"] == {"endpoint": "http://other.test"}
    assert world.proofs.searched == ["/v1/commits/5"]
    # A node that is asked by another one doesn't ask on.
    assert code(world.get("/v1/commits/5", here="true")) == (404, "elsewhere")
    world.proofs.searched.clear()
    world.proofs.other = None
    assert "details" not in world.get("/v1/commits/5").json()["error"]
    assert world.proofs.searched == ["/v1/commits/5"]


def test_a_lost_change_is_not_passed_over(world: World) -> None:
    with world.ledger.store.write() as batch:
        batch.delete("commits", (3).to_bytes(8, "big"))
    assert verified_header(world.node, GENESIS, 2).height == 2
    for height in (4, 5, 6):
        assert code(world.get(f"/v1/commits/{height}")) == (404, "elsewhere")


def test_a_lying_node_is_not_believed(world: World) -> None:
    """It may answer with another header, another network's, or none."""
    lie = {2: world.commit(1, FIRST)}
    world.proofs.commits = lie
    with pytest.raises(ClientError) as failed:
        verified_header(world.node, GENESIS, 2)
    assert failed.value.code == "wrong_header"
    with pytest.raises(ClientError) as failed:
        verified_header(world.node, network(SECOND), 4)
    assert failed.value.code == "untrusted_root"
    head = header(2, FIRST, chain_id=CHAIN)
    world.proofs.commits = {2: commit(head, FIRST, "a")}
    with pytest.raises(ClientError) as failed:
        verified_header(world.node, GENESIS, 2)
    assert failed.value.code == "too_little_power"


def test_a_balance_is_proved_by_the_validators(world: World) -> None:
    """CLIENT-12: the state after block 6 is signed by header 7."""
    path = f"/v1/commits/{HEIGHT + 1}"
    assert code(world.get(path)) == (409, "not_yet_signed")
    world.proofs.commits[HEIGHT + 1] = world.commit(HEIGHT + 1, SECOND)
    proven = prove_balance(world.node, GENESIS, CONSUMER.address)
    assert (proven.balance, proven.height) == (10**12, HEIGHT)
    head = header(HEIGHT + 1, SECOND, chain_id=CHAIN, app_hash=bytes(32))
    world.proofs.commits[HEIGHT + 1] = commit(head, SECOND)
    with pytest.raises(ClientError) as failed:
        prove_balance(world.node, GENESIS, CONSUMER.address)
    assert failed.value.code == "unproven"


def test_waiting_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "HEADER_SECONDS", 0.05)
    monkeypatch.setattr(trust, "HEADER_PAUSE", 0.01)
    asked: list[int] = []

    def never() -> bytes:
        asked.append(1)
        raise ClientError("not_yet_signed", "wait")

    with pytest.raises(ClientError) as failed:
        when_signed(never)
    assert failed.value.code == "not_yet_signed" and len(asked) > 2

    def otherwise() -> bytes:
        raise ClientError("elsewhere", "there")

    asked.clear()
    with pytest.raises(ClientError) as failed:
        when_signed(otherwise)
    assert failed.value.code == "elsewhere"


def test_members_are_those_that_are_registered(world: World) -> None:
    assert sorted(endpoints(world.ledger.application)) == [HERE, OTHER.rstrip("/")]


def test_another_node_is_asked_and_only_a_whole_answer_taken(world: World) -> None:
    transport = world.served._transport
    assert ask_members(("http://\0", HERE), "/v1/commits/4", transport) == HERE
    assert ask_members((HERE,), "/v1/commits/77", transport) is None
    assert read_member(HERE, "/v1/commits/77", 1000, transport) is None
    assert read_member("http://\0", "/v1/commits/4", 1000, transport) is None
    content = read_member(HERE, "/v1/commits/4", 1 << 20, transport)
    assert content is not None
    assert read_member(HERE, "/v1/commits/4", len(content), transport) == content
    assert read_member(HERE, "/v1/commits/4", len(content) - 1, transport) is None
