"""A set that would lock the regulators out is refused (POL-14)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from synnergy.policy.check import check_new_set
from synnergy.policy.engine import CompiledSet
from synnergy.policy.texts import DEFAULT_SET
from synnergy.rejected import Rejected

from .support import wallet

REGULATORS = [wallet(f"r{number}", regulator=True) for number in range(3)]
ONE_BY_NAME = (
    '@id("only") permit (principal == Wallet::"r1", action == Action::"set_policy", resource);'
)


@pytest.mark.parametrize("threshold", [1, 2, 3])
def test_the_default_set_can_be_changed(threshold: int) -> None:
    result = check_new_set(DEFAULT_SET, REGULATORS, threshold)
    assert isinstance(result, CompiledSet)
    assert result.text == DEFAULT_SET


@pytest.mark.parametrize(
    ("text", "able"),
    [
        ("", 0),
        (ONE_BY_NAME, 1),
        (DEFAULT_SET + '@id("no") forbid (principal, action, resource);', 0),
        (DEFAULT_SET + '@id("no") forbid (principal == Wallet::"r0", action, resource);', 2),
        (
            DEFAULT_SET
            + '@id("broken") forbid (principal, action == Action::"set_policy", resource)'
            ' when { Wallet::"nobody".frozen };',
            0,
        ),
    ],
)
def test_enough_regulators_must_remain_able(text: str, able: int) -> None:
    if able:
        assert isinstance(check_new_set(text, REGULATORS, able), CompiledSet)
    result = check_new_set(text, REGULATORS, able + 1)
    assert isinstance(result, Rejected)
    assert (result.rule, result.code) == ("POL-14", "policy_locks_out")
    assert f"{able} of 3 regulators could change it again, and {able + 1} are needed" in str(
        result
    )


def test_regulators_are_asked_as_they_are() -> None:
    frozen = [replace(regulator, frozen=True) for regulator in REGULATORS[:2]]
    mixed = [*frozen, REGULATORS[2]]
    assert isinstance(check_new_set(DEFAULT_SET, mixed, 1), CompiledSet)
    assert isinstance(check_new_set(DEFAULT_SET, mixed, 2), Rejected)
    assert isinstance(check_new_set(DEFAULT_SET, [], 1), Rejected)


def test_the_block_is_asked_for() -> None:
    text = (
        DEFAULT_SET + '@id("no") forbid (principal, action, resource) when { context.time > 9 };'
    )
    assert isinstance(check_new_set(text, REGULATORS, 1, height=1, time=9), CompiledSet)
    assert isinstance(check_new_set(text, REGULATORS, 1, height=1, time=10), Rejected)


def test_a_bad_text_is_refused_as_such() -> None:
    result = check_new_set("permit", REGULATORS, 1)
    assert isinstance(result, Rejected)
    assert result.rule == "POL-5"
