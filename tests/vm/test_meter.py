"""VM-11, VM-20: the meter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synnergy.gas.meter import Meter

GAS = st.integers(0, 2**53 - 1)


@given(GAS, st.lists(GAS, max_size=20))
def test_charges_add_up_and_never_overdraw(limit: int, charges: list[int]) -> None:
    meter = Meter(limit)
    paid = 0
    for amount in charges:
        taken = meter.charge(amount)
        assert taken == (amount <= limit - paid)
        paid += amount if taken else 0
        assert (meter.used, meter.remaining) == (paid, limit - paid)


def test_all_of_it_may_be_charged() -> None:
    meter = Meter(10)
    assert meter.charge(10) and meter.charge(0) and not meter.charge(1)
    assert meter.used == 10


def test_burning() -> None:
    meter = Meter(10)
    meter.charge(3)
    meter.burn_all()
    assert (meter.used, meter.remaining) == (10, 0)


@pytest.mark.parametrize("limit", [-1, 2**53])
def test_limits_are_checked(limit: int) -> None:
    with pytest.raises(ValueError):
        Meter(limit)


def test_a_negative_charge_is_a_bug() -> None:
    with pytest.raises(ValueError):
        Meter(10).charge(-1)


@given(GAS, st.integers(0, 2**53))
def test_a_child_gets_at_most_63_of_64_parts(limit: int, use: int) -> None:  # VM-20
    meter = Meter(limit)
    child = meter.child()
    assert 64 * child.limit <= 63 * limit < 64 * (child.limit + 1)
    child.charge(min(use, child.remaining))
    meter.absorb(child)
    assert meter.used == child.used
    assert meter.remaining >= limit // 64


def test_sixty_four_frames_deep_little_is_left() -> None:
    meter = Meter(2**53 - 1)
    for _ in range(64):
        meter = meter.child()
    assert 2**53 // 3 < meter.limit < 2**53 // 2


def test_absorbing_more_than_there_is_is_a_bug() -> None:
    meter, other = Meter(10), Meter(20)
    other.charge(11)
    with pytest.raises(ValueError):
        meter.absorb(other)
