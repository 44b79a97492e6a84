"""`synnergy regulator proposals, agree, set, replace, fees, upgrade, deregister, rotate`."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from synnergy.cli.agreements import agreed
from synnergy.cli.command import From, command
from synnergy.cli.ledger import Who, committed
from synnergy.cli.reply import Reply, plain, reply, table
from synnergy.cli.session import Session, decoded
from synnergy.client import replies, verbs
from synnergy.client.failures import ClientError, WrongUse
from synnergy.client.rotation import read_rotation
from synnergy.client.transactions import Call, Sent
from synnergy.opcodes import consensus, governance
from synnergy.opcodes.erasure import SetRetention
from synnergy.rejected import Rejected
from synnergy.vm import catalogue
from synnergy.vm.domain import DomainOpcode
from synnergy.wire.calendar import utc_text
from synnergy.wire.codec import decode
from synnergy.wire.transaction import MAX_DATA_BYTES

Threshold = Annotated[
    int | None,
    typer.Option("--threshold", metavar="M", min=1, max=64, help="How many must agree."),
]


def add_to(regulators: typer.Typer) -> None:
    command(regulators, "proposals")(proposals)
    command(regulators, "agree")(agree)
    command(regulators, "set")(set_all)
    command(regulators, "replace")(replace)
    command(regulators, "fees")(fees)
    command(regulators, "upgrade")(upgrade)
    command(regulators, "deregister")(deregister)
    command(regulators, "rotate")(rotate)


def proposals(session: Session) -> Reply:
    """List what waits for more regulators to agree, in words, and until when."""
    waiting = session.node.proposals().proposals
    rows = [
        (
            proposal.id[:16],
            _words(proposal),
            f"{proposal.agreed} of {proposal.threshold}",
            ", ".join(proposal.regulators),
            utc_text(proposal.expires),
        )
        for proposal in waiting
    ]
    shown = table(("proposal", "what it does", "agreed", "who did", "expires"), rows)
    fields = [
        {
            **msgspec.to_builtins(proposal),
            "words": _words(proposal),
            "expires_utc": utc_text(proposal.expires),
        }
        for proposal in waiting
    ]
    return reply({"proposals": fields}, shown)


def agree(
    session: Session,
    identifier: Annotated[
        str, typer.Argument(metavar="ID", help="Of `regulator proposals`; its beginning will do.")
    ],
    sender: From,
) -> Reply:
    """Give a verb that waits, after showing all of it: exactly what was proposed is signed."""
    proposal = _find(session, identifier)
    opcode, arguments = proposed(proposal)
    signer = session.sender(sender)
    signer.announce = partial(session.announce, whole=True)
    call = Call(opcode.name, arguments, governance.Agreement)
    return told_agreement(signer.send(call), arguments)


def set_all(
    session: Session,
    who: Annotated[
        list[str],
        typer.Argument(metavar="WHO...", help="All regulators from then on, names or addresses."),
    ],
    sender: From,
    threshold: Threshold = None,
) -> Reply:
    """Say who all the regulators are, and how many of them must agree (m of n)."""
    chain = session.node.chain()
    return _appoint(
        session, sender, {session.address(one) for one in who}, threshold, chain.governance
    )


def replace(
    session: Session,
    old: Annotated[str, typer.Argument(metavar="OLD", help="The regulator that leaves.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The wallet that takes its place.")],
    sender: From,
    threshold: Threshold = None,
) -> Reply:
    """Let another wallet take a regulator's place (m of n)."""
    chain = session.node.chain()
    leaving, joining = session.address(old), session.address(new)
    present = set(chain.governance.regulators)
    if leaving not in present:
        raise ClientError("not_a_regulator", f"{leaving} is not a regulator", rule="REG-11")
    return _appoint(
        session, sender, (present - {leaving}) | {joining}, threshold, chain.governance
    )


def fees(
    session: Session,
    sender: From,
    minimum: Annotated[
        int | None,
        typer.Option(
            "--minimum-gas-price", metavar="N", min=0, help="Smallest units a unit of gas."
        ),
    ] = None,
    account: Annotated[
        str | None,
        typer.Option("--fee-account", metavar="WHO", help="Gets fees, and pays for regulators."),
    ] = None,
) -> Reply:
    """Set the least gas price or the account that fees go to; the other stays (m of n)."""
    if minimum is None and account is None:
        raise WrongUse("nothing_to_set", "give --minimum-gas-price, --fee-account or both")
    now = session.node.chain().governance
    call = verbs.regulation_set_fees(
        minimum_gas_price=now.minimum_gas_price if minimum is None else minimum,
        fee_account=now.fee_account if account is None else session.address(account),
    )
    return told_agreement(session.sender(sender).send(call), call.arguments)


def upgrade(
    session: Session,
    sender: From,
    version: Annotated[
        int | None, typer.Option("--version", metavar="V", min=1, help="The protocol version.")
    ] = None,
    height: Annotated[
        int | None,
        typer.Option("--height", metavar="H", min=1, help="The block that it begins with."),
    ] = None,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Take back the upgrade that was agreed on.")
    ] = False,
) -> Reply:
    """Set the protocol version from a coming block on, or take that back (m of n)."""
    if cancel == (version is not None or height is not None):
        raise WrongUse("bad_upgrade", "give --version and --height, or --cancel alone")
    if cancel:
        version, height = session.node.chain().governance.protocol_version, 0
    if version is None or height is None:
        raise WrongUse("bad_upgrade", "--version and --height go together")
    call = verbs.regulation_set_protocol(version=version, height=height)
    return told_agreement(session.sender(sender).send(call), call.arguments)


