"""`synnergy model`, second half: offering, buying, quoting, invoking, withdrawing."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from synnergy.cli import models
from synnergy.cli.command import From, InputFile, command
from synnergy.cli.durations import parse_duration
from synnergy.cli.ledger import committed
from synnergy.cli.models import Model, offer_terms
from synnergy.cli.reply import Reply, listing, plain, reply
from synnergy.cli.session import Session
from synnergy.client import replies, verbs
from synnergy.client.failures import ClientError, WrongUse
from synnergy.client.inputs import read_inputs
from synnergy.client.invocation import build_call, invoke
from synnergy.client.keystore import Wallet, list_wallets, require_wallet
from synnergy.client.outputs import check_output_path, to_lists, write_outputs
from synnergy.client.references import check_digest
from synnergy.client.transactions import quote_call
from synnergy.identity.keys import SEED_BYTES, KeyPair

Reference = Annotated[
    str | None,
    typer.Option(
        "--reference",
        metavar="TEXT",
        help="The caller's own words for this call; the ledger holds only a commitment.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """The models' group, with these commands besides its own."""
    group = models.add_to(app)
    command(group, "offer")(offer)
    command(group, "buy")(buy)
    command(group, "quote")(quote)
    command(group, "invoke")(call)
    command(group, "withdraw")(withdraw)


def offer(
    session: Session,
    model: Model,
    sender: From,
    price: Annotated[
        int | None,
        typer.Option("--price-per-call", metavar="P", min=0, help="In smallest units."),
    ] = None,
    price_per_period: Annotated[
        int | None,
        typer.Option(
            "--price-per-period",
            metavar="P",
            min=0,
            help="Instead: for all calls of a period, paid with the first of them.",
        ),
    ] = None,
    period_days: Annotated[
        str | None,
        typer.Option(
            "--period-days", metavar="D", help="How long a period is; decimals are fine."
        ),
    ] = None,
    max_rows: Annotated[
        int, typer.Option("--max-rows", metavar="R", min=1, help="Rows that one call may have.")
    ] = 1000,
    expires_after: Annotated[
        str,
        typer.Option(
            "--expires-after",
            metavar="DAYS",
            help="How long a licence for calls lasts; decimals are fine.",
        ),
    ] = "365",
) -> Reply:
    """Put a model on sale, by the call or by the period; a new offer replaces the old one."""
    if (price is None) == (price_per_period is None):
        raise WrongUse("usage", "either --price-per-call, or --price-per-period")
    if (price_per_period is None) != (period_days is None):
        raise WrongUse("usage", "--price-per-period and --period-days go together")
    lifetime = max(1, parse_duration(expires_after, "days"))
    period = 0 if period_days is None else max(1, parse_duration(period_days, "days"))
    shown = session.model(model)
    sent = session.sender(sender).send(
        verbs.model_offer(
            model=bytes.fromhex(shown.id),
            digest=bytes.fromhex(shown.digest),
            price_per_call=price or 0,
            max_rows=max_rows,
            expires_after=lifetime,
            price_per_period=price_per_period or 0,
            period=period,
        )
    )
    fields = {**committed(sent), "model": shown.id, "offer": sent.value.offer.hex()}
    how = f"{price_per_period:,} a period" if price is None else f"{price:,} a call"
    return reply(fields, plain(f"{shown.reference} is on sale at {how}"))


def buy(
    session: Session,
    model: Model,
    sender: From,
    calls: Annotated[
        int | None,
        typer.Option("--calls", metavar="N", min=1, help="How many, where calls are on sale."),
    ] = None,
    periods: Annotated[
        int | None,
        typer.Option("--periods", metavar="N", min=1, help="How many, where periods are."),
    ] = None,
) -> Reply:
    """Buy calls or periods of a model: the price goes into escrow, to the publisher with use."""
    if (calls is None) == (periods is None):
        raise WrongUse("usage", "either --calls, or --periods")
    shown = session.model(model)
    if shown.offer is None:
        raise ClientError("not_offered", f"{shown.reference} is not on sale", rule="MKT-6")
    escrow = shown.offer.price(calls or 0, periods or 0)
    terms = {
        "model": shown.reference,
        **offer_terms(shown.offer),
        ("calls" if calls is not None else "periods"): calls or periods,
        "into escrow": escrow,
    }
    if not session.settings.json:
        session.messages.print(listing(terms))
    sent = session.sender(sender).send(
        verbs.licence_buy(
            model=bytes.fromhex(shown.id),
            digest=bytes.fromhex(shown.digest),
            offer=bytes.fromhex(shown.offer.id),
            calls=calls or 0,
            periods=periods or 0,
            spends=escrow,
        )
    )
    bought = sent.value
    fields = {
        "licence": bought.licence.hex(),
        "escrow": bought.escrow,
        "expires": bought.expires,
        **committed(sent),
        "model": shown.id,
        "calls": calls or 0,
        "periods": periods or 0,
    }
    sold = f"{calls:,} calls" if calls is not None else f"{periods:,} periods"
    end = datetime.fromtimestamp(bought.expires / 1000, UTC).isoformat(" ", "seconds")
    return reply(
        fields,
        plain(f"licence {bought.licence.hex()}"),
        plain(f"{sold}, {bought.escrow:,} in escrow, until {end}"),
    )


