"""A replay of a network's chain ends in the states that its validators signed (RCPT-11)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from synnergy.chain.archive import height_key
from synnergy.chain.block import Proposal
from synnergy.chain.commits import save_commit
from synnergy.chain.genesis import chain_id_of
from synnergy.chain.replay import replay
from synnergy.receipts.comet import Committed, LightHeader
from synnergy.state.store import Store
from tests.ledger.harness import Ledger
from tests.receipts.forging import Powers, commit, header, network

POWERS: Powers = {"a": 10, "b": 10, "c": 10}
GENESIS = network(POWERS)


def played(path: Path, sign: Callable[[LightHeader], Committed]) -> None:
    """Three blocks, and the archived commit of the header after the second."""
    ledger = Ledger(path, GENESIS)
    application = ledger.application
    after = b""
    for height in (1, 2, 3):
        after = application.app_hash
        application.finalise(Proposal(height, ledger.time + height, ()))
        application.commit()
    head = header(3, POWERS, chain_id=chain_id_of(GENESIS), app_hash=after)
    with ledger.store.write() as batch:
        save_commit(batch, sign(head))
    ledger.close()


def test_what_the_validators_signed_is_what_comes_out(tmp_path: Path) -> None:
    played(tmp_path / "data", lambda head: commit(head, POWERS))
    found = replay(tmp_path / "data", GENESIS)
    assert (found.height, found.problem) == (3, None)


@pytest.mark.parametrize(
    ("sign", "says"),
    [
        (
            lambda head: commit(
                header(3, POWERS, chain_id=head.chain_id, app_hash=bytes(32)), POWERS
            ),
            f"signed is {bytes(32).hex()}",
        ),
        (lambda head: commit(head, POWERS, "ab"), "does not hold: validators with 20 of 30"),
        (
            lambda head: commit(
                header(3, {"z": 9}, chain_id=head.chain_id, app_hash=head.app_hash), {"z": 9}
            ),
            "lacks a change of validators",
        ),
    ],
)
def test_another_state_than_they_signed_is_found(tmp_path: Path, sign, says: str) -> None:
    played(tmp_path / "data", sign)
    found = replay(tmp_path / "data", GENESIS)
    assert found.height == 2 and found.problem is not None
    assert says in found.problem


def test_a_change_of_voting_power_that_is_none_is_found(tmp_path: Path) -> None:
    played(tmp_path / "data", lambda head: commit(head, POWERS))
    store = Store.open(tmp_path / "data")
    with store.write() as batch:
        batch.put("changes", height_key(1), b"")
    store.close()
    found = replay(tmp_path / "data", GENESIS)
    assert found.height == 1 and "voting power" in (found.problem or "")
