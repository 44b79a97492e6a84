"""NET-10 … NET-14: nodes are admitted, re-weighted and removed by m of n regulators."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace as changed

from synnergy.identity.keys import KeyPair
from synnergy.opcodes import consensus, contracts, governance, regulation
from synnergy.pipeline import TransactionResult
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.vm.program import encode_program, function, program
from synnergy.wire.codec import Struct, decode
from tests.chain.market import program_of
from tests.governance.support import agreement, new_key, rotate
from tests.ledger.harness import (
    CONSUMER,
    OPERATOR,
    PUBLISHER,
    REGULATOR,
    SECOND,
    GenesisWallet,
    Ledger,
    genesis,
    key,
)
from tests.network.membership.support import (
    ADMIT,
    POWER,
    REMOVE,
    admission,
    consensus_key,
    deregister,
    freeze,
    genesis_node,
    newcomer,
    node,
    node_id,
    nodes,
    open_network,
    power_of,
    reason,
    removal,
    tampered,
)


def events(result: TransactionResult) -> list[tuple[str, dict[str, str]]]:
    return [(event.name, event.attributes) for event in result.events]


# ---- what the verbs do ------------------------------------------------------------------------


def test_m_of_n_admit_a_node(pair: Ledger) -> None:
    operator = newcomer(pair)
    arguments = admission(pair, "c", operator, 5)
    first = agreement(pair.send(REGULATOR, ADMIT, arguments))
    assert (first.agreed, first.threshold, first.carried_out) == (1, 2, False)
    assert node(pair, "c") is None
    again = pair.send(REGULATOR, ADMIT, arguments)
    assert reason(again) == ("refused", "REG-5", "already_agreed")
    result = pair.send(SECOND, ADMIT, arguments)
    assert agreement(result).carried_out
    height = pair.application.height
    assert node(pair, "c") == records.Validator(
        5, operator.address, node_id("c"), "http://c.example:7070", height
    )
    assert events(result)[-1] == (
        "consensus.validator_admitted",
        {
            "public_key": consensus_key("c").public_key.hex(),
            "power": "5",
            "operator": operator.address,
            "node_id": node_id("c").hex(),
            "endpoint": "http://c.example:7070",
            "by": SECOND.address,
        },
    )
    queried = pair.application.query(records.validators.raw_key(consensus_key("c").public_key))
    assert queried.app_hash == pair.application.app_hash and queried.proof.value is not None


def test_regulators_who_mean_other_powers_agree_on_nothing(pair: Ledger) -> None:
    operator = newcomer(pair)
    for regulator, power in ((REGULATOR, 5), (SECOND, 6)):
        given = pair.send(regulator, ADMIT, admission(pair, "c", operator, power))
        assert not agreement(given).carried_out
    assert node(pair, "c") is None


def test_a_vote_is_given_and_taken(ledger: Ledger) -> None:
    result = ledger.send(REGULATOR, POWER, power_of("idle", 7))
    assert result.status == "ok"
    assert events(result)[-1] == (
        "consensus.power_set",
        {
            "public_key": consensus_key("idle").public_key.hex(),
            "power": "7",
            "before": "0",
            "by": REGULATOR.address,
        },
    )
    present = node(ledger, "idle")
    assert present is not None and (present.power, present.height) == (7, 0)
    ledger.ok(REGULATOR, POWER, power_of("idle", 0))
    assert node(ledger, "idle") == changed(present, power=0)


def test_a_node_is_removed_and_comes_back(ledger: Ledger) -> None:
    result = ledger.send(REGULATOR, REMOVE, removal("b"))
    assert result.status == "ok" and node(ledger, "b") is None
    assert events(result)[-1] == (
        "consensus.validator_removed",
        {
            "public_key": consensus_key("b").public_key.hex(),
            "operator": PUBLISHER.address,
            "node_id": node_id("b").hex(),
            "by": REGULATOR.address,
        },
    )
    ledger.ok(REGULATOR, ADMIT, admission(ledger, "b", PUBLISHER, 3))
    present = node(ledger, "b")
    assert present is not None
    assert (present.power, present.height) == (3, ledger.application.height)


def test_a_node_moves(ledger: Ledger) -> None:
    """NET-12: under the same key, on a new statement, with another node id, endpoint, operator."""
    moved = {"node_id": node_id("elsewhere"), "endpoint": "https://b.example"}
    ledger.ok(REGULATOR, ADMIT, admission(ledger, "b", PUBLISHER, 10, **moved))
    assert node(ledger, "b") == records.Validator(
        10, PUBLISHER.address, node_id("elsewhere"), "https://b.example", 0
    )
    other = newcomer(ledger)
    ledger.ok(REGULATOR, ADMIT, admission(ledger, "b", other, 4, endpoint=""))
    assert node(ledger, "b") == records.Validator(4, other.address, node_id("b"), "", 0)
    # The id and the operator that it had are free.
    ledger.ok(REGULATOR, ADMIT, admission(ledger, "c", PUBLISHER, 1, **moved))


def test_what_is_set_back_changes_nothing(ledger: Ledger) -> None:
    """STATE-12: two verbs in one block, whose changes cancel out."""
    verbs = (power_of("b", 11), power_of("b", 10))
    raws = [
        ledger.envelope(REGULATOR, POWER, verb, nonce=index) for index, verb in enumerate(verbs)
    ]
    before = nodes(ledger)
    assert [result.status for result in ledger.block(*raws)] == ["ok", "ok"]
    assert nodes(ledger) == before


# ---- who may not, and what cannot be -----------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [(POWER, power_of("b", 3)), (REMOVE, removal("b"))],
)
@pytest.mark.parametrize("sender", [OPERATOR, PUBLISHER])
def test_nobody_else_governs_the_network(
    ledger: Ledger, sender: KeyPair, verb: str, arguments: Struct
) -> None:
    """NET-10: an operator has no say over its own node."""
    before = nodes(ledger)
    refused = ledger.send(sender, verb, arguments)
    assert reason(refused) == ("refused", "REG-5", "not_a_regulator")
    refused = ledger.send(sender, ADMIT, admission(ledger, "c", newcomer(ledger)))
    assert reason(refused) == ("refused", "REG-5", "not_a_regulator")
    assert nodes(ledger) == before


def test_no_policy_set_has_a_say(ledger: Ledger) -> None:
    """NET-10: neither does one let others govern, nor does one keep the regulators from it."""
    texts = (
        '@id("all") permit (principal, action, resource);',
        '@id("set") permit (principal, action == Action::"set_policy", resource);',
    )
    operator = newcomer(ledger)
    for number, text in enumerate(texts):
        ledger.ok(REGULATOR, "REGULATION_SET_POLICY", governance.SetPolicy(text))
        refused = ledger.send(OPERATOR, POWER, power_of("b", 30 + number))
        assert refused.code == "not_a_regulator"
        ledger.ok(REGULATOR, POWER, power_of("b", 20 + number))
    ledger.ok(REGULATOR, ADMIT, admission(ledger, "c", operator))


def test_only_the_template_is_accepted(ledger: Ledger) -> None:
    """REG-6"""
    code, data = program_of((POWER, power_of("b", 3)), (REMOVE, removal("idle")))
    refused = ledger.send(REGULATOR, POWER, data, code=code)
    assert refused.status == "refused" and refused.rule == "REG-6"


def test_a_chain_of_one_node_has_no_validators(tmp_path: Path) -> None:
    alone = Ledger(tmp_path / "alone")
    for verb, arguments in (
        (ADMIT, admission(alone, "c", PUBLISHER)),
        (POWER, power_of("c", 1)),
        (REMOVE, removal("c")),
    ):
        refused = alone.send(REGULATOR, verb, arguments)
        assert reason(refused) == ("refused", "NET-10", "no_network")
    assert nodes(alone) == {}
    alone.close()


def test_unfit_operators(ledger: Ledger) -> None:
    """NET-12, NET-13: whoever is stopped gets neither a node nor more power."""
    stranger = key("stranger")
    refused = ledger.send(REGULATOR, ADMIT, admission(ledger, "c", stranger))
    assert reason(refused) == ("refused", "NET-12", "unregistered")
    gone = newcomer(ledger, "gone")
    arguments = admission(ledger, "c", gone)
    ledger.ok(REGULATOR, "REGULATION_DEREGISTER", deregister(gone))
    refused = ledger.send(REGULATOR, ADMIT, arguments)
    assert reason(refused) == ("refused", "NET-12", "unregistered")
    cold = newcomer(ledger, "cold")
    ledger.ok(REGULATOR, "REGULATION_FREEZE", freeze(cold))
    refused = ledger.send(REGULATOR, ADMIT, admission(ledger, "c", cold))
    assert reason(refused) == ("refused", "NET-12", "frozen_operator")
    ledger.ok(REGULATOR, "REGULATION_FREEZE", freeze(PUBLISHER))
    refused = ledger.send(REGULATOR, POWER, power_of("b", 11))
    assert reason(refused) == ("refused", "NET-12", "frozen_operator")
    ledger.ok(REGULATOR, POWER, power_of("b", 9))
    ledger.ok(REGULATOR, POWER, power_of("b", 0))
    ledger.ok(REGULATOR, REMOVE, removal("b"))


def test_contracts_operate_nothing(ledger: Ledger) -> None:
    code = encode_program(program(function()))
    output = ledger.ok(OPERATOR, "CONTRACT_DEPLOY", contracts.Deploy(code))
    deployed = decode(output, contracts.Deployed, 1_000)
    assert not isinstance(deployed, Rejected)
    arguments = admission(ledger, "c", KeyPair.from_seed(PUBLISHER.seed, deployed.contract))
    assert reason(ledger.send(REGULATOR, ADMIT, arguments)) == ("refused", "NET-12", "is_contract")


def test_keys_operators_and_node_ids_are_one_another_s(ledger: Ledger) -> None:
    """NET-12"""
    operator = newcomer(ledger)
    for arguments, code in (
        (admission(ledger, "c", PUBLISHER), "operator_in_use"),
        (admission(ledger, "c", CONSUMER), "operator_in_use"),  # of a node without a vote
        (admission(ledger, "c", operator, node_id=node_id("b")), "node_id_in_use"),
        (admission(ledger, "c", operator, node_id=node_id("idle")), "node_id_in_use"),
        (admission(ledger, "b", OPERATOR), "operator_in_use"),  # of another node than its own
        (admission(ledger, "b", PUBLISHER, node_id=node_id("a")), "node_id_in_use"),
        (admission(ledger, "b", PUBLISHER, 10), "unchanged"),
    ):
        assert reason(ledger.send(REGULATOR, ADMIT, arguments)) == ("refused", "NET-12", code)
    assert reason(ledger.send(REGULATOR, POWER, power_of("b", 10)))[1:] == ("NET-13", "unchanged")
    for verb, unknown in ((POWER, power_of("c", 1)), (REMOVE, removal("c"))):
        refused = ledger.send(REGULATOR, verb, unknown)
        assert reason(refused) == ("refused", "NET-13", "unknown_validator")


def test_the_last_vote_stays(ledger: Ledger) -> None:
    """NET-13: by whichever verb, and however many nodes without a vote there are."""
    ledger.ok(REGULATOR, REMOVE, removal("a"))
    for verb, arguments in (
        (REMOVE, removal("b")),
        (POWER, power_of("b", 0)),
        (ADMIT, admission(ledger, "b", PUBLISHER, 0)),
    ):
        refused = ledger.send(REGULATOR, verb, arguments)
        assert reason(refused) == ("refused", "NET-13", "last_vote")
    ledger.ok(REGULATOR, REMOVE, removal("idle"))
    ledger.ok(REGULATOR, POWER, power_of("b", 1))


def test_two_in_a_block_do_not_take_the_last_vote(ledger: Ledger) -> None:
    raws = [
        ledger.envelope(by, REMOVE, removal(name))
        for by, name in ((REGULATOR, "a"), (SECOND, "b"))
    ]
    results = ledger.block(*raws)
    assert [result.code for result in results] == ["", "last_vote"]
    assert [present.power for present in nodes(ledger).values()].count(10) == 1


def test_what_was_agreed_on_must_still_be_possible(pair: Ledger) -> None:
    """REG-5: every yes is checked, the last one too."""
    operator = newcomer(pair)
    arguments = admission(pair, "c", operator)
    assert not agreement(pair.send(REGULATOR, ADMIT, arguments)).carried_out
    pair.ok(REGULATOR, "REGULATION_FREEZE", freeze(operator))
    assert pair.send(SECOND, ADMIT, arguments).code == "frozen_operator"
    pair.ok(REGULATOR, "REGULATION_UNFREEZE", regulation.Unfreeze(operator.address))
    fresh = rotate(pair, operator, "one")
    assert pair.send(SECOND, ADMIT, arguments).code == "bad_statement"
    anew = admission(pair, "c", fresh)
    for regulator in (SECOND, REGULATOR):
        pair.ok(regulator, ADMIT, anew)
    assert node(pair, "c") is not None


def test_a_network_has_at_most_128_nodes(tmp_path: Path) -> None:
    """NET-12"""
    crowd = [key(f"operator {number}") for number in range(127)]
    wallets = tuple(
        GenesisWallet(one.address, one.public_key.hex(), "GB", ("operator",), 0) for one in crowd
    )
    members = (
        genesis_node("a", OPERATOR, 10),
        *(genesis_node(f"n{number}", one, 1) for number, one in enumerate(crowd)),
    )
    full = open_network(
        tmp_path / "full", wallets=(*genesis().wallets, *wallets), validators=members
    )
    assert len(nodes(full)) == 128
    refused = full.send(REGULATOR, ADMIT, admission(full, "c", CONSUMER))
    assert reason(refused) == ("refused", "NET-12", "too_many_nodes")
    moved = admission(full, "n5", crowd[5], 2, endpoint="")
    full.ok(REGULATOR, ADMIT, moved)
    full.ok(REGULATOR, REMOVE, removal("n6"))
    full.ok(REGULATOR, ADMIT, admission(full, "c", CONSUMER))
    full.close()


def test_who_operates_a_node_stays_registered(ledger: Ledger) -> None:
    """NET-14: a freeze, by one regulator, takes nobody's vote."""
    for wallet in (PUBLISHER, CONSUMER):
        refused = ledger.send(REGULATOR, "REGULATION_DEREGISTER", deregister(wallet))
        assert reason(refused) == ("refused", "NET-14", "operates_validator")
    before = nodes(ledger)
    ledger.ok(REGULATOR, "REGULATION_FREEZE", freeze(PUBLISHER))
    assert nodes(ledger) == before
    ledger.ok(REGULATOR, REMOVE, removal("b"))
    ledger.ok(REGULATOR, "REGULATION_DEREGISTER", deregister(PUBLISHER))


