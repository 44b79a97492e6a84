"""A ledger that ends itself, as a power cut would, at a chosen point of a chosen block.

`python -m tests.crash.driver FOLDER POINT HEIGHT` goes on with the ledger in FOLDER and prints a
line for each acknowledged transfer. With a POINT that isn't one it goes on until it is killed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from synnergy.chain.application import Application
from synnergy.chain.block import Proposal
from synnergy.engines.solo import SoloEngine
from synnergy.engines.waiting import Submitted
from synnergy.state import records
from synnergy.state.store import Batch, Store
from tests.crash.load import envelope
from tests.ledger.harness import OPERATOR, SIGNER, genesis

#: Where the process ends, and whether the block of that moment is there afterwards.
POINTS = {
    "before finalising": False,
    "after finalising": False,
    "at the first write": False,
    "in the middle of writing": False,
    "after the last write": False,
    "after committing": True,
}
LATE_WRITE = 4
STATUS = 86


def arm(point: str, chosen: Callable[[int, int], bool]) -> None:
    """Make the process end at `point` of the first block that is chosen.

    `chosen` gets a block's height and how many transactions it has; block 0 is the genesis.
    """
    writes = 0
    finalise, commit, put, write = Application.finalise, Application.commit, Batch.put, Store.write
    making = chosen(0, 0)

    def end(at: str) -> None:
        if at == point and making:
            os._exit(STATUS)

    def armed_finalise(self: Application, proposal: Proposal) -> object:
        nonlocal making
        making = chosen(proposal.height, len(proposal.transactions))
        end("before finalising")
        done = finalise(self, proposal)
        end("after finalising")
        return done

    def armed_put(self: Batch, database: str, key: bytes, value: bytes) -> None:
        nonlocal writes
        writes += making
        put(self, database, key, value)
        if writes == 1:
            end("at the first write")
        if writes == LATE_WRITE:
            end("in the middle of writing")

    @contextmanager
    def armed_write(self: Store) -> Generator[Batch]:
        with write(self) as batch:
            yield batch
            end("after the last write")

    def armed_commit(self: Application, signature: bytes = b"") -> object:
        header = commit(self, signature)
        end("after committing")
        return header

    Application.finalise = armed_finalise  # type: ignore[assignment, method-assign]
    Application.commit = armed_commit  # type: ignore[assignment, method-assign]
    Batch.put = armed_put  # type: ignore[method-assign]
    Store.write = armed_write  # type: ignore[assignment, method-assign]


def main() -> None:
    folder, point, height = sys.argv[1:]
    arm(point, lambda made, _: made == int(height))
    application = Application(Store.open(Path(folder)), genesis())
    engine = SoloEngine(application, SIGNER)
    engine.start()
    account = records.accounts.load(application.journal(), OPERATOR.address)
    assert account is not None
    for nonce in count(account.nonce):
        identifier, raw = envelope(OPERATOR, nonce, application.chain_id)
        waiting = engine.submit(raw)
        assert isinstance(waiting, Submitted)
        done = waiting.wait(60)
        assert done is not None, engine.failure
        print(identifier, done.height, flush=True)


if __name__ == "__main__":
    main()
