"""`synnergy transfer`, `balance` and `tx show`: money, and what became of a transaction."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from synnergy.cli.command import From, command, group
from synnergy.cli.reply import Reply, listing, plain, reply
from synnergy.cli.session import Session
from synnergy.client import replies, verbs
from synnergy.client.failures import ClientError
from synnergy.client.home import load_genesis
from synnergy.client.proofs import prove_balance
from synnergy.client.references import check_digest
from synnergy.client.transactions import Sent

Who = Annotated[str, typer.Argument(metavar="WHO", help="A wallet's name or an address.")]


def add_to(app: typer.Typer) -> None:
    command(app, "transfer")(transfer)
    command(app, "balance")(balance)
    transactions = group("Transactions and what became of them.")
    command(transactions, "show")(show)
    app.add_typer(transactions, name="tx")


def committed(sent: Sent[Any]) -> dict[str, Any]:
    """What every command says of the transaction that it made."""
    return {
        "tx": sent.transaction,
        "height": sent.height,
        "gas_used": sent.gas_used,
        "fee": sent.fee,
    }


def transfer(
    session: Session,
    to: Annotated[str, typer.Argument(metavar="TO", help="A wallet's name or an address.")],
    amount: Annotated[
        int, typer.Argument(metavar="AMOUNT", min=0, help="How much, in smallest units.")
    ],
    sender: From,
) -> Reply:
    """Move an amount to another wallet."""
    target = session.address(to)
    sent = session.sender(sender).send(
        verbs.ledger_transfer(to=target, amount=amount, spends=amount)
    )
    return reply(
        {**committed(sent), "to": target, "amount": amount},
        plain(f"{amount:,} moved to {target} at height {sent.height} (tx {sent.transaction})"),
    )


def balance(
    session: Session,
    who: Who,
    prove: Annotated[
        bool,
        typer.Option(
            "--prove",
            help="Believe nothing: check the proof against who signs for the chain.",
        ),
    ] = False,
) -> Reply:
    """Say what a wallet has."""
    address = session.address(who)
    if prove:
        proven = prove_balance(session.node, load_genesis(session.home.genesis), address)
        fields = {
            "balance": proven.balance,
            "address": address,
            "nonce": proven.nonce,
            "proven": True,
            "height": proven.height,
            "app_hash": proven.app_hash,
        }
        where = f"proved by the signed state of block {proven.height}"
        return reply(fields, plain(f"{proven.balance:,}  ({where})"))
    account = session.node.account(address)
    fields = {
        "balance": account.balance,
        "address": address,
        "nonce": account.nonce,
        "registered": account.registered,
        "wallet": account.wallet,
    }
    return reply(fields, plain(f"{account.balance:,}"))


def show(
    session: Session,
    identifier: Annotated[str, typer.Argument(metavar="ID", help="64 hex digits.")],
) -> Reply:
    """Show what became of a transaction, and what it said."""
    wanted = check_digest(identifier, "a transaction's id").hex()
    found = session.node.transaction(wanted)
    if found is None:
        raise ClientError("not_found", f"the node knows no transaction {wanted}")
    return reply(_fields(found), listing(_summary(found)))


def _fields(found: replies.TransactionReply) -> dict[str, Any]:
    return {
        "tx": found.transaction,
        "status": found.status,
        "height": found.height,
        "index": found.index,
        "gas_used": found.result.gas_used if found.result else None,
        "result": found.result,
        "body": found.body,
    }


def _summary(found: replies.TransactionReply) -> dict[str, Any]:
    body = found.body or {}
    said = {f"{verb['name']}": verb["arguments"] for verb in body.get("verbs", ())}
    summary: dict[str, Any] = {"status": found.status, "sender": body.get("sender"), **said}
    if found.result is not None:
        summary |= {
            "height": found.height,
            "gas used": found.result.gas_used,
            "fee": found.result.fee,
        }
        if found.result.status != "ok":
            summary["why"] = f"{found.result.message} [{found.result.rule}]"
    return summary