# ---- statements that prove nothing -------------------------------------------------------------


def test_both_keys_must_have_signed_for_this_chain(ledger: Ledger, tmp_path: Path) -> None:
    """NET-11"""
    operator = newcomer(ledger)
    other = open_network(tmp_path / "other", name="other")
    good = admission(ledger, "c", operator)
    keys = consensus_key("c")
    swapped = changed(good, signature=good.operator_signature, operator_signature=good.signature)
    chain_id = ledger.application.chain_id
    of_registration = regulation.statement_bytes(
        regulation.RegistrationStatement(operator.public_key, chain_id)
    )
    of_rotation = regulation.rotation_bytes(
        regulation.RotationStatement(operator.address, keys.public_key, chain_id)
    )
    bad = {
        "wrong_chain": [
            admission(other, "c", operator),
            admission(ledger, "c", operator, chain_id=""),
        ],
        "bad_statement": [
            admission(ledger, "c", operator, signer=operator),
            admission(ledger, "c", operator, signer=consensus_key("a")),
            admission(ledger, "c", operator, countersigner=consensus_key("c")),
            admission(ledger, "c", operator, countersigner=REGULATOR),
            swapped,
            changed(good, operator_key=keys.public_key, operator_signature=good.signature),
            # Signed, but something else.
            changed(good, operator_signature=operator.sign(of_registration)),
            changed(good, signature=keys.sign(of_rotation)),
            # Signed, and then changed.
            tampered(good, public_key=consensus_key("d").public_key),
            tampered(good, operator=SECOND.address),
            tampered(good, node_id=node_id("d")),
            tampered(good, endpoint="http://evil.example"),
            tampered(admission(other, "c", operator), chain_id=chain_id),
        ],
    }
    for code, attempts in bad.items():
        for arguments in attempts:
            refused = ledger.send(REGULATOR, ADMIT, arguments)
            assert reason(refused) == ("refused", "NET-11", code)
    assert node(ledger, "c") is None
    ledger.ok(REGULATOR, ADMIT, good)
    other.close()


