"""RCPT-9, RCPT-10: what a light proof must show, with validators whose keys are known."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synnergy.receipts.comet import Committed
from synnergy.receipts.light import LightProof, check_commit, check_light, trusted_validators
from synnergy.rejected import Rejected
from synnergy.wire.codec import decode, encode
from tests.receipts.forging import CHAIN, Powers, commit, digest, header, key, validators

FIRST: Powers = {"a": 10, "b": 10, "c": 10, "d": 10}
SECOND: Powers = {**FIRST, "e": 10}
THIRD: Powers = {"c": 1, "e": 30, "f": 20}
TRUSTED = trusted_validators(validators(FIRST))


def signed(powers: Powers, *signing: str) -> Committed:
    return commit(header(5, powers), powers, signing)


def changed() -> LightProof:
    """Two changes of the set, and a header of the third."""
    return LightProof(
        (
            commit(header(3, FIRST, SECOND), FIRST, "abc"),
            commit(header(8, SECOND, THIRD), SECOND, "abde"),
        ),
        commit(header(9, THIRD), THIRD, "ef"),
    )


def refusal(proof: LightProof, chain_id: str = CHAIN) -> str:
    refused = check_light(proof, chain_id, TRUSTED)
    assert isinstance(refused, Rejected)
    return refused.code


def replace_vote(one: Committed, number: int, **fields: object) -> Committed:
    votes = list(one.signed.signatures)
    votes[number] = msgspec.structs.replace(votes[number], **fields)
    return with_votes(one, tuple(votes))


def with_votes(one: Committed, votes: tuple) -> Committed:
    return Committed(msgspec.structs.replace(one.signed, signatures=votes), one.validators)


@given(st.lists(st.integers(1, 1_000_000_000), min_size=1, max_size=9), st.data())
@settings(deadline=None, max_examples=60)
def test_more_than_two_thirds_of_the_power_must_have_signed(powers, data) -> None:
    """Counted by integers: exactly two thirds are too little."""
    weights = {f"v{number}": power for number, power in enumerate(powers)}
    signing = data.draw(st.sets(st.sampled_from(sorted(weights))))
    one = commit(header(1, weights), weights, sorted(signing))
    refused = check_commit(one, CHAIN, trusted_validators(validators(weights)))
    enough = sum(weights[name] for name in signing) * 3 > sum(powers) * 2
    assert (refused is None) == enough
    assert refused is None or refused.code == "too_little_power"


@pytest.mark.parametrize(
    ("weights", "signing", "holds"),
    [
        ({"a": 1, "b": 1, "c": 1}, "ab", False),
        ({"a": 1, "b": 1, "c": 1}, "abc", True),
        ({"a": 2, "b": 1}, "a", False),
        ({"a": 3, "b": 1}, "a", True),
        ({"a": 10**9, "b": 10**9, "c": 10**9 - 1}, "ab", True),
        ({"a": 10**9, "b": 10**9, "c": 10**9}, "ab", False),
        ({"a": 1}, "", False),
    ],
)
def test_the_bound_itself(weights: Powers, signing: str, holds: bool) -> None:
    one = commit(header(1, weights), weights, signing)
    refused = check_commit(one, CHAIN, trusted_validators(validators(weights)))
    assert (refused is None) == holds


def test_a_vote_counts_once() -> None:
    one = signed(FIRST, "a", "b", "c")
    votes = one.signed.signatures
    for wrong in (
        (votes[0], votes[0], votes[0]),
        (votes[0], votes[0], votes[1], votes[2]),
        (votes[1], votes[0], votes[2]),
        (*votes, votes[2]),
    ):
        assert refusal(LightProof((), with_votes(one, wrong))) == "bad_commit"


def test_a_vote_is_its_own_validators() -> None:
    one = signed(FIRST, "a", "b", "c", "d")
    votes = one.signed.signatures
    swapped = replace_vote(one, 0, signature=votes[1].signature)
    assert refusal(LightProof((), swapped)) == "bad_commit"
    beyond = replace_vote(one, 3, validator=4)
    assert refusal(LightProof((), beyond)) == "bad_commit"
    stranger = msgspec.structs.replace(votes[3], signature=key("z").sign(b""))
    assert refusal(LightProof((), with_votes(one, (*votes[:3], stranger)))) == "bad_commit"


def test_every_carried_signature_must_hold_even_if_none_is_needed() -> None:
    one = replace_vote(signed(FIRST, "a", "b", "c", "d"), 3, signature=bytes(64))
    assert refusal(LightProof((), one)) == "bad_commit"


@pytest.mark.parametrize(
    "other",
    [
        lambda one: msgspec.structs.replace(one, round=1),
        lambda one: msgspec.structs.replace(one, parts=2),
        lambda one: msgspec.structs.replace(one, parts_hash=digest("other parts")),
        lambda one: msgspec.structs.replace(one, header=header(6, FIRST)),
        lambda one: msgspec.structs.replace(one, header=header(5, FIRST, app_hash=digest("mine"))),
    ],
)
def test_a_vote_is_for_this_round_and_block(other: Callable) -> None:
    one = signed(FIRST, "a", "b", "c", "d")
    changed = Committed(other(one.signed), one.validators)
    assert refusal(LightProof((), changed)) == "bad_commit"


def test_another_chain_is_refused() -> None:
    assert refusal(LightProof((), signed(FIRST, *FIRST)), "other-" + "0" * 32) == "untrusted_root"
    other = commit(header(5, FIRST, chain_id="other"), FIRST)
    assert refusal(LightProof((), other)) == "untrusted_root"
    step = commit(header(3, FIRST, SECOND, chain_id="other"), FIRST)
    assert refusal(LightProof((step,), commit(header(5, SECOND), SECOND))) == "untrusted_root"


def test_only_the_trusted_set_counts() -> None:
    """A set that nobody named, of whatever power, and one that the header doesn't have."""
    strangers = dict.fromkeys("wxyz", 1000)
    assert refusal(LightProof((), commit(header(5, strangers), strangers))) == "wrong_validators"
    lent = header(5, FIRST)
    assert refusal(LightProof((), commit(lent, strangers))) == "wrong_validators"
    claimed = commit(header(5, strangers), strangers)
    kept = Committed(claimed.signed, validators(FIRST))
    assert refusal(LightProof((), kept)) == "wrong_validators"
    heavier = {**FIRST, "a": 1_000}
    assert refusal(LightProof((), commit(header(5, heavier), heavier))) == "wrong_validators"


