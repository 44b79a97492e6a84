"""What every command works with: the home, a node, a wallet that signs, and how to speak."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from synnergy.cli.reply import listing, plain
from synnergy.client import replies
from synnergy.client.failures import ClientError
from synnergy.client.home import Home, known_chain, known_network, resolve_home
from synnergy.client.keystore import resolve_address, unlock
from synnergy.client.passphrase import Passphrases, passphrases
from synnergy.client.references import resolve_model

if TYPE_CHECKING:
    from synnergy.client.api import Node
    from synnergy.client.transactions import Sender, Signing
    from synnergy.client.uploads import Progress as Report

#: A text argument is shown whole up to here, before signing.
SHOWN_CHARACTERS = 400
SHOWN_ITEMS = 16


@dataclass(slots=True)
class Settings:
    """The options that every command takes, wherever on the line they stood."""

    json: bool = False
    home: str | None = None
    node: str | None = None
    passphrase_file: Path | None = None


@dataclass(slots=True)
class Session:
    """One command's surroundings; the connection is opened when it is first needed."""

    settings: Settings
    messages: Console = field(default_factory=lambda: Console(file=sys.stderr, highlight=False))
    _node: Node | None = None

    @property
    def home(self) -> Home:
        return resolve_home(self.settings.home)

    @property
    def ask(self) -> Passphrases:
        return passphrases(self.settings.passphrase_file)

    @property
    def node(self) -> Node:
        """The nodes that were named, and after them those that the home's genesis names."""
        if self._node is None:
            self._node = self._connect(*known_network(self.home))
        return self._node

    @property
    def named_node(self) -> Node:
        """As `node`, for what is asked of a node about itself: where one is named, no other."""
        if self._node is None and self._named:
            self._node = self._connect("", ())
        return self.node

    @property
    def _named(self) -> str | None:
        from synnergy.client.connection import ENVIRONMENT_VARIABLE

        return self.settings.node or os.environ.get(ENVIRONMENT_VARIABLE)

    def _connect(self, chain_id: str, endpoints: tuple[str, ...]) -> Node:
        # What speaks to nodes takes time to load, which commands without one are spared.
        from synnergy.client.api import Node
        from synnergy.client.connection import DEFAULT_NODE

        if endpoints and not self._named:
            # Whatever else runs at the usual address, this home means its own network.
            return Node("", fallbacks=(DEFAULT_NODE, *endpoints), chain_id=chain_id)
        return Node(self._named or DEFAULT_NODE, fallbacks=endpoints, chain_id=chain_id)

    def close(self) -> None:
        if self._node is not None:
            self._node.close()

    def sender(self, wallet: str) -> Sender:
        """A wallet of this home, unlocked, at the node; both must be of one chain."""
        from synnergy.client.transactions import Sender

        keys = unlock(self.home.keystore, wallet, self.ask)
        sender = Sender(self.node, keys, self.announce)
        self.check_chain(sender.chain())
        return sender

    def check_chain(self, chain: replies.Chain) -> None:
        """ClientError where the node serves another chain than this home was made for."""
        known = known_chain(self.home)
        if known not in ("", chain.chain_id):
            raise ClientError(
                "wrong_chain",
                f"the node at {self.node.url} serves {chain.chain_id}, this home is of {known};"
                " choose another --node or --home",
            )

    def address(self, who: str) -> str:
        """The address that WHO means."""
        return resolve_address(self.home.keystore, who)

    def model_id(self, model: str) -> bytes:
        """The id that MODEL means."""
        return resolve_model(self.home.keystore, model)

    def model(self, model: str) -> replies.Model:
        """The model that MODEL means, as it stands on the ledger."""
        identifier = self.model_id(model).hex()
        try:
            return self.node.model(identifier)
        except ClientError as failed:
            if failed.code != "not_found":
                raise
            raise ClientError(
                "unknown_model", f"the ledger has no model {model}", rule="MKT-1"
            ) from None

    def say(self, text: str) -> None:
        """A remark on stderr, for people only."""
        if not self.settings.json:
            self.messages.print(plain(text))

    def announce(self, signing: Signing, *, whole: bool = False) -> None:
        """Show the decoded verb, its arguments and its cost, before it is signed (CLIENT-15).

        Long arguments are shown `whole`, or cut with their length.
        """
        if self.settings.json:
            return
        self.messages.print(plain(f"{signing.call.opcode}, signed by {signing.sender}:"))
        self.messages.print(listing(decoded(signing.call.arguments, whole=whole)))
        self.messages.print(
            plain(f"gas {signing.quote.gas:,}, fee {signing.quote.fee:,}\n"), style="dim"
        )

    @contextmanager
    def progress(self, label: str) -> Generator[Report]:
        """A bar on the terminal while something long goes on; nothing with --json."""
        if self.settings.json or not self.messages.is_terminal:
            yield lambda _done, _total: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self.messages, transient=True) as bar:
            task = bar.add_task(label, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)


def decoded(arguments: msgspec.Struct, *, whole: bool = False) -> dict[str, object]:
    """A verb's arguments for people: bytes in hex, long texts cut, or all of it `whole`."""
    names = arguments.__struct_fields__
    return {name: _legible(getattr(arguments, name), whole) for name in names}


def _legible(value: object, whole: bool) -> object:
    match value:
        case bytes():
            return value.hex()
        case str() if len(value) > SHOWN_CHARACTERS and not whole:
            return f"{value[:SHOWN_CHARACTERS]}… ({len(value):,} characters)"
        case tuple() | list():
            items = cast(Sequence[object], value)
            if len(items) > SHOWN_ITEMS and not whole:
                return f"{len(items):,} items"
            return [_legible(item, whole) for item in items]
        case msgspec.Struct():
            return decoded(value, whole=whole)
        case _:
            return value
