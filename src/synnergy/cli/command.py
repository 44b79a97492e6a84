"""How commands are declared: a function of a session that returns a reply, and nothing else.

`command` adds the options that every command takes, opens the session, prints the reply. Groups
take the same options, so that they may stand before or after any word of the command.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from synnergy.cli.reply import Reply, print_error, print_reply
from synnergy.cli.session import Session, Settings
from synnergy.client.failures import ClientError

Handler = TypeVar("Handler", bound=Callable[..., Reply])

GLOBAL = "For every command"

JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print exactly one JSON object.", rich_help_panel=GLOBAL),
]
HomeOption = Annotated[
    str | None,
    typer.Option(
        "--home",
        metavar="FOLDER",
        help="The home folder (or SYNNERGY_HOME; else ~/.synnergy).",
        rich_help_panel=GLOBAL,
    ),
]
NodeOption = Annotated[
    str | None,
    typer.Option(
        "--node",
        metavar="URL",
        help="The node to ask, or several with commas between, which are asked in turn (or"
        " SYNNERGY_NODE; else http://127.0.0.1:7070).",
        rich_help_panel=GLOBAL,
    ),
]
PassphraseOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="The wallets' passphrase (or SYNNERGY_PASSPHRASE; else a prompt).",
        rich_help_panel=GLOBAL,
    ),
]

#: Of these, the ones that a value follows.
VALUED_OPTIONS = ("--home", "--node", "--passphrase-file")

#: The wallet that signs.
From = Annotated[
    str, typer.Option("--from", metavar="WALLET", help="The wallet of this home that signs.")
]
#: A file that must be there.
InputFile = Annotated[
    Path,
    typer.Option(
        "--input",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="The input: .csv with a header, .npy, .npz or .json.",
    ),
]


def group(help_text: str) -> typer.Typer:
    """A group of commands that takes the options of every command."""
    return typer.Typer(help=help_text, callback=_options, add_completion=False)


def command(app: typer.Typer, name: str) -> Callable[[Handler], Handler]:
    """Declare the decorated function as a command; its docstring is the help text."""

    def register(handler: Handler) -> Handler:
        own = list(inspect.signature(handler, eval_str=True).parameters.values())[1:]
        options = list(inspect.signature(_options, eval_str=True).parameters.values())
        common = [option.name for option in options[1:]]

        def run(context: typer.Context, **arguments: Any) -> None:
            _options(context, **{name: arguments.pop(name) for name in common})
            _perform(context.find_root().obj, lambda session: handler(session, **arguments))

        parameters = [options[0], *own, *options[1:]]
        keyword = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters
        ]
        run.__signature__ = inspect.Signature(keyword)  # pyright: ignore[reportFunctionMemberAccess]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        run.__doc__ = handler.__doc__
        app.command(name)(run)
        return handler

    return register


def _options(
    context: typer.Context,
    json: JsonOption = False,
    home: HomeOption = None,
    node: NodeOption = None,
    passphrase_file: PassphraseOption = None,
) -> None:
    root = context.find_root()
    known = root.obj if isinstance(root.obj, Settings) else Settings()
    root.obj = Settings(
        json=json or known.json,
        home=home if home is not None else known.home,
        node=node if node is not None else known.node,
        passphrase_file=passphrase_file or known.passphrase_file,
    )


def _perform(settings: Settings, handler: Callable[[Session], Reply]) -> None:
    """Run a handler and print its reply; exit 1 where the reply itself tells of a problem."""
    session = Session(settings)
    try:
        answer = handler(session)
    except KeyboardInterrupt:
        raise ClientError("interrupted", "interrupted; nothing more was done") from None
    finally:
        session.close()
    print_reply(answer, as_json=settings.json)
    if answer.problem is not None:
        print_error(*answer.problem)
        raise typer.Exit(1)
