"""API-12: events are read page by page, all of them, in order, once, from any place on."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synnergy.chain.application import Application
from synnergy.chain.archive import load_block
from synnergy.chain.queries import events
from synnergy.chain.queries.events import EventView, Place, place_after, read_events
from synnergy.opcodes import artefacts
from synnergy.opcodes import ledger as money
from synnergy.pipeline import TransactionResult
from synnergy.state import records
from synnergy.state.store import Store
from synnergy.wire.codec import decode_trusted
from tests.ledger.harness import CONSUMER, OPERATOR, PUBLISHER, Ledger, genesis

BLOCKS = 12


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """Blocks of none, one and many transactions, some refused, and one where things fall due."""
    opened = Ledger(tmp_path_factory.mktemp("events") / "data")
    for digest in (bytes(32), bytes([1]) * 32):
        opened.ok(PUBLISHER, "MODEL_COMMIT", artefacts.Commit(digest, 5, (digest,)))
    for count in (0, 1, 70, 3):
        give = partial(money.Transfer, CONSUMER.address)
        made = [
            opened.envelope(OPERATOR, "LEDGER_TRANSFER", give(10**16 if n == 2 else n), nonce=n)
            for n in range(nonce_of(opened), nonce_of(opened) + count)
        ]
        opened.block(*made)
    opened.block(advance=artefacts.UPLOAD_LIFETIME)
    while opened.application.height < BLOCKS:
        opened.block()
    yield opened
    opened.close()


def nonce_of(ledger: Ledger) -> int:
    account = records.accounts.load(ledger.state, OPERATOR.address)
    return account.nonce if account else 0


def everything(ledger: Ledger) -> list[tuple[object, ...]]:
    """What the blocks say, read without pages."""
    found: list[tuple[object, ...]] = []
    for height in range(BLOCKS + 1):
        block = load_block(ledger.store.get, height)
        assert block is not None
        found += [(height, None, None, event) for event in block.events]
        key = height.to_bytes(8, "big")
        for index, (_, stored) in enumerate(ledger.store.scan("results", key, key + b"\xff" * 4)):
            result = decode_trusted(stored, TransactionResult)
            found += [(height, index, result.transaction, event) for event in result.events]
    return found


def read_all(
    ledger: Ledger, start: Place, last: int | None = None, names: tuple[str, ...] = ()
) -> list[EventView]:
    found: list[EventView] = []
    place = start
    for _ in range(10_000):
        with ledger.store.snapshot() as view:
            page = read_events(view, place, last, names)
        assert len(page.events) <= events.PAGE_EVENTS
        assert page.next >= place and (page.whole or page.next > place)
        found += page.events
        place = page.next
        if page.whole:
            return found
    raise AssertionError("the pages have no end")


def test_all_of_them_in_order(ledger: Ledger) -> None:
    found = read_all(ledger, Place(0))
    seen = [(one.height, one.index, one.transaction, (one.name, one.attributes)) for one in found]
    expected = everything(ledger)
    assert seen == [(*where, (event.name, event.attributes)) for *where, event in expected]
    names = {one.name for one in found}
    assert {"upload.forfeited", "model.committed"} <= names and len(found) > 70
    forfeited = [one for one in found if one.name == "upload.forfeited"]
    assert [(one.transaction, one.index) for one in forfeited] == [(None, None)] * 2
    assert len({one.id for one in found}) == len(found)


@given(data=st.data())
def test_from_any_place_with_any_page(ledger: Ledger, data: st.DataObject) -> None:
    """However small the pages are, and wherever a client goes on, nothing is lost or doubled."""
    whole = read_all(ledger, Place(0))
    with pytest.MonkeyPatch.context() as patched:
        for name, most in (("PAGE_EVENTS", 9), ("PAGE_LOOKED_AT", 9), ("PAGE_BLOCKS", 4)):
            patched.setattr(events, name, data.draw(st.integers(1, most), name))
        patched.setattr(events, "RESULTS_AT_A_TIME", data.draw(st.integers(1, 80)))
        at = data.draw(st.integers(0, len(whole) - 1))
        after = place_after(whole[at].id)
        assert after is not None
        assert read_all(ledger, after) == whole[at + 1 :]
        height = data.draw(st.integers(0, BLOCKS))
        behind = place_after(str(height))
        assert behind is not None
        assert read_all(ledger, behind) == [one for one in whole if one.height > height]
        last = data.draw(st.integers(0, BLOCKS + 3))
        assert read_all(ledger, Place(0), last) == [one for one in whole if one.height <= last]
        names = tuple(
            data.draw(st.sets(st.sampled_from(["model.*", "ledger.transferred", "*", "x"])))
        )
        wanted = read_all(ledger, Place(0), names=names)
    kept = [one for one in whole if not names or named(one.name, names)]
    assert wanted == kept


def named(name: str, names: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, wanted) for wanted in names)


def test_nothing_yet(ledger: Ledger) -> None:
    with ledger.store.snapshot() as view:
        for height in (BLOCKS + 1, BLOCKS + 2):
            assert read_events(view, Place(height), None, ()) == ((), Place(height), True)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("0", Place(1)),
        ("12", Place(13)),
        ("12.0.0", Place(12, 0, 1)),
        ("999999999999999.999999999.999999999", Place(10**15 - 1, 10**9 - 1, 10**9)),
    ],
)
def test_ids(text: str, place: Place) -> None:
    assert place_after(text) == place


@pytest.mark.parametrize(
    "text", ["", " ", "-1", "1.", "1.2", "1.2.3.4", "1.2.3\n", "٣", "1e3", "0" * 16, "1.1.-1"]
)
def test_what_is_no_id(text: str) -> None:
    assert place_after(text) is None


def test_what_whole_blocks_are_called() -> None:
    assert [Place(3).seen, Place(0).seen, Place(3, 1).seen, Place(3, 0, 1).seen] == [
        "2", None, None, None,
    ]  # fmt: skip


def test_a_snapshot_has_no_history(ledger: Ledger, tmp_path: Path) -> None:
    """The header that it begins with is no block that could be read."""
    ledger.application.snapshot(tmp_path / "snapshot")
    store = Store.open(tmp_path / "data")
    application = Application.restore(store, genesis(), tmp_path / "snapshot")
    with store.snapshot() as view:
        first = events.first_place(view)
        assert first == Place(BLOCKS + 1)
        assert read_events(view, first, None, ()).events == ()
    assert application.height == BLOCKS
    store.close()
    with ledger.store.snapshot() as view:
        assert events.first_place(view) == Place(0)
