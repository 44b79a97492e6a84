"""What a header binds of results and events (CHAIN-11)."""

from __future__ import annotations

import msgspec

from synnergy.chain.archive import load_block
from synnergy.chain.block import results_root
from synnergy.opcodes import artefacts
from synnergy.opcodes.context import Event
from synnergy.opcodes.ledger import Transfer
from tests.ledger.harness import CONSUMER, DAY, OPERATOR, PUBLISHER, Ledger


def test_a_sentence_may_change_and_nothing_else(ledger: Ledger) -> None:
    refused = ledger.send(CONSUMER, "LEDGER_TRANSFER", Transfer(OPERATOR.address, 10**13))
    root = results_root((refused,), ())
    reworded = msgspec.structs.replace(refused, message="in other words")
    assert results_root((reworded,), ()) == root
    for change in ({"code": "other"}, {"rule": "TX-1"}, {"gas_used": 1}, {"status": "ok"}):
        assert results_root((msgspec.structs.replace(refused, **change),), ()) != root
    assert results_root((refused,), (Event("something.happened", {}),)) != root


def test_what_fell_due_is_kept_with_its_block(ledger: Ledger) -> None:
    arguments = artefacts.Commit(bytes(32), 1, (bytes(32),))
    ledger.ok(PUBLISHER, "MODEL_COMMIT", arguments)
    ledger.block(advance=8 * DAY)
    block = load_block(ledger.store.get, ledger.application.height)
    assert block is not None
    assert [event.name for event in block.events] == ["upload.forfeited"]
    assert block.header.results == results_root((), block.events)
