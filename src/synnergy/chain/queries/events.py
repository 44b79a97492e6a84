"""Events in the order in which they happened, from any place of the chain on (API-12).

A reading is short and bounded: whoever follows the chain reads page by page, each page from a
snapshot of its own, and waits and sends between them without one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from synnergy.chain.archive import height_key, load_block
from synnergy.opcodes.context import Event
from synnergy.pipeline import TransactionResult
from synnergy.state.store import View
from synnergy.wire.codec import Struct, decode_trusted
from synnergy.wire.types import Count, Digest, Height, ShortText, Time

#: What one page holds, and what is looked through for it, at most.
PAGE_EVENTS = 256
PAGE_BLOCKS = 256
PAGE_LOOKED_AT = 4_096
RESULTS_AT_A_TIME = 64

_PLACE = re.compile(r"(\d{1,15})(?:\.(\d{1,9})\.(\d{1,9}))?", re.ASCII)


class Place(NamedTuple):
    """Where reading goes on: block, slot in it, number in the slot.

    Slot 0 holds what fell due at the block's start, slot n + 1 its transaction n.
    """

    height: int
    slot: int = 0
    number: int = 0

    @property
    def seen(self) -> str | None:
        """The id of all before it, where that is whole blocks."""
        return str(self.height - 1) if self.height and not (self.slot or self.number) else None


class EventView(Struct, frozen=True):
    """An event. `transaction` and its `index` in the block are null for what fell due by itself.

    `id` orders events: block, slot in it, number in the slot.
    """

    id: ShortText
    height: Height
    time: Time
    transaction: Digest | None
    index: Count | None
    name: ShortText
    attributes: dict[str, str]


class Page(NamedTuple):
    """Some events; `next` is where to go on, `whole` that the chain has nothing more by now."""

    events: tuple[EventView, ...]
    next: Place
    whole: bool


def place_after(identifier: str) -> Place | None:
    """The place behind an event's id, or behind a block's height; None where it is neither."""
    found = _PLACE.fullmatch(identifier)
    if found is None:
        return None
    height, slot, number = found.groups()
    if slot is None:
        return Place(int(height) + 1)
    return Place(int(height), int(slot), int(number) + 1)


def first_place(view: View) -> Place:
    """The first block that this node has whole: a snapshot brings a header without a history."""
    begun = view.get("meta", b"first_height")
    return Place(0 if begun is None else int.from_bytes(begun, "big") + 1)


def read_events(view: View, start: Place, last: int | None, names: tuple[str, ...]) -> Page:
    """A page of events from `start` on, up to block `last` (None: up to the newest).

    `names` keeps those of these names, `model.*` standing for all that begin so; () keeps all.
    """
    stored = view.get("meta", b"height")
    newest = int.from_bytes(stored, "big") if stored is not None else 0
    stop = newest if last is None else min(last, newest)
    found: list[EventView] = []
    # A snapshot may have taken the place of blocks that somebody was waiting for (NET-32).
    place = max(start, first_place(view), key=lambda one: one.height)
    begun = place.height
    looked_at = 0
    while place.height <= stop:
        if place.height - begun >= PAGE_BLOCKS:
            return Page(tuple(found), place, False)
        for event, after in _events_of(view, place):
            place = after
            looked_at += 1
            if event is not None and (not names or _named(event.name, names)):
                found.append(event)
            if len(found) >= PAGE_EVENTS or looked_at >= PAGE_LOOKED_AT:
                return Page(tuple(found), place, False)
    return Page(tuple(found), place, True)


def _named(name: str, names: tuple[str, ...]) -> bool:
    return any(
        name.startswith(wanted[:-1]) if wanted.endswith("*") else name == wanted
        for wanted in names
    )


def _events_of(view: View, start: Place) -> Iterator[tuple[EventView | None, Place]]:
    """The events of one block from `start` on, each with the place behind it; then its end."""
    block = load_block(view.get, start.height)
    if block is None:
        raise LookupError(f"the store has no block {start.height}")

    def views(
        events: tuple[Event, ...], slot: int, transaction: bytes | None
    ) -> Iterator[tuple[EventView, Place]]:
        first = start.number if slot == start.slot else 0
        for number, event in enumerate(events[first:], first):
            view = EventView(
                id=f"{start.height}.{slot}.{number}",
                height=start.height,
                time=block.header.time,
                transaction=transaction,
                index=None if transaction is None else slot - 1,
                name=event.name,
                attributes=event.attributes,
            )
            yield view, Place(start.height, slot, number + 1)

    if start.slot == 0:
        yield from views(block.events, 0, None)
    slot = max(start.slot, 1)
    end = height_key(start.height + 1)
    while True:
        key = height_key(start.height) + (slot - 1).to_bytes(4, "big")
        stored = view.scan("results", key, end, RESULTS_AT_A_TIME)
        for _, value in stored:
            result = decode_trusted(value, TransactionResult)
            yield from views(result.events, slot, result.transaction)
            slot += 1
        if len(stored) < RESULTS_AT_A_TIME:
            break
    yield None, Place(start.height + 1)