def test_an_operator_signs_with_its_present_key(ledger: Ledger) -> None:
    """NET-11, ID-3"""
    operator = newcomer(ledger)
    fresh = rotate(ledger, operator, "one")
    later = new_key("two", operator)
    for signs in (operator, later):
        refused = ledger.send(
            REGULATOR, ADMIT, admission(ledger, "c", operator, countersigner=signs)
        )
        assert reason(refused) == ("refused", "NET-11", "bad_statement")
    ledger.ok(REGULATOR, ADMIT, admission(ledger, "c", fresh))
    # The node stays its operator's, whatever becomes of the wallet's key.
    rotate(ledger, fresh, "two")
    present = node(ledger, "c")
    assert present is not None and present.operator == operator.address
    ledger.ok(REGULATOR, POWER, power_of("c", 6))


SMALL_ORDER = bytes([1]) + bytes(31)


def test_weak_consensus_keys_are_refused(ledger: Ledger) -> None:
    """ID-1: a key of small order would have anything signed."""
    operator = newcomer(ledger)
    for public_key in (SMALL_ORDER, bytes(32), b"\xff" * 32):
        stated = changed(admission(ledger, "c", operator).statement, public_key=public_key)
        arguments = consensus.AdmitValidator(
            stated,
            SMALL_ORDER + bytes(32),
            operator.public_key,
            operator.sign(consensus.validator_bytes(stated)),
            5,
        )
        assert ledger.send(REGULATOR, ADMIT, arguments).code == "bad_statement"


