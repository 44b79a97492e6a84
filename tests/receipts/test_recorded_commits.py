"""Commits that real CometBFT networks made (`tests/vectors/make_light.py`), under RCPT-8 to 10."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from synnergy.engines.cometbft.commits import BadAnswer, committed, validator_set
from synnergy.receipts.comet import Committed, block_of, in_order, validators_hash
from synnergy.receipts.light import (
    LightProof,
    Signers,
    check_commit,
    check_light,
    signers_of,
    trusted_validators,
)
from synnergy.rejected import Rejected

FOLDER = Path(__file__).parent.parent / "vectors" / "light"
NAMES = ("one", "four", "seven-one-down", "changing")


def recorded(name: str) -> tuple[str, list[dict]]:
    file = json.loads((FOLDER / f"{name}.json").read_text())
    return file["chain_id"], file["heights"]


def read(one: dict) -> Committed:
    return committed(one["signed_header"], validator_set(one["validators"]))


def commits(name: str) -> tuple[str, list[Committed]]:
    chain_id, heights = recorded(name)
    return chain_id, [read(one) for one in heights]


def changes(one: Committed) -> bool:
    return one.signed.header.validators != one.signed.header.next_validators


def proofs(made: list[Committed]) -> list[LightProof]:
    """The proof of each height from the validators of the first."""
    found: list[LightProof] = []
    for one in made:
        before = found[-1] if found else None
        steps = before.steps if before else ()
        if before is not None and changes(before.last):
            steps = (*steps, before.last)
        found.append(LightProof(steps, one))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_hashes_are_cometbfts_own(name: str) -> None:
    """RCPT-8: each header's hash is in its commit, and in the next header; a set's in its own."""
    _, heights = recorded(name)
    _, made = commits(name)
    assert len(made) >= 5
    for given, one in zip(heights, made, strict=True):
        block = given["signed_header"]["commit"]["block_id"]
        assert block_of(one.signed).hash.hex().upper() == block["hash"]
        assert validators_hash(one.validators) == one.signed.header.validators
        assert in_order(tuple(reversed(one.validators))) == one.validators
    for one, following in pairwise(made):
        assert following.signed.header.last_block == block_of(one.signed)
        assert following.signed.header.validators == one.signed.header.next_validators


@pytest.mark.parametrize("name", NAMES)
def test_every_commit_is_proved_from_the_first_set(name: str) -> None:
    """RCPT-9, RCPT-10"""
    chain_id, made = commits(name)
    trusted = trusted_validators(made[0].validators)
    for one, proof in zip(made, proofs(made), strict=True):
        assert check_light(proof, chain_id, trusted) == one.signed.header


def test_what_was_recorded_is_what_matters() -> None:
    """Votes for no block, a later round, sets that grow, are re-weighted, and shrink."""
    _, down = recorded("seven-one-down")
    votes = [vote for one in down for vote in one["signed_header"]["commit"]["signatures"]]
    assert {vote["block_id_flag"] for vote in votes} - {2}
    _, made = commits("seven-one-down")
    assert max(one.signed.round for one in made) > 0
    assert {signers_of(one) for one in made} == {Signers(6, 7, 6, 7)}
    _, made = commits("changing")
    sizes = [len(one.validators) for one in made]
    assert (sizes[0], max(sizes), sizes[-1]) == (4, 5, 4)
    assert sum(map(changes, made)) >= 3
    assert {signers_of(one).power for one in made} >= {4, 5, 7, 6}


@pytest.mark.parametrize("missing", range(3))
def test_no_change_of_the_set_can_be_left_out(missing: int) -> None:
    """RCPT-10"""
    chain_id, made = commits("changing")
    trusted = trusted_validators(made[0].validators)
    whole = [proof for proof in proofs(made) if len(proof.steps) >= 3][-1]
    steps = whole.steps[:missing] + whole.steps[missing + 1 :]
    refused = check_light(LightProof(steps, whole.last), chain_id, trusted)
    assert isinstance(refused, Rejected) and refused.code == "wrong_validators"


def test_a_vote_for_no_block_does_not_count_for_one() -> None:
    """RCPT-9: what CometBFT flags otherwise, flagged as a vote for the block, is left out."""
    chain_id, heights = recorded("seven-one-down")
    for one in heights:
        votes = one["signed_header"]["commit"]["signatures"]
        before = read(one)
        for vote in votes:
            vote["block_id_flag"] = 2
            vote["signature"] = vote["signature"] or "A" * 86 + "=="
            if vote["timestamp"].startswith("0001"):
                vote["timestamp"] = one["signed_header"]["header"]["time"]
        after = read(one)
        assert after == before
        trusted = trusted_validators(after.validators)
        assert check_commit(after, chain_id, trusted) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda signed: signed["header"].pop("app_hash"),
        lambda signed: signed["header"].update(height="x"),
        lambda signed: signed["header"].update(app_hash="zz"),
        lambda signed: signed["header"].update(app_hash="00" * 33),
        lambda signed: signed["header"].update(time="2026-11-26 21:18:11"),
        lambda signed: signed["header"].update(time=5),
        lambda signed: signed["header"].update(proposer_address="00"),
        lambda signed: signed["header"].update(chain_id="another"),
        lambda signed: signed["header"]["version"].update(block="99999999999999999999999"),
        lambda signed: signed["commit"].update(height="7"),
        lambda signed: signed["commit"].update(round="0"),
        lambda signed: signed["commit"].update(round=-1),
        lambda signed: signed["commit"].update(signatures=None),
        lambda signed: signed["commit"]["signatures"][0].update(signature="####"),
        lambda signed: signed["commit"]["signatures"][0].update(signature="AAAA"),
        lambda signed: signed["commit"]["block_id"].update(parts=None),
        lambda signed: signed["commit"]["block_id"].update(hash="00" * 32),
    ],
)
def test_answers_that_are_not_cometbfts_are_refused(damage) -> None:
    _, heights = recorded("four")
    damage(heights[2]["signed_header"])
    with pytest.raises(BadAnswer):
        read(heights[2])


@pytest.mark.parametrize(
    "damage",
    [
        lambda found: found[0].pop("pub_key"),
        lambda found: found[0]["pub_key"].update(value="AAAA"),
        lambda found: found[0].update(voting_power="0"),
        lambda found: found[0].update(voting_power="x"),
        lambda found: found[0].update(voting_power="2"),
        lambda found: found.pop(),
        lambda found: found.reverse(),
        lambda found: found.clear(),
    ],
)
def test_validators_that_are_not_the_headers_are_refused(damage) -> None:
    _, heights = recorded("four")
    damage(heights[2]["validators"])
    with pytest.raises(BadAnswer):
        read(heights[2])


@pytest.mark.parametrize("garbage", [None, [], {}, "text", 5, {"header": {}, "commit": {}}])
def test_garbage_is_refused(garbage: object) -> None:
    with pytest.raises(BadAnswer):
        committed(garbage, ())


def test_any_other_field_changes_the_hash() -> None:
    """RCPT-8: no two headers have one hash."""
    chain_id, made = commits("changing")
    one = made[4]
    trusted = trusted_validators(one.validators)
    assert check_commit(one, chain_id, trusted) is None
    header = one.signed.header
    for name in header.__struct_fields__:
        value = getattr(header, name)
        match value:
            case bytes():
                other = bytes([value[0] ^ 1]) + value[1:]
            case int():
                other = value + 1
            case str():
                other = value + "x"
            case _ if name == "time":
                other = msgspec.structs.replace(value, nanos=value.nanos ^ 1)
            case _:
                other = msgspec.structs.replace(value, parts=value.parts + 1)
        changed = msgspec.structs.replace(header, **{name: other})
        signed = msgspec.structs.replace(one.signed, header=changed)
        refused = check_commit(Committed(signed, one.validators), changed.chain_id, trusted)
        assert isinstance(refused, Rejected), name
        assert refused.code in ("bad_commit", "wrong_validators"), name
