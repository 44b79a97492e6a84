"""`synnergy demo`: the whole story, in a throw-away home."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from synnergy.cli.command import command
from synnergy.cli.reply import Reply
from synnergy.cli.session import Session
from synnergy.client.failures import ClientError


def add_to(app: typer.Typer) -> None:
    command(app, "demo")(demo)


def demo(session: Session) -> Reply:
    """Train models, publish, approve, sell and call them, and check their receipts offline."""
    # Training and comparing need packages that nothing else does.
    from synnergy.demo.models import MissingExtra
    from synnergy.demo.story import DemoFailed, run

    console = Console(file=sys.stderr) if session.settings.json else Console()
    try:
        return Reply(run(console), ())
    except MissingExtra as missing:
        raise ClientError("missing_packages", str(missing)) from None
    except DemoFailed as failed:
        raise ClientError("demo_failed", str(failed)) from None
