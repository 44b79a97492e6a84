"""`synnergy regulator`: registration, freezing, and the policy set."""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from synnergy.cli import governance, oversight, validators
from synnergy.cli.agreements import agreed, progress
from synnergy.cli.command import From, command, group
from synnergy.cli.ledger import Who, committed
from synnergy.cli.payloads import retention
from synnergy.cli.reply import Reply, plain, reply
from synnergy.cli.session import Session
from synnergy.client import verbs
from synnergy.client.failures import WrongUse
from synnergy.client.home import read_file, read_text
from synnergy.client.registration import check_holder, obtain_statement

_JURISDICTION = re.compile(r"[A-Z]{2}")


class Role(StrEnum):
    """What a wallet may be; `regulator` belongs to those whom the chain names, alone."""

    PUBLISHER = "publisher"
    CONSUMER = "consumer"
    TRAINER = "trainer"
    OPERATOR = "operator"
    REGULATOR = "regulator"


def add_to(app: typer.Typer) -> None:
    regulators = group("What regulators do.")
    command(regulators, "register")(register)
    command(regulators, "freeze")(freeze)
    command(regulators, "unfreeze")(unfreeze)
    governance.add_to(regulators)
    command(regulators, "retention")(retention)
    oversight.add_to(regulators)
    validators.add_to_regulators(regulators)
    policies = group("The policy set that every action is checked against.")
    command(policies, "show")(show_policy)
    command(policies, "set")(set_policy)
    command(policies, "check")(check_policy)
    regulators.add_typer(policies, name="policy")
    app.add_typer(regulators, name="regulator")


def register(
    session: Session,
    who: Annotated[
        str,
        typer.Argument(
            metavar="WHO|FILE", help="A wallet of this home, or a file of `wallet request`."
        ),
    ],
    jurisdiction: Annotated[
        str,
        typer.Option("--jurisdiction", metavar="XX", help="Two capital letters, such as GB."),
    ],
    role: Annotated[
        list[Role],
        typer.Option(
            "--role",
            metavar="ROLE",
            help="publisher, consumer, trainer, operator or regulator; may be repeated.",
        ),
    ],
    sender: From,
    attestation: Annotated[
        Path | None,
        typer.Option(
            "--attestation",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="A document about the holder; only its digest enters the ledger.",
        ),
    ] = None,
) -> Reply:
    """Register a wallet on its own signed statement; a second time changes its registration."""
    check_jurisdiction(jurisdiction)
    regulator = session.sender(sender)
    chain_id = regulator.chain().chain_id
    signed = obtain_statement(session.home, chain_id, who, session.ask)
    check_holder(session.node, signed)
    roles = tuple(sorted({granted.value for granted in role}))
    sent = regulator.send(
        verbs.regulation_register(
            statement=signed.statement,
            signature=signed.signature,
            jurisdiction=jurisdiction,
            roles=roles,  # pyright: ignore[reportArgumentType]
            attestation=digest_of(attestation),
        )
    )
    address = sent.value.address
    fields = {
        **committed(sent),
        "address": address,
        "jurisdiction": jurisdiction,
        "roles": list(roles),
    }
    shown = f"{address} is registered in {jurisdiction} as {', '.join(roles)}"
    return reply(fields, plain(shown))


def freeze(
    session: Session,
    who: Who,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for everybody.")],
    sender: From,
) -> Reply:
    """Freeze a wallet: it can do nothing but receive, and its models' licences are refunded."""
    address = session.address(who)
    sent = session.sender(sender).send(verbs.regulation_freeze(address=address, reason=reason))
    return reply({**committed(sent), "address": address}, plain(f"{address} is frozen"))


def unfreeze(session: Session, who: Who, sender: From) -> Reply:
    """Lift a freeze."""
    address = session.address(who)
    sent = session.sender(sender).send(verbs.regulation_unfreeze(address=address))
    return reply({**committed(sent), "address": address}, plain(f"{address} is not frozen"))


def show_policy(session: Session) -> Reply:
    """Show the policy set in force."""
    policy = session.node.policy()
    fields = {
        "version": policy.version,
        "hash": policy.hash,
        "height": policy.height,
        "text": policy.text,
    }
    heading = f"// version {policy.version}, since height {policy.height}, {policy.hash}"
    return reply(fields, plain(heading), plain(policy.text))


def set_policy(
    session: Session,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, help="The complete next set, in Cedar."
        ),
    ],
    sender: From,
) -> Reply:
    """Give the next policy set; it is in force once enough regulators gave the same text."""
    sent = session.sender(sender).send(verbs.regulation_set_policy(text=read_text(file)))
    shown = progress(sent.value, "this policy set is in force", "this text")
    return reply(agreed(sent), plain(shown))


def check_policy(
    session: Session,
    who: Who,
    action: Annotated[str, typer.Argument(metavar="ACTION", help="For example invoke.")],
    resource: Annotated[
        str, typer.Argument(metavar="RESOURCE", help="A model, a wallet, or the word ledger.")
    ],
) -> Reply:
    """Ask what the policy set says to an action, and which policies it follows from."""
    address = session.address(who)
    verdict = session.node.check_policy(address, action, _resource(session, resource))
    fields = {
        "allowed": verdict.allowed,
        "determining": list(verdict.determining),
        "message": verdict.message,
        "policy_version": verdict.policy_version,
    }
    word = "allowed" if verdict.allowed else "denied"
    reasons = ", ".join(verdict.determining)
    return reply(fields, plain(f"{word}: {verdict.message or reasons or 'no policy permits it'}"))


def check_jurisdiction(text: str) -> None:
    """WrongUse unless this has the form of a jurisdiction."""
    if not _JURISDICTION.fullmatch(text):
        raise WrongUse(
            "bad_jurisdiction", f"{text!r} is not a jurisdiction: two capital letters, as GB"
        )


def digest_of(file: Path | None) -> bytes | None:
    """The digest under which a document is named on the ledger."""
    return None if file is None else hashlib.sha256(read_file(file)).digest()


def _resource(session: Session, text: str) -> str:
    """A model's id, an address, or `ledger`, as the node takes it."""
    if text == "ledger":
        return text
    if "/" in text or (len(text) == 40 and not text.startswith("syn1")):
        return session.model_id(text).hex()
    return session.address(text)
