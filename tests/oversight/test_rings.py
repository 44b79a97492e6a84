"""OVR-7, OVR-8: wallets registered in a row that pay as if they were one."""

from __future__ import annotations

from synnergy.identity.keys import KeyPair
from synnergy.opcodes import oversight
from synnergy.state import records
from synnergy.wire.codec import encode
from tests.ledger.harness import (
    CONSUMER,
    OPERATOR,
    PUBLISHER,
    REGULATOR,
    SECOND,
    Ledger,
    key,
)
from tests.oversight.support import SHOP, configure, flags, next_window, pay

SHARES = 10**11


def cohort(
    ledger: Ledger, count: int, name: str = "ring", by: KeyPair = REGULATOR, each: int = SHARES
) -> list[KeyPair]:
    """Wallets registered in a row by one regulator, with money, at the start of a window."""
    wallets = [key(f"{name} {index}") for index in range(count)]
    for wallet in wallets:
        assert ledger.register(wallet, "consumer", by=by).status == "ok"
    configure(ledger, amount_factor=0, ramp_factor=0, ceiling=2**53 - 1)
    for wallet in wallets:
        pay(ledger, [each], to=wallet)
    configure(ledger)
    next_window(ledger)
    return wallets


def kinds(ledger: Ledger, wallets: list[KeyPair]) -> list[set[str]]:
    return [set(flags(ledger, wallet)) for wallet in wallets]


def test_three_pay_one_recipient(ledger: Ledger) -> None:
    wallets = cohort(ledger, 4)
    pay(ledger, [10], wallets[0])
    pay(ledger, [20, 5], wallets[1])
    assert kinds(ledger, wallets) == [set()] * 4, "two are no ring"
    pay(ledger, [30], wallets[2])
    assert kinds(ledger, wallets) == [{"ring"}] * 3 + [set()]
    figures = flags(ledger, wallets[0])["ring"]
    assert (figures["how"], figures["recipient"]) == ("one recipient", SHOP.address)
    assert (figures["amount"], figures["wallets"]) == (65, 3)
    pay(ledger, [30], wallets[3])
    assert kinds(ledger, wallets) == [{"ring"}] * 4, "whoever joins is of it"


def test_three_pay_one_another(ledger: Ledger) -> None:
    wallets = cohort(ledger, 4)
    pay(ledger, [10], wallets[0], to=wallets[1])
    pay(ledger, [10], wallets[1], to=wallets[2])
    assert kinds(ledger, wallets) == [set()] * 4
    pay(ledger, [10], wallets[2], to=wallets[0])
    assert kinds(ledger, wallets) == [{"ring"}] * 3 + [set()]
    assert flags(ledger, wallets[2])["ring"]["how"] == "one another"


def test_three_are_together_over_the_ceiling(ledger: Ledger) -> None:
    wallets = cohort(ledger, 3, each=6 * 10**11)
    targets = [key(f"target {index}") for index in range(3)]
    pay(ledger, [5 * 10**11], wallets[0], to=targets[0])
    pay(ledger, [4 * 10**11], wallets[1], to=targets[1])
    pay(ledger, [10**11], wallets[2], to=targets[2])
    assert kinds(ledger, wallets) == [set()] * 3, "exactly the ceiling"
    pay(ledger, [1], wallets[2], to=targets[2])
    assert kinds(ledger, wallets) == [{"ring"}] * 3
    figures = flags(ledger, wallets[1])["ring"]
    assert (figures["how"], figures["amount"]) == ("together", 10**12 + 1)


def test_two_over_the_ceiling_are_no_ring(ledger: Ledger) -> None:
    wallets = cohort(ledger, 3, each=9 * 10**11)
    pay(ledger, [8 * 10**11], wallets[0])
    pay(ledger, [8 * 10**11], wallets[1], to=PUBLISHER)
    assert kinds(ledger, wallets) == [set()] * 3


