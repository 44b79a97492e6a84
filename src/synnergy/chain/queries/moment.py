"""One committed moment of the chain, from which every part of an answer is read (API-6)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from synnergy.chain.archive import load_block
from synnergy.receipts.header import Header
from synnergy.state import records
from synnergy.state.journal import Journal
from synnergy.state.store import View


@dataclass(frozen=True, slots=True)
class Moment:
    """A snapshot, the header of its last block, and its state as tables read it."""

    view: View
    header: Header
    state: Journal
    governance: records.Governance


def open_moment(view: View, newest: Header) -> Moment:
    """The moment of a snapshot.

    `newest` spares reading the last block where it is that block's header; a block may have been
    committed, or not yet, since `newest` was taken.
    """
    stored = view.get("meta", b"height")
    if stored is None:
        raise LookupError("the store has no height")
    height = int.from_bytes(stored, "big")
    header = newest
    if height != newest.height:
        block = load_block(view.get, height)
        if block is None:
            raise LookupError(f"the store has no block {height}")
        header = block.header
    state = fresh_journal(view)
    governance = records.governance.load(state, records.SINGLE)
    if governance is None:
        raise LookupError("state has no governance record")
    return Moment(view, header, state, governance)


def fresh_journal(view: View) -> Journal:
    """An overlay over a snapshot's state, to read through or to throw away."""
    return Journal(partial(view.get, "state"), partial(view.scan, "state"))
