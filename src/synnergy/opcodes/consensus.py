"""CONSENSUS: which nodes a network has, by m of n regulators (NET-10 … NET-14)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from synnergy.identity.keys import verify_signature
from synnergy.opcodes.context import Context
from synnergy.opcodes.governance import Agreement, governed, not_a_regulator
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.state.journal import Reader
from synnergy.state.keys import is_key_of
from synnergy.vm.catalogue import domain_opcode
from synnergy.wire.codec import Struct, encode
from synnergy.wire.types import Address, PublicKey, ShortText, Signature

#: The nodes of a network by consensus key.
Nodes = Mapping[bytes, records.Validator]


class ValidatorStatement(Struct, frozen=True):
    """The word of a consensus key and of its operator's wallet that they belong together."""

    chain_id: ShortText
    public_key: PublicKey
    node_id: records.NodeId
    operator: Address
    endpoint: records.Endpoint


class AdmitValidator(Struct, frozen=True):
    """Admit the node of `statement`, or change what is known of it; with power 0 without a vote.

    `signature` is the consensus key's, `operator_signature` that of the operator's present key,
    `operator_key`.
    """

    statement: ValidatorStatement
    signature: Signature
    operator_key: PublicKey
    operator_signature: Signature
    power: records.VotingPower


class SetPower(Struct, frozen=True):
    """The voting power of an admitted node from now on; 0 takes its vote."""

    public_key: PublicKey
    power: records.VotingPower


class RemoveValidator(Struct, frozen=True):
    public_key: PublicKey


def validator_bytes(statement: ValidatorStatement) -> bytes:
    """What a consensus key and its operator sign to be admitted (NET-11)."""
    return b"synnergy/sign/validator/1\x00" + encode(statement)


@domain_opcode(
    0x080001,
    "CONSENSUS_ADMIT_VALIDATOR",
    action=None,
    governance=True,
    args=AdmitValidator,
    result=Agreement,
    template_only=True,
)
def admit_validator(context: Context, arguments: AdmitValidator) -> Agreement | Rejected:
    """Admit a node to the network on a statement that its key and its operator signed (m of n)."""
    nodes = _nodes(context)
    if isinstance(nodes, Rejected):
        return nodes
    statement = arguments.statement
    key = statement.public_key
    present = nodes.get(key)
    node = records.Validator(
        power=arguments.power,
        operator=statement.operator,
        node_id=statement.node_id,
        endpoint=statement.endpoint,
        height=context.block.height if present is None else present.height,
    )
    refused = (
        _of_another_chain(context, statement)
        or _unfit_operator(context, statement.operator)
        or _unsigned(context, arguments)
        or _unfit_node(nodes, key, node)
        or _without_votes({**nodes, key: node})
    )
    if refused is not None:
        return refused

    def carry_out() -> None:
        records.validators.save(context.journal, key, node)
        context.emit(
            "consensus.validator_admitted",
            public_key=key,
            power=node.power,
            operator=node.operator,
            node_id=node.node_id,
            endpoint=node.endpoint,
            by=context.sender,
        )

    return governed(context, "CONSENSUS_ADMIT_VALIDATOR", arguments, carry_out)


@domain_opcode(
    0x080002,
    "CONSENSUS_SET_POWER",
    action=None,
    governance=True,
    args=SetPower,
    result=Agreement,
    template_only=True,
)
def set_power(context: Context, arguments: SetPower) -> Agreement | Rejected:
    """Give an admitted node another voting power, or with 0 none (m of n)."""
    nodes = _nodes(context)
    if isinstance(nodes, Rejected):
        return nodes
    key = arguments.public_key
    present = nodes.get(key)
    if present is None:
        return _unknown(key)
    if arguments.power == present.power:
        return Rejected("NET-13", "unchanged", f"the voting power is {present.power} already")
    node = msgspec.structs.replace(present, power=arguments.power)
    refused = _without_votes({**nodes, key: node})
    if refused is None and node.power > present.power:
        refused = _unfit_operator(context, node.operator)
    if refused is not None:
        return refused

    def carry_out() -> None:
        records.validators.save(context.journal, key, node)
        context.emit(
            "consensus.power_set",
            public_key=key,
            power=node.power,
            before=present.power,
            by=context.sender,
        )

    return governed(context, "CONSENSUS_SET_POWER", arguments, carry_out)


