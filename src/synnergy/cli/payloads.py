"""`synnergy payload`: having inputs, outputs and references erased."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from synnergy.cli.agreements import agreed, progress
from synnergy.cli.command import From, command, group
from synnergy.cli.durations import DAY
from synnergy.cli.ledger import committed
from synnergy.cli.reply import Reply, plain, reply
from synnergy.cli.session import Session
from synnergy.client import verbs
from synnergy.client.erasure import Found, engine_copies, erasable, look, targets_of
from synnergy.client.failures import ClientError
from synnergy.client.openings import forget_opening, openings_for
from synnergy.client.references import check_digest
from synnergy.wire.calendar import rfc3339


def add_to(app: typer.Typer) -> None:
    payloads = group("Inputs, outputs and references: what lies beside the ledger, and can go.")
    command(payloads, "erase")(erase)
    app.add_typer(payloads, name="payload")


def erase(
    session: Session,
    identifier: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="A receipt (its input, output and reference), a transaction (its attachments"
            " and outputs), or a payload's commitment.",
        ),
    ],
    reason: Annotated[
        str,
        typer.Option(
            "--reason",
            metavar="TEXT",
            help="Why; it stays on the ledger for ever, so it should name nobody.",
        ),
    ],
    sender: From,
    forget: Annotated[
        bool,
        typer.Option(
            "--forget-opening",
            help="Also remove what this home keeps of it: the salts that open its receipt.",
        ),
    ] = False,
) -> Reply:
    """Have payloads erased by every node that keeps them: a party its own, a regulator any."""
    wanted = check_digest(identifier, "an id").hex()
    wallet = session.sender(sender)
    chain_id = wallet.chain().chain_id
    targets, receipts = targets_of(session.node, wanted)
    found = [look(session.node, wallet.keys, chain_id, target) for target in targets]
    here = erasable(found, wallet.address)
    commitments = tuple(one.target.commitment for one in here)
    sent = wallet.send(verbs.ledger_erase(payloads=commitments, reason=reason))
    after = [look(session.node, wallet.keys, chain_id, one.target) for one in here]
    gone = [one for one, now in zip(here, after, strict=True) if now.standing == "erased"]
    left = [one for one in here if one not in gone]
    copies = engine_copies(session.node)
    inputs = {commitment.hex() for commitment in commitments}
    openings = openings_for(session.home, set(receipts), inputs)
    if forget:
        for receipt in openings:
            forget_opening(session.home, receipt)
    fields = {
        "id": wanted,
        **committed(sent),
        "reason": reason,
        "erased": [_described(one) for one in gone],
        "left": [_described(one) for one in left],
        "gone_before": [_described(one) for one in found if one.standing == "erased"],
        "engine_copy": copies.kept,
        "engine_copy_until": copies.until,
        "openings": [str(session.home.openings / f"{receipt}.json") for receipt in openings],
        "openings_forgotten": forget and bool(openings),
    }
    if not gone and left:
        raise ClientError(
            "not_erased",
            f"the request is recorded at height {sent.height}, but another wallet carried this"
            f" payload first: {wallet.address} is no longer a party of it, and that wallet or a"
            " regulator can have it erased",
            rule="ERASE-3",
            **fields,
        )
    return reply(fields, *(plain(line) for line in _told(fields, gone, left, openings)))


def retention(
    session: Session,
    days: Annotated[
        float,
        typer.Option(
            "--days",
            metavar="N",
            min=0,
            max=36_525,
            help="How long nodes keep payloads after they were last carried; 0: for ever.",
        ),
    ],
    sender: From,
) -> Reply:
    """Give a retention period; it is in force once enough regulators gave the same one."""
    period = round(days * DAY)
    sent = session.sender(sender).send(verbs.regulation_set_retention(period=period))
    kept = shown_days(period)
    shown = progress(sent.value, f"payloads are kept {kept}", kept)
    return reply({**agreed(sent), "days": days, "retention": period}, plain(shown))


def shown_days(milliseconds: int) -> str:
    """A retention period for people."""
    return f"for {milliseconds / DAY:g} days" if milliseconds else "for ever"


def _described(one: Found) -> dict[str, object]:
    return {"payload": one.target.commitment.hex(), "what": one.target.what, "bytes": one.size}


def _told(
    fields: Mapping[str, Any], gone: list[Found], left: list[Found], openings: list[str]
) -> list[str]:
    lines = [
        f"erased the {one.target.what} {one.target.commitment.hex()} ({one.size:,} bytes)"
        for one in gone
    ]
    lines += [
        f"left the {one.target.what} {one.target.commitment.hex()}: another wallet carried it"
        " first, and can have it erased"
        for one in left
    ]
    lines.append(f"recorded at height {fields['height']} (tx {fields['tx']})")
    lines.append(_engine_told(fields))
    if openings and fields["openings_forgotten"]:
        lines.append("this home's openings are forgotten: its receipts prove no input any more")
    elif openings:
        lines.append(
            f"this home still keeps the opening ({len(openings)}): salts, and the reference if"
            " there was one; --forget-opening removes it"
        )
    return lines


def _engine_told(fields: Mapping[str, Any]) -> str:
    """What remains of it beside the nodes' stores."""
    if fields["engine_copy"] == "none":
        return "the engine keeps no copy of its own; backups made before still hold it"
    if fields["engine_copy"] == "kept":
        return (
            "every node's CometBFT keeps the blocks that carried it, for ever: the ledger has no"
            " retention period (synnergy regulator retention); backups hold it as well"
        )
    return (
        "every node's CometBFT keeps blocks that carried it, or what remains of them in its"
        f" files, until {rfc3339(fields['engine_copy_until'])}; backups made before still hold it"
    )