def test_payments_of_two_windows_are_no_ring(ledger: Ledger) -> None:
    wallets = cohort(ledger, 3)
    pay(ledger, [10], wallets[0])
    pay(ledger, [10], wallets[1])
    next_window(ledger)
    pay(ledger, [10], wallets[2])
    assert kinds(ledger, wallets) == [set()] * 3


def test_wallets_of_genesis_are_no_ring(ledger: Ledger) -> None:
    for wallet in (OPERATOR, CONSUMER, PUBLISHER, REGULATOR, SECOND):
        pay(ledger, [10], wallet)
    assert kinds(ledger, [OPERATOR, CONSUMER, PUBLISHER]) == [set()] * 3


def test_wallets_of_two_regulators_are_no_ring(ledger: Ledger) -> None:
    wallets = [key(f"mixed {index}") for index in range(4)]
    for index, wallet in enumerate(wallets):
        by = (REGULATOR, SECOND)[index % 2]
        assert ledger.register(wallet, "consumer", by=by).status == "ok"
    for wallet in wallets:
        pay(ledger, [10**9], to=wallet)
    next_window(ledger)
    for wallet in wallets:
        pay(ledger, [10], wallet)
    assert kinds(ledger, wallets) == [set()] * 4


def test_a_cohort_ends_with_its_blocks(ledger: Ledger) -> None:
    """Whose first registration lies cohort_blocks back begins another one, to the block."""
    configure(ledger, cohort_blocks=4)
    first = ledger.application.height + 1
    early = [key(f"early {index}") for index in range(3)]
    late = key("late")
    for wallet in (*early[:2],):
        assert ledger.register(wallet, "consumer").status == "ok"
    ledger.block()
    assert ledger.register(early[2], "consumer").status == "ok"  # at first + 3
    assert ledger.register(late, "consumer").status == "ok"  # at first + 4
    for wallet in early:
        known = records.activities.load(ledger.state, wallet.address)
        assert known is not None
        assert known.cohort == records.CohortKey(REGULATOR.address, first)
    assert records.activities.load(ledger.state, late.address) is None
    cohort = records.cohorts.load(ledger.state, (REGULATOR.address, first + 4))
    assert cohort is not None and cohort.wallets == 1


def test_registration_anew_leaves_the_cohort(ledger: Ledger) -> None:
    """Nobody leaves a cohort, or joins it twice, by being registered again."""
    wallets = cohort(ledger, 3)
    before = records.activities.load(ledger.state, wallets[0].address)
    assert ledger.register(wallets[0], "publisher", by=SECOND).status == "ok"
    assert records.activities.load(ledger.state, wallets[0].address) == before


def test_dust_to_many_does_not_hide_a_common_recipient(ledger: Ledger) -> None:
    wallets = cohort(ledger, 3)
    for wallet in wallets:
        for index in range(12):
            pay(ledger, [1], wallet, to=key(f"dust {wallet.address} {index}"))
        pay(ledger, [1_000], wallet)
    assert kinds(ledger, wallets) == [{"amount", "ring"}] * 3


def test_a_cohort_s_record_stays_small(ledger: Ledger) -> None:
    wallets = cohort(ledger, 6)
    for round_ in range(10):
        for wallet in wallets:
            pay(ledger, [round_ + 1], wallet, to=key(f"target {round_} {wallet.address}"))
            pay(ledger, [round_ + 1], wallet, to=key(f"target {round_}"))
    (found,) = [value for _, value in records.cohorts.scan(ledger.state) if value.wallets == 6]
    assert len(found.recipients) == 8 and len(encode(found)) < 3_000


def test_a_ring_can_be_cleared(ledger: Ledger) -> None:
    wallets = cohort(ledger, 3)
    for wallet in wallets:
        pay(ledger, [10], wallet)
    arguments = oversight.ClearFlags(wallets[0].address, ("ring",), "a family")
    ledger.ok(REGULATOR, "REGULATION_CLEAR_FLAGS", arguments)
    assert kinds(ledger, wallets) == [set(), {"ring"}, {"ring"}]
