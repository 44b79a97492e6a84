"""What can be asked about flags and limits, a page at a time, and that all nodes agree."""

from __future__ import annotations

from pathlib import Path

from synnergy.chain.queries.ledger import account_view
from synnergy.chain.queries.moment import open_moment
from synnergy.chain.queries.oversight import flags_view, oversight_view
from synnergy.chain.replay import replay
from synnergy.opcodes.flags import DEFAULT_OVERSIGHT
from tests.ledger.harness import (
    CONSUMER,
    OPERATOR,
    PUBLISHER,
    REGULATOR,
    SECOND,
    Ledger,
    genesis,
)
from tests.oversight.support import HOUR, SHOP, configure, limit, pay


def test_flags_come_in_pages_of_wallets(ledger: Ledger) -> None:
    configure(ledger, ceiling=50)
    wallets = (OPERATOR, CONSUMER, PUBLISHER, REGULATOR, SECOND)
    for wallet in wallets:
        pay(ledger, [1] * 5 + [51], wallet)
    with ledger.store.snapshot() as view:
        moment = open_moment(view, ledger.application.header)
        assert oversight_view(moment).ceiling == 50 != DEFAULT_OVERSIGHT.ceiling
        everything = flags_view(moment, None, None).flags
        seen = []
        after, pages = None, 0
        while True:
            page = flags_view(moment, None, after, 2)
            seen += page.flags
            pages += 1
            if page.next is None:
                break
            after = page.next
        one = flags_view(moment, CONSUMER.address, None)
        none = flags_view(moment, SHOP.address, None)
    assert pages == 3 and tuple(seen) == everything
    expected = [
        (address, kind)
        for address in sorted(wallet.address for wallet in wallets)
        for kind in ("amount", "ceiling")
    ]
    assert [(flag.wallet, flag.kind) for flag in seen] == expected
    assert [flag.wallet for flag in one.flags] == [CONSUMER.address] * 2 and one.next is None
    assert none.flags == ()


def test_an_account_shows_its_limit_in_the_present_period(ledger: Ledger) -> None:
    limit(ledger, CONSUMER, 1_000)
    start = ledger.time
    pay(ledger, [400], CONSUMER)

    def shown() -> tuple[int, int, int, int]:
        with ledger.store.snapshot() as view:
            moment = open_moment(view, ledger.application.header)
            known = account_view(moment, CONSUMER.address).limit
        assert known is not None
        return known.spent, known.left, known.start, known.renews

    assert shown() == (400, 600, start, start + HOUR)
    ledger.block(advance=2 * HOUR)
    assert shown() == (0, 1_000, start + 2 * HOUR, start + 3 * HOUR)
    limit(ledger, CONSUMER, 300)
    pay(ledger, [300], CONSUMER)
    limit(ledger, CONSUMER, 100)
    assert shown()[:2] == (300, 0)


def test_a_replay_raises_the_same_flags(tmp_path: Path) -> None:
    """DET-1"""
    ledger = Ledger(tmp_path / "data")
    configure(ledger, ceiling=50, cohort_blocks=3)
    for wallet in (OPERATOR, CONSUMER):
        pay(ledger, [1] * 5 + [51, 7, 7, 7], wallet)
    limit(ledger, CONSUMER, 60)
    app_hash = ledger.application.app_hash
    ledger.close()
    found = replay(tmp_path / "data", genesis())
    assert (found.problem, found.app_hash) == (None, app_hash)