def test_a_set_in_another_order_is_another_set() -> None:
    one = signed(FIRST, *FIRST)
    turned = Committed(one.signed, tuple(reversed(one.validators)))
    assert refusal(LightProof((), turned)) == "wrong_validators"


def test_changes_of_the_set_are_followed() -> None:
    proof = changed()
    assert check_light(proof, CHAIN, TRUSTED) == proof.last.signed.header


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        (lambda one, two: (), "wrong_validators"),
        (lambda one, two: (one,), "wrong_validators"),
        (lambda one, two: (two,), "wrong_validators"),
        (lambda one, two: (two, one), "wrong_validators"),
        (lambda one, two: (one, one, two), "wrong_validators"),
        (lambda one, two: (one, two, two), "wrong_validators"),
    ],
)
def test_steps_are_all_there_and_in_order(steps: Callable, code: str) -> None:
    whole = changed()
    assert refusal(LightProof(steps(*whole.steps), whole.last)) == code


def test_heights_rise() -> None:
    to_second = commit(header(3, FIRST, SECOND), FIRST)
    back = commit(header(3, SECOND, FIRST), SECOND)
    last = commit(header(9, FIRST), FIRST)
    assert refusal(LightProof((to_second, back), last)) == "bad_steps"
    for height in (1, 2, 3):
        early = commit(header(height, SECOND), SECOND)
        assert refusal(LightProof((to_second,), early)) == "bad_steps"
    proof = LightProof((to_second,), commit(header(4, SECOND), SECOND))
    assert check_light(proof, CHAIN, TRUSTED) == proof.last.signed.header


def test_a_step_changes_the_set() -> None:
    """Else a file could be made as long as one likes."""
    idle = commit(header(3, FIRST), FIRST)
    assert refusal(LightProof((idle,), commit(header(5, FIRST), FIRST))) == "bad_steps"


def test_a_change_needs_two_thirds_of_the_old_set() -> None:
    for signing in ("", "a", "ab"):
        step = commit(header(3, FIRST, THIRD), FIRST, signing)
        last = commit(header(5, THIRD), THIRD)
        assert refusal(LightProof((step,), last)) == "too_little_power"
    usurped = commit(header(3, THIRD, THIRD), THIRD)
    assert refusal(LightProof((usurped,), commit(header(5, THIRD), THIRD))) == "wrong_validators"


def test_every_flipped_bit_of_a_proof_is_caught() -> None:
    content = encode(changed())
    assert decode(content, LightProof, 1 << 20) == changed()
    for bit in range(len(content) * 8):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << (bit % 8)
        proof = decode(bytes(flipped), LightProof, 1 << 20)
        if not isinstance(proof, Rejected):
            assert isinstance(check_light(proof, CHAIN, TRUSTED), Rejected), f"bit {bit}"


@given(st.binary(max_size=400))
@settings(deadline=None)
def test_bytes_that_are_no_proof_are_refused(content: bytes) -> None:
    assert isinstance(decode(content, LightProof, 1 << 20), Rejected)