def quote(
    session: Session,
    model: Model,
    file: InputFile,
    licence: Annotated[
        str | None,
        typer.Option("--licence", metavar="L", help="Under this licence; else the offer's terms."),
    ] = None,
    reference: Reference = None,
    sender: Annotated[
        str | None,
        typer.Option("--from", metavar="WALLET", help="Who would call; no passphrase is needed."),
    ] = None,
) -> Reply:
    """Say exactly what a call would be charged: gas for the node, the price for the publisher."""
    identifier = check_digest(licence, "a licence's id") if licence is not None else None
    shown = session.model(model)
    arrays = read_inputs(file, shown.inputs)
    terms = session.node.licence(identifier.hex()) if identifier is not None else None
    public_key, address = _asker(session, sender, terms)
    chain = session.node.chain()
    asked = build_call(shown, identifier, arrays, reference)
    quoted = quote_call(session.node, chain, public_key, address, asked)
    if quoted.status == "refused":
        raise ClientError(quoted.code, quoted.message, rule=quoted.rule)
    price = next_price(terms or shown.offer, chain.time)
    fields = {
        "gas": quoted.gas,
        "fee": quoted.fee,
        "price": price,
        "total": quoted.fee + (price or 0),
        "model": shown.id,
    }
    return reply(fields, listing(fields))


def call(
    session: Session,
    model: Model,
    licence: Annotated[
        str, typer.Option("--licence", metavar="L", help="The licence that `model buy` gave.")
    ],
    file: InputFile,
    sender: From,
    reference: Reference = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write the outputs to an .npz or .json, too."),
    ] = None,
) -> Reply:
    """Call a model on an input; the receipt proves what was computed."""
    identifier = check_digest(licence, "a licence's id")
    if out is not None:
        check_output_path(out)
    shown = session.model(model)
    arrays = read_inputs(file, shown.inputs)
    asked = build_call(shown, identifier, arrays, reference)
    done = invoke(session.home, session.sender(sender), asked, reference)
    if out is not None:
        write_outputs(out, done.outputs)
    outputs = to_lists(done.outputs)
    fields = {
        "receipt": done.receipt,
        "outputs": outputs,
        "gas_used": done.gas_used,
        "height": done.height,
        "tx": done.transaction,
        "fee": done.fee,
        "model": shown.id,
    }
    summary = {"receipt": done.receipt, "gas used": done.gas_used, "height": done.height}
    return reply(fields, listing(outputs), listing(summary))


def withdraw(session: Session, model: Model, sender: From) -> Reply:
    """Take a model off the market for good; open licences are refunded."""
    identifier = session.model_id(model)
    sent = session.sender(sender).send(verbs.model_withdraw(model=identifier))
    fields = {**committed(sent), "model": identifier.hex()}
    return reply(fields, plain(f"{identifier.hex()} is withdrawn"))


def next_price(terms: replies.Licence | replies.Offer | None, time: int) -> int | None:
    """What a call at block time `time` would take from escrow, None where nothing is on sale."""
    if terms is None:
        return None
    if terms.period == 0:
        return terms.price_per_call
    settled = isinstance(terms, replies.Licence) and time < terms.paid_until
    return 0 if settled else terms.price_per_period


def _asker(
    session: Session, sender: str | None, licence: replies.Licence | None
) -> tuple[bytes, str]:
    """Whose call is quoted: the wallet named, else the licensee, else anyone without a name."""
    wallet: Wallet | None = None
    if sender is not None:
        wallet = require_wallet(session.home.keystore, sender)
    elif licence is not None:
        known = list_wallets(session.home.keystore)
        wallet = next((w for w in known if w.address == licence.licensee), None)
    if wallet is not None:
        return wallet.public_key, wallet.address
    nobody = KeyPair.from_seed(secrets.token_bytes(SEED_BYTES))
    return nobody.public_key, nobody.address