ENDPOINTS = (
    "ftp://c.example",
    "javascript:alert(1)",
    "http://",
    "http://c.example/\x1b[31m",
    "http://c .example",
    "http://ö.example",
    "http://c.example\n",
    "x" * 201,
    "http://" + "x" * 200,
)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_endpoint_is_a_url_or_nothing(ledger: Ledger, endpoint: str) -> None:
    operator = newcomer(ledger)
    refused = ledger.send(REGULATOR, ADMIT, admission(ledger, "c", operator, endpoint=endpoint))
    assert refused.status == "refused" and node(ledger, "c") is None


@pytest.mark.parametrize(
    "malform",
    [
        lambda good: changed(good, power=-1),
        lambda good: changed(good, power=10**9 + 1),
        lambda good: changed(good, signature=good.signature[:-1]),
        lambda good: changed(good, operator_signature=b""),
        lambda good: tampered(good, node_id=b"\x00" * 19),
        lambda good: tampered(good, node_id=b"\x00" * 32),
        lambda good: tampered(good, public_key=b"\x00" * 33),
        lambda good: tampered(good, operator="syn1"),
        lambda good: tampered(good, chain_id="x" * 1_001),
    ],
)
def test_malformed_arguments(
    ledger: Ledger, malform: Callable[[consensus.AdmitValidator], consensus.AdmitValidator]
) -> None:
    good = admission(ledger, "c", newcomer(ledger))
    refused = ledger.send(REGULATOR, ADMIT, malform(good))
    assert refused.status == "refused" and node(ledger, "c") is None
