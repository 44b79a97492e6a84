"""OVR-1 … OVR-9: what is flagged, at the boundary and one below it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synnergy.opcodes import ledger as money
from synnergy.opcodes import oversight
from synnergy.opcodes.activity import observe
from synnergy.opcodes.cohorts import QUIET
from synnergy.opcodes.flags import DEFAULT_OVERSIGHT
from synnergy.state import records
from synnergy.wire.codec import decode, encode
from tests.ledger.harness import CONSUMER, OPERATOR, PUBLISHER, REGULATOR, SECOND, Ledger
from tests.oversight.support import HOUR, SHOP, configure, flags, next_window, pay

# ---- amount (OVR-2) ------------------------------------------------------------------------


@pytest.mark.parametrize(("last", "flagged"), [(1_000, False), (1_001, True)])
def test_amount_over_ten_times_the_average(ledger: Ledger, last: int, flagged: bool) -> None:
    pay(ledger, [100, 50, 150, 80, 120])
    (result,) = pay(ledger, [last])
    if not flagged:
        assert flags(ledger) == {}
        return
    figures = {"amount": 1_001, "average": 100, "payments": 5, "factor": 10}
    assert flags(ledger) == {"amount": figures}
    (event,) = [event for event in result.events if event.name == "oversight.flagged"]
    assert event.attributes == {
        "wallet": OPERATOR.address,
        "kind": "amount",
        **{name: str(value) for name, value in figures.items()},
    }


@pytest.mark.parametrize(("sample", "flagged"), [(4, False), (5, True)])
def test_amount_needs_a_sample(ledger: Ledger, sample: int, flagged: bool) -> None:
    pay(ledger, [1] * sample)
    pay(ledger, [1_000])
    assert ("amount" in flags(ledger)) == flagged


def test_dust_does_not_hide_an_amount_but_shows_it(ledger: Ledger) -> None:
    """Dust lowers the average; zeros and payments to oneself are no payments at all."""
    pay(ledger, [1_000] * 5)
    pay(ledger, [1] * 45)
    pay(ledger, [0] * 20)
    pay(ledger, [10**9] * 5, to=OPERATOR)
    pay(ledger, [1_010])
    assert flags(ledger)["amount"]["payments"] == 50
    assert flags(ledger)["amount"]["average"] == 100


def test_a_flag_keeps_its_first_figures(ledger: Ledger) -> None:
    pay(ledger, [1] * 5)
    pay(ledger, [100])
    first = flags(ledger)
    results = pay(ledger, [10**6])
    assert flags(ledger) == first
    assert "oversight.flagged" not in [event.name for event in results[0].events]


# ---- velocity (OVR-3) ----------------------------------------------------------------------


@pytest.mark.parametrize(("burst", "flagged"), [(20, False), (21, True)])
def test_velocity_over_ten_times_the_average_window(
    ledger: Ledger, burst: int, flagged: bool
) -> None:
    for payments in (1, 2, 3):
        next_window(ledger)
        pay(ledger, [5] * payments)
    next_window(ledger)
    pay(ledger, [5] * burst)
    figures = {
        "payments": 21,
        "earlier_payments": 6,
        "earlier_windows": 3,
        "window": HOUR,
        "factor": 10,
    }
    assert flags(ledger) == ({"velocity": figures} if flagged else {})


def test_velocity_needs_earlier_windows_and_payments(ledger: Ledger) -> None:
    for _ in range(2):
        next_window(ledger)
        pay(ledger, [5])
    next_window(ledger)
    pay(ledger, [5] * 60)
    assert flags(ledger) == {}, "two earlier windows are too few"
    configure(ledger, velocity_windows=1, velocity_factor=1, velocity_payments=10)
    other = CONSUMER
    pay(ledger, [5], other)
    next_window(ledger)
    pay(ledger, [5] * 9, other)
    assert flags(ledger, other) == {}, "nine payments are too few"
    pay(ledger, [5], other)
    assert "velocity" in flags(ledger, other)


def test_idle_windows_do_not_lower_the_average(ledger: Ledger) -> None:
    """A batch of thirty once a month is what this wallet does."""
    for _ in range(5):
        ledger.block(advance=30 * 24 * HOUR)
        next_window(ledger)
        pay(ledger, [5] * 30)
    assert flags(ledger) == {}


# ---- ceiling (OVR-4) -----------------------------------------------------------------------


@pytest.mark.parametrize(("amount", "flagged"), [(10**12, False), (10**12 + 1, True)])
def test_ceiling_in_one_payment(ledger: Ledger, amount: int, flagged: bool) -> None:
    pay(ledger, [amount])
    figures = {"amount": 10**12 + 1, "ceiling": 10**12}
    assert flags(ledger) == ({"ceiling": figures} if flagged else {})


# ---- ramp (OVR-5) --------------------------------------------------------------------------


@pytest.mark.parametrize(("last", "flagged"), [(399, False), (400, True)])
def test_ramp_over_three_rises_to_four_times(ledger: Ledger, last: int, flagged: bool) -> None:
    for each in (100, 150, 250, last):
        pay(ledger, [each] * 5)
    figures = {"from": 500, "to": 2_000, "rises": 3, "factor": 4}
    assert flags(ledger) == ({"ramp": figures} if flagged else {})


def test_ramp_needs_three_rises_in_a_row(ledger: Ledger) -> None:
    for each in (100, 200, 600):
        pay(ledger, [each] * 5)
    assert flags(ledger) == {}, "two rises"
    for each in (590, 700, 800, 900):
        pay(ledger, [each] * 5)
    assert flags(ledger) == {}, "after a fall the rise begins anew"


def test_dust_does_not_break_a_ramp(ledger: Ledger) -> None:
    for each in (100, 150, 250, 400):
        pay(ledger, [1, each] * 5)
    assert "ramp" in flags(ledger)


def test_a_wallet_that_became_small_is_watched_again(ledger: Ledger) -> None:
    """Priming with large payments blinds the ramp for twenty small ones and no longer."""
    pay(ledger, [10**10] * 5)
    for each in (100, 100, 100, 100, 100, 150, 250, 400):
        pay(ledger, [each] * 5)
    assert flags(ledger)["ramp"]["from"] == 500


# ---- denials (OVR-6) -----------------------------------------------------------------------


def refuse(ledger: Ledger, times: int) -> list[str]:
    """Transfers beyond the balance; names of the events of all."""
    names: list[str] = []
    for _ in range(times):
        result = ledger.send(CONSUMER, "LEDGER_TRANSFER", money.Transfer(SHOP.address, 10**15))
        assert result.code == "insufficient_funds"
        names += [event.name for event in result.events]
    return names


@pytest.mark.parametrize(("times", "flagged"), [(4, False), (5, True)])
def test_denials_in_a_window(ledger: Ledger, times: int, flagged: bool) -> None:
    next_window(ledger)
    names = refuse(ledger, times)
    figures = {"denials": 5, "window": HOUR, "last_rule": "LEDGER-2"}
    assert flags(ledger, CONSUMER) == ({"denials": figures} if flagged else {})
    assert names.count("oversight.flagged") == flagged


def test_denials_of_two_windows_are_not_added(ledger: Ledger) -> None:
    next_window(ledger)
    refuse(ledger, 4)
    next_window(ledger)
    refuse(ledger, 4)
    assert flags(ledger, CONSUMER) == {}


# ---- clearing, parameters (OVR-1, OVR-9) ---------------------------------------------------


def flagged_twice(ledger: Ledger) -> None:
    pay(ledger, [1] * 5)
    pay(ledger, [10**12 + 1])
    assert set(flags(ledger)) == {"amount", "ceiling"}


def test_a_regulator_clears_flags(ledger: Ledger) -> None:
    flagged_twice(ledger)
    one = oversight.ClearFlags(OPERATOR.address, ("amount",), "explained")
    ledger.ok(REGULATOR, "REGULATION_CLEAR_FLAGS", one)
    assert set(flags(ledger)) == {"ceiling"}
    again = ledger.send(REGULATOR, "REGULATION_CLEAR_FLAGS", one)
    assert (again.rule, again.code) == ("OVR-9", "not_flagged")
    rest = oversight.ClearFlags(OPERATOR.address, (), "explained")
    ledger.ok(SECOND, "REGULATION_CLEAR_FLAGS", rest)
    assert flags(ledger) == {}
    assert records.flags.load(ledger.state, OPERATOR.address) is None
    assert ledger.send(SECOND, "REGULATION_CLEAR_FLAGS", rest).code == "not_flagged"
    pay(ledger, [10**12 + 1])
    assert set(flags(ledger)) == {"ceiling"}, "the wallet is watched as before"


def test_nobody_else_clears_flags(ledger: Ledger) -> None:
    flagged_twice(ledger)
    for who in (OPERATOR, CONSUMER):
        arguments = oversight.ClearFlags(OPERATOR.address, (), "please")
        assert ledger.send(who, "REGULATION_CLEAR_FLAGS", arguments).rule == "POL-1"
    unsorted = oversight.ClearFlags(OPERATOR.address, ("ceiling", "amount"), "")
    assert ledger.send(REGULATOR, "REGULATION_CLEAR_FLAGS", unsorted).code == "bad_kinds"
    assert set(flags(ledger)) == {"amount", "ceiling"}


def test_registration_anew_keeps_flags(ledger: Ledger) -> None:
    pay(ledger, [1] * 5, PUBLISHER)
    pay(ledger, [100], PUBLISHER)
    assert ledger.register(PUBLISHER, "publisher", "consumer").status == "ok"
    assert set(flags(ledger, PUBLISHER)) == {"amount"}


def test_parameters_are_the_regulators(ledger: Ledger) -> None:
    configure(ledger, ceiling=99, amount_factor=0)
    assert records.oversight.load(ledger.state, records.SINGLE) == msgspec.structs.replace(
        DEFAULT_OVERSIGHT, ceiling=99, amount_factor=0
    )
    pay(ledger, [1] * 5)
    pay(ledger, [99])
    assert flags(ledger) == {}
    pay(ledger, [100])
    assert set(flags(ledger)) == {"ceiling"}
    values = msgspec.structs.asdict(DEFAULT_OVERSIGHT)
    asked = ledger.send(OPERATOR, "REGULATION_SET_OVERSIGHT", oversight.SetOversight(**values))
    assert asked.code == "not_a_regulator"


# ---- always (OVR-1, OVR-9) -----------------------------------------------------------------

AMOUNTS = st.lists(
    st.integers(1, 100) | st.integers(1, 2**53 - 1) | st.just(2**53 - 1), min_size=1, max_size=80
)


@given(amounts=AMOUNTS, steps=st.lists(st.integers(0, 2 * HOUR), min_size=1, max_size=8))
def test_figures_stay_within_what_is_stored(amounts: list[int], steps: list[int]) -> None:
    activity, time = QUIET, 1_700_000_000_000
    for index, amount in enumerate(amounts):
        time += steps[index % len(steps)]
        activity, findings = observe(activity, DEFAULT_OVERSIGHT, amount, time)
        for _, figures in findings:
            assert all(type(value) is not int or 0 <= value < 2**53 for value in figures.values())
    assert decode(encode(activity), records.Activity, 1_000) == activity


def test_ten_thousand_payments_keep_the_record_small() -> None:
    activity, time, largest = QUIET, 1_700_000_000_000, 0
    for index in range(10_000):
        amount = (index * 7_919) % 10**15 + 1
        activity, _ = observe(activity, DEFAULT_OVERSIGHT, amount, time + index * 50_000)
        largest = max(largest, len(encode(activity)))
    assert largest < 350
    assert activity.payments <= 1_000 and activity.windows <= 1_000