def deregister(
    session: Session,
    who: Who,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for everybody.")],
    sender: From,
) -> Reply:
    """End a wallet's registration: it can only receive, and its models are sold no more."""
    address = session.address(who)
    call = verbs.regulation_deregister(address=address, reason=reason)
    sent = session.sender(sender).send(call)
    return reply({**committed(sent), "address": address}, plain(f"{address} is deregistered"))


def rotate(
    session: Session,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, help="Of `wallet rotate --out`."
        ),
    ],
    sender: From,
) -> Reply:
    """Give a wallet the new key that its holder asks for in a file; its old key signs no more."""
    signer = session.sender(sender)
    signed = read_rotation(file, signer.chain().chain_id)
    call = verbs.regulation_rotate_key(statement=signed.statement, signature=signed.signature)
    sent = signer.send(call)
    address, key = signed.statement.address, signed.statement.public_key.hex()
    fields = {**committed(sent), "address": address, "public_key": key}
    return reply(fields, plain(f"{address} has the key {key} now"))


def proposed(proposal: replies.Proposal) -> tuple[DomainOpcode, msgspec.Struct]:
    """The verb that a proposal is of, from the bytes that its id follows from.

    ClientError where they disagree, or this release does not know the verb.
    """
    opcode = catalogue.by_name(proposal.opcode)
    data = bytes.fromhex(proposal.data)
    if governance.proposal_id(proposal.opcode, data).hex() != proposal.id:
        raise ClientError("bad_reply", f"the node shows another verb than {proposal.id} is of")
    if not isinstance(opcode, DomainOpcode):
        raise ClientError("unknown_verb", f"this release does not know {proposal.opcode}")
    arguments = decode(data, opcode.args, MAX_DATA_BYTES)
    if isinstance(arguments, Rejected):
        raise ClientError("bad_reply", f"{proposal.opcode}: {arguments.message}")
    return opcode, arguments


def in_words(arguments: msgspec.Struct) -> str:
    """What a governed verb does once it is carried out, in one sentence."""
    match arguments:
        case governance.SetRegulators():
            names = ", ".join(arguments.regulators)
            return f"the regulators are {names}; {arguments.threshold} of them must agree"
        case governance.SetFees():
            return (
                f"gas costs at least {arguments.minimum_gas_price} a unit; fees go to"
                f" {arguments.fee_account}"
            )
        case governance.SetProtocol(height=0):
            return f"the protocol stays at version {arguments.version}: no upgrade"
        case governance.SetProtocol():
            return f"protocol version {arguments.version} from block {arguments.height} on"
        case governance.SetPolicy():
            digest = hashlib.sha256(arguments.text.encode()).hexdigest()
            return f"a policy set of {len(arguments.text):,} characters, digest {digest}"
        case consensus.AdmitValidator(statement=stated):
            where = f" at {stated.endpoint}" if stated.endpoint else ""
            return (
                f"{stated.operator} operates the node {stated.node_id.hex()}{where} with a voting"
                f" power of {arguments.power}, under the key {stated.public_key.hex()}"
            )
        case consensus.SetPower():
            key = arguments.public_key.hex()
            return f"the node with the key {key} has a voting power of {arguments.power}"
        case consensus.RemoveValidator():
            return f"the node with the key {arguments.public_key.hex()} is removed"
        case SetRetention(period=0):
            return "payloads are kept for ever"
        case SetRetention():
            return f"payloads are kept for {arguments.period:,} ms"
        case _:
            said = ", ".join(f"{name} {value}" for name, value in decoded(arguments).items())
            return f"{type(arguments).__name__}: {said}"


def told_agreement(sent: Sent[governance.Agreement], arguments: msgspec.Struct) -> Reply:
    """The answer to a governed verb: how far the agreement is, and what the others have to do."""
    agreement, fields = sent.value, agreed(sent)
    words = in_words(arguments)
    if agreement.carried_out:
        return reply(fields, plain(f"carried out: {words}"))
    identifier = agreement.proposal.hex()[:16]
    return reply(
        fields,
        plain(f"{agreement.agreed} of {agreement.threshold} regulators agreed so far: {words}"),
        plain(f"the others: synnergy regulator agree {identifier} --from WALLET"),
    )


def _words(proposal: replies.Proposal) -> str:
    """What a proposal is for, or why that cannot be said here."""
    try:
        return in_words(proposed(proposal)[1])
    except ClientError as unknown:
        return unknown.message


def _appoint(
    session: Session,
    sender: str,
    members: set[str],
    threshold: int | None,
    present: replies.Governance,
) -> Reply:
    call = verbs.regulation_set_regulators(
        regulators=tuple(sorted(members)),
        threshold=present.threshold if threshold is None else threshold,
    )
    return told_agreement(session.sender(sender).send(call), call.arguments)


def _find(session: Session, identifier: str) -> replies.Proposal:
    """The one proposal whose id begins so."""
    found = [
        proposal
        for proposal in session.node.proposals().proposals
        if len(identifier) >= 8 and proposal.id.startswith(identifier)
    ]
    if len(found) != 1:
        raise ClientError(
            "unknown_proposal",
            f"{len(found)} proposals that wait begin with {identifier!r}; `synnergy regulator"
            " proposals` lists them, and 8 digits or more of an id name one",
        )
    return found[0]
