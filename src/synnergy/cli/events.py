"""`synnergy events`: what happened on the ledger, and what happens."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer

from synnergy.cli.command import command
from synnergy.cli.reply import Reply, print_json, print_line
from synnergy.cli.session import Session
from synnergy.client import replies
from synnergy.client.failures import ClientError


def add_to(app: typer.Typer) -> None:
    command(app, "events")(events)


def events(
    session: Session,
    start: Annotated[
        int | None,
        typer.Option(
            "--from", metavar="HEIGHT", min=0, help="Begin with this block; else with the first."
        ),
    ] = None,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Go on with what happens, until Ctrl-C."),
    ] = False,
    name: Annotated[
        list[str] | None,
        typer.Option(
            "--name",
            metavar="NAME",
            help="Only events of this name, or with 'model.*' of all that begin so; may be"
            " repeated.",
        ),
    ] = None,
) -> Reply:
    """List what happened on the ledger; with --follow and --json, one JSON object a line."""
    if follow:
        _follow(session, start, tuple(name or ()))
        raise typer.Exit(0)
    found: list[dict[str, Any]] = []
    with session.node.events(start, names=tuple(name or ())) as stream:
        for event in stream:
            if session.settings.json:
                found.append(msgspec.to_builtins(event))
            else:
                print_line(_line(event))
    return Reply({"events": found}, ())


def _follow(session: Session, start: int | None, names: tuple[str, ...]) -> None:
    last: replies.Event | None = None
    try:
        with session.node.events(start, follow=True, names=names) as stream:
            for last in stream:
                if session.settings.json:
                    print_json(msgspec.to_builtins(last))
                else:
                    print_line(_line(last))
    except KeyboardInterrupt:
        return
    again = "" if last is None else f"; --from {last.height} begins with the block of the last"
    raise ClientError("no_answer", f"the node at {session.node.url} ended the stream{again}")


def _line(event: replies.Event) -> str:
    """An event for people: block, time, name, attributes."""
    told = " ".join(f"{key}={value}" for key, value in event.attributes.items())
    return f"{event.height} {_moment(event.time)} {event.name} {told}".rstrip()


def _moment(milliseconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(milliseconds // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):  # a node may say anything
        return str(milliseconds)
