"""The home folder: where genesis, keys, the ledger's data and openings live (CLIENT-1).

genesis.json        the chain's genesis (public)
node_key.json       the seed with which this home's node signs headers
keystore/NAME.json  wallets
data/               the ledger's store
openings/ID.json    what opens the commitments of a receipt: salts, and the caller's reference
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from synnergy import durable
from synnergy.chain.genesis import BadGenesis, Genesis, chain_id_of, decode_genesis_file
from synnergy.client.failures import ClientError

ENVIRONMENT_VARIABLE = "SYNNERGY_HOME"
PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


@dataclass(frozen=True, slots=True)
class Home:
    """The paths under one home folder."""

    root: Path

    @property
    def genesis(self) -> Path:
        return self.root / "genesis.json"

    @property
    def node_key(self) -> Path:
        return self.root / "node_key.json"

    @property
    def keystore(self) -> Path:
        return self.root / "keystore"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def openings(self) -> Path:
        return self.root / "openings"


def resolve_home(option: str | None, environment: Mapping[str, str] = os.environ) -> Home:
    """The home that `--home` names, else SYNNERGY_HOME, else `~/.synnergy`; always absolute."""
    named = option or environment.get(ENVIRONMENT_VARIABLE)
    root = Path(named).expanduser() if named else Path.home() / ".synnergy"
    return Home(Path(os.path.abspath(root)))


def load_genesis(path: Path) -> Genesis:
    """The genesis in a `genesis.json`. ClientError where there is none or it is malformed."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ClientError(
            "no_genesis", f"there is no {path}; `synnergy init` makes a ledger there"
        ) from None
    except OSError as error:
        raise unreadable(path, error) from None
    try:
        return decode_genesis_file(content)
    except BadGenesis as bad:
        raise ClientError("bad_genesis", f"{path}: {bad}") from None


def known_chain(home: Home) -> str:
    """The chain id of the home's genesis, "" where it has none."""
    return chain_id_of(load_genesis(home.genesis)) if home.genesis.exists() else ""


def known_network(home: Home) -> tuple[str, tuple[str, ...]]:
    """The chain id of the home's genesis, and the addresses of the nodes that it names.

    Nothing where it names none, or cannot be read: who needs the genesis itself is told why.
    """
    try:
        genesis = load_genesis(home.genesis)
    except ClientError:
        return "", ()
    endpoints = tuple(one.endpoint for one in genesis.validators if one.endpoint)
    return (chain_id_of(genesis), endpoints) if endpoints else ("", ())


def read_file(path: Path) -> bytes:
    """The bytes of a file that a user named. ClientError says which file and why not."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None


def read_text(path: Path) -> str:
    """The UTF-8 text of a file that a user named."""
    try:
        return read_file(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ClientError("bad_file", f"{path} is not UTF-8 text: {error}") from None


def unreadable(path: Path, error: OSError) -> ClientError:
    return ClientError("unreadable_file", f"{path}: {error.strerror or error}")


def write_file(
    path: Path, content: bytes, *, overwrite: bool = True, mode: int = PRIVATE_FILE
) -> None:
    """Write a file whole or not at all: a temporary neighbour, synced, then named (CLIENT-1).

    Without `overwrite` an existing file stays as it is and ClientError says so.
    """
    with open_whole(path, overwrite=overwrite, mode=mode) as file:
        file.write(content)


@contextmanager
def open_whole(
    path: Path, *, overwrite: bool = True, mode: int = PRIVATE_FILE
) -> Generator[BinaryIO]:
    """As `write_file`, for what is written piece by piece: named when the context ends well."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
        with durable.open_whole(path, mode=mode, overwrite=overwrite) as file:
            yield file
    except FileExistsError:
        raise ClientError(
            "already_exists", f"{path} exists already and is not overwritten"
        ) from None
    except OSError as error:
        raise ClientError("unwritable_file", f"{path}: {error.strerror or error}") from None
