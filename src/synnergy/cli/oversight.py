"""`synnergy regulator flags`, `limit` and `oversight`: watching conduct, limiting spending."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, cast

import msgspec
import typer

from synnergy.cli.agreements import agreed, progress
from synnergy.cli.command import From, command, group
from synnergy.cli.durations import HOUR, parse_duration
from synnergy.cli.ledger import Who, committed
from synnergy.cli.reply import Reply, listing, plain, reply, table
from synnergy.cli.session import Session
from synnergy.client import replies, verbs
from synnergy.client.failures import WrongUse
from synnergy.client.transactions import Call
from synnergy.opcodes.governance import Agreement
from synnergy.state.records import FlagKind


def add_to(regulators: typer.Typer) -> None:
    """Add these commands to the regulators' group."""
    command(regulators, "flags")(flags)
    command(regulators, "clear")(clear)
    command(regulators, "limit")(limit)
    parameters = group("By what parameters conduct is flagged.")
    command(parameters, "show")(show_oversight)
    command(parameters, "set")(set_oversight)
    regulators.add_typer(parameters, name="oversight")


def flags(
    session: Session,
    wallet: Annotated[
        str | None, typer.Option("--wallet", metavar="WHO", help="Only this wallet's.")
    ] = None,
) -> Reply:
    """List open flags: whose conduct was noticed, and the figures that made it so."""
    found = session.node.flags(session.address(wallet) if wallet is not None else None)
    rows = [(flag.wallet, moment(flag.time), worded(flag)) for flag in found]
    fields = {
        "flags": [
            {
                "wallet": flag.wallet,
                "kind": flag.kind,
                "height": flag.height,
                "time": flag.time,
                "figures": flag.figures,
                "why": worded(flag),
            }
            for flag in found
        ]
    }
    return reply(fields, table(("wallet", "since", "what was noticed"), rows))


def clear(
    session: Session,
    who: Who,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for everybody.")],
    sender: From,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", metavar="KIND", help="Only this kind; may be repeated."),
    ] = None,
) -> Reply:
    """Clear a wallet's flags, once somebody has looked."""
    kinds = tuple(sorted(set(kind or ())))
    unknown = [name for name in kinds if name not in FlagKind.__args__]
    if unknown:
        raise WrongUse(
            "bad_kind",
            f"no flag is of kind {unknown[0]}; there are {', '.join(FlagKind.__args__)}",
        )
    address = session.address(who)
    sent = session.sender(sender).send(
        verbs.regulation_clear_flags(
            address=address, kinds=cast(tuple[FlagKind, ...], kinds), reason=reason
        )
    )
    fields = {**committed(sent), "address": address, "kinds": list(kinds)}
    return reply(fields, plain(f"{', '.join(kinds) or 'all'} flags of {address} are cleared"))


def limit(
    session: Session,
    who: Who,
    sender: From,
    amount: Annotated[
        int | None,
        typer.Option("--amount", metavar="N", min=0, help="In smallest units, for each period."),
    ] = None,
    period_hours: Annotated[
        str, typer.Option("--period-hours", metavar="H", help="Decimals are fine.")
    ] = "24",
    lift: Annotated[bool, typer.Option("--lift", help="Take the limit away.")] = False,
) -> Reply:
    """Limit what may leave a wallet in a period, or lift its limit; fees are no spending."""
    if lift == (amount is not None):
        raise WrongUse("usage", "either --amount with --period-hours, or --lift")
    address = session.address(who)
    period = 0 if amount is None else parse_duration(period_hours, "hours")
    sent = session.sender(sender).send(
        verbs.regulation_set_limit(address=address, amount=amount, period=period)
    )
    fields = {**committed(sent), "address": address, "amount": amount, "period": period}
    if amount is None:
        return reply(fields, plain(f"{address} has no limit"))
    return reply(fields, plain(f"{address} may spend {amount:,} in each {span(period)}"))


def show_oversight(session: Session) -> Reply:
    """Show by what parameters conduct is flagged."""
    fields = session.node.oversight()
    return reply(fields, listing(fields))


def set_oversight(
    session: Session,
    settings: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME=N...", help="Parameters by the names that `oversight show` gives."
        ),
    ],
    sender: From,
) -> Reply:
    """Give the next parameters, what isn't named staying as it is; m of n put them in force."""
    known = session.node.oversight()
    changed: dict[str, int] = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        if name not in known or not (value.isascii() and value.isdigit() and len(value) < 17):
            raise WrongUse(
                "bad_parameter",
                f"{setting!r} is not NAME=N with a whole number; names are {', '.join(known)}",
            )
        changed[name] = int(value)
    values = known | changed
    call: Call[Agreement] = verbs.regulation_set_oversight(**values)  # pyright: ignore[reportArgumentType]
    sent = session.sender(sender).send(call)
    shown = progress(sent.value, "the parameters are in force", "these")
    return reply({**agreed(sent), **values}, plain(shown))


def worded(flag: replies.Flag) -> str:
    """A flag's figures as a sentence."""
    figures: dict[str, Any] = {
        name: f"{value:,}" if isinstance(value, int) else value
        for name, value in flag.figures.items()
    }
    window = flag.figures.get("window")
    figures["span"] = span(window) if isinstance(window, int) else ""
    try:
        return f"{flag.kind}: {_SENTENCES[_sentence(flag)].format_map(figures)}"
    except KeyError:
        return f"{flag.kind}: {msgspec.json.encode(flag.figures).decode()}"


def _sentence(flag: replies.Flag) -> str:
    return f"{flag.kind} {flag.figures['how']}" if flag.kind == "ring" else flag.kind


_SENTENCES = {
    "amount": "{amount} in one payment, over {factor} times the average of {average} in"
    " {payments} payments before",
    "velocity": "{payments} payments in {span}, over {factor} times the average of"
    " {earlier_payments} in {earlier_windows} earlier windows",
    "ceiling": "{amount} in one payment, over the ceiling of {ceiling}",
    "ramp": "{rises} rises in a row, from {from} to {to} in five payments",
    "denials": "{denials} refused actions in {span}, the last by rule {last_rule}",
    "ring one recipient": "{wallets} wallets registered together paid {recipient} {amount} in"
    " {span}",
    "ring one another": "{wallets} wallets registered together paid one another in {span}",
    "ring together": "{wallets} wallets registered together paid {amount} in {span}, over the"
    " ceiling of {ceiling}",
}


def worded_limit(limit: replies.Limit | None) -> str:
    """A limit as a sentence."""
    if limit is None:
        return "none"
    return (
        f"{limit.amount:,} in each {span(limit.period)}: {limit.spent:,} spent, {limit.left:,}"
        f" left until {moment(limit.renews)}"
    )


def span(milliseconds: int) -> str:
    """A length of time in hours, or in seconds where it is short."""
    if milliseconds % HOUR == 0:
        return f"{milliseconds // HOUR:,} h"
    return f"{milliseconds / 1_000:,g} s"


def moment(milliseconds: int) -> str:
    """A time for people, UTC."""
    return datetime.fromtimestamp(milliseconds / 1_000, UTC).isoformat(" ", "seconds")
