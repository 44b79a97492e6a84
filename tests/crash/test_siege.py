"""CHAIN-5, STATE-2: every way to end a ledger, in turn; `make crash` goes on for longer."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.crash.load import envelope
from tests.crash.siege import WAYS, Siege, besiege
from tests.crash.test_kill import RUNS, SEED, make_home
from tests.ledger.harness import OPERATOR, Ledger


def test_no_end_loses_anything(tmp_path: Path) -> None:
    total = besiege(max(RUNS, len(WAYS)), SEED, tmp_path)
    assert set(total) == set(WAYS)


def siege_of_one_block(folder: Path) -> tuple[Siege, str]:
    siege = Siege(random.Random(SEED), make_home(folder / "home"))
    ledger = Ledger(siege.home / "data")
    identifier, raw = envelope(OPERATOR, 0, ledger.application.chain_id)
    assert ledger.block(raw)[0].status == "ok"
    ledger.close()
    siege.remember(identifier, 1)
    return siege, identifier


def test_the_looking_over_sees_what_is_lost(tmp_path: Path) -> None:
    siege, identifier = siege_of_one_block(tmp_path)
    siege.look_over()
    ledger = Ledger(siege.home / "data")
    with ledger.store.write() as batch:
        batch.delete("transactions", bytes.fromhex(identifier))
    ledger.close()
    with pytest.raises(AssertionError, match="is lost"):
        siege.look_over()


def test_the_looking_over_sees_what_is_half_written(tmp_path: Path) -> None:
    siege, _ = siege_of_one_block(tmp_path)
    (siege.home / ".genesis.json.tmp").write_bytes(b"{")
    with pytest.raises(AssertionError, match="tmp"):
        siege.look_over()