@domain_opcode(
    0x080003,
    "CONSENSUS_REMOVE_VALIDATOR",
    action=None,
    governance=True,
    args=RemoveValidator,
    result=Agreement,
    template_only=True,
)
def remove_validator(context: Context, arguments: RemoveValidator) -> Agreement | Rejected:
    """Take a node out of the network: it has no vote and is no peer any more (m of n)."""
    nodes = _nodes(context)
    if isinstance(nodes, Rejected):
        return nodes
    key = arguments.public_key
    present = nodes.get(key)
    if present is None:
        return _unknown(key)
    refused = _without_votes({other: node for other, node in nodes.items() if other != key})
    if refused is not None:
        return refused

    def carry_out() -> None:
        records.validators.remove(context.journal, key)
        context.emit(
            "consensus.validator_removed",
            public_key=key,
            operator=present.operator,
            node_id=present.node_id,
            by=context.sender,
        )

    return governed(context, "CONSENSUS_REMOVE_VALIDATOR", arguments, carry_out)


def load_nodes(state: Reader) -> Nodes:
    """Every node of the network, by consensus key; none where one node makes the blocks."""
    return dict(records.validators.scan(state))


def node_of(nodes: Nodes, operator: str) -> bytes | None:
    """The consensus key of the node that this wallet operates."""
    return next((key for key, node in nodes.items() if node.operator == operator), None)


def _nodes(context: Context) -> Nodes | Rejected:
    """The nodes as they are, for a regulator of a network; a refusal for anybody else."""
    refused = not_a_regulator(context)
    if refused is not None:
        return refused
    nodes = load_nodes(context.journal)
    if not nodes:
        return Rejected(
            "NET-10",
            "no_network",
            "one node with a key that genesis names makes the blocks of this chain; validators"
            " belong to a network, whose genesis names some",
        )
    return nodes


def _of_another_chain(context: Context, statement: ValidatorStatement) -> Rejected | None:
    if statement.chain_id == context.block.chain_id:
        return None
    return Rejected(
        "NET-11", "wrong_chain", f"the statement is for the chain {statement.chain_id!r}"
    )


def _unsigned(context: Context, arguments: AdmitValidator) -> Rejected | None:
    """A refusal unless the consensus key and the operator's present one signed (NET-11)."""
    statement = arguments.statement
    message = validator_bytes(statement)
    if not verify_signature(statement.public_key, message, arguments.signature):
        return Rejected(
            "NET-11", "bad_statement", "the statement is not signed by the consensus key"
        )
    wallet = records.wallets.load(context.journal, statement.operator)
    if not is_key_of(arguments.operator_key, statement.operator, wallet):
        return Rejected(
            "NET-11",
            "bad_statement",
            f"the key that signed for the operator is not that of {statement.operator}, or no"
            " longer",
        )
    if not verify_signature(arguments.operator_key, message, arguments.operator_signature):
        return Rejected(
            "NET-11", "bad_statement", "the statement is not signed by the operator's wallet"
        )
    return None


def _unfit_operator(context: Context, operator: str) -> Rejected | None:
    """Why this wallet cannot answer for a vote, or for another node (NET-12, NET-13)."""
    wallet = records.wallets.load(context.journal, operator)
    if wallet is None or wallet.deregistered:
        return Rejected("NET-12", "unregistered", f"the operator {operator} is not registered")
    if wallet.deployer is not None:
        return Rejected("NET-12", "is_contract", f"{operator} is a contract, which signs nothing")
    if wallet.frozen:
        return Rejected("NET-12", "frozen_operator", f"the operator {operator} is frozen")
    return None


def _unfit_node(nodes: Nodes, key: bytes, node: records.Validator) -> Rejected | None:
    """Why the network cannot have this node under this key (NET-12)."""
    if nodes.get(key) == node:
        return Rejected("NET-12", "unchanged", f"{key.hex()} is admitted with just this already")
    for other, present in nodes.items():
        if other == key:
            continue
        if present.operator == node.operator:
            return Rejected(
                "NET-12",
                "operator_in_use",
                f"{node.operator} operates the node with the key {other.hex()}; that one is"
                " removed before its operator has another",
            )
        if present.node_id == node.node_id:
            return Rejected(
                "NET-12",
                "node_id_in_use",
                f"{node.node_id.hex()} is the id of the node with the key {other.hex()}",
            )
    if key not in nodes and len(nodes) >= records.MAX_VALIDATORS:
        return Rejected(
            "NET-12",
            "too_many_nodes",
            f"the network has {len(nodes)} nodes, and can have no more; remove one first",
        )
    return None


def _without_votes(nodes: Nodes) -> Rejected | None:
    """A refusal where nobody could decide a block any more (NET-13)."""
    if any(node.power for node in nodes.values()):
        return None
    return Rejected(
        "NET-13",
        "last_vote",
        "this would take the network's last vote, and no block could be decided any more; give"
        " another node a vote first",
    )


def _unknown(key: bytes) -> Rejected:
    return Rejected(
        "NET-13", "unknown_validator", f"no node of the network has the key {key.hex()}"
    )
