"""ERASE-3: an erasure asked for in a frame that failed alone is undone with it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from synnergy.chain.payloads import PayloadChanges
from synnergy.opcodes.context import Erasure
from synnergy.opcodes.erasure import Erase
from synnergy.wire.codec import encode
from tests.contracts.puppet import CALL, REVERT, TRANSFER, puppet, step
from tests.contracts.support import ask, call, deploy
from tests.ledger.harness import Ledger

WANTED = b"\x07" * 32


@pytest.mark.parametrize("fails", [False, True])
def test_a_frame_that_failed_asks_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    asked: list[Erasure] = []

    def note(_: PayloadChanges, these: Iterable[Erasure], *__: object) -> None:
        asked.extend(these)

    monkeypatch.setattr(PayloadChanges, "erase", note)
    ledger = Ledger(tmp_path / "data")
    inner = deploy(ledger, puppet("LEDGER_ERASE"))
    outer = deploy(ledger)
    steps = [step(TRANSFER, encode(Erase((WANTED,), "asked to")))]
    steps += [step(REVERT)] if fails else []
    done = call(ledger, outer, step(CALL, ask(inner, *steps, catch=True)))
    assert done.status == "ok", done.message
    assert asked == ([] if fails else [Erasure(WANTED, inner)])
    names = [event.name for event in done.events]
    assert ("ledger.erasure_requested" in names) is not fails
    ledger.close()
