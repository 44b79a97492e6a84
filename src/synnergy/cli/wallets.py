"""`synnergy wallet`: keys of this home."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from synnergy.cli.command import command, group
from synnergy.cli.ledger import committed
from synnergy.cli.oversight import worded, worded_limit
from synnergy.cli.reply import Reply, listing, plain, reply, table
from synnergy.cli.session import Session
from synnergy.client import verbs
from synnergy.client.home import load_genesis
from synnergy.client.keystore import (
    LOCAL_ONLY,
    create_wallet,
    list_wallets,
    next_key,
    require_wallet,
    take_next_key,
    unlock,
)
from synnergy.client.passphrase import ENVIRONMENT_VARIABLE, Passphrases
from synnergy.client.registration import write_request
from synnergy.client.rotation import is_in_force, sign_rotation, write_rotation

Name = Annotated[str, typer.Argument(metavar="NAME", help="The wallet's name.")]


def add_to(app: typer.Typer) -> None:
    wallets = group("Keys of this home.")
    command(wallets, "create")(create)
    command(wallets, "ls")(ls)
    command(wallets, "show")(show)
    command(wallets, "request")(request)
    command(wallets, "rotate")(rotate)
    app.add_typer(wallets, name="wallet")


def create(session: Session, name: Name) -> Reply:
    """Make a wallet: a new key, encrypted under a passphrase.

    In the home of a local development ledger no passphrase is asked for; one that is given counts.
    """
    wallet = create_wallet(session.home.keystore, name, sealing(session))
    fields = {
        "name": wallet.name,
        "address": wallet.address,
        "public_key": wallet.public_key.hex(),
        "encrypted": wallet.sealed,
    }
    if not wallet.sealed:
        session.say(LOCAL_ONLY)
    return reply(fields, plain(f"{wallet.name} is {wallet.address}"))


def ls(session: Session) -> Reply:
    """List the wallets of this home."""
    wallets = list_wallets(session.home.keystore)
    rows = [
        {
            "name": wallet.name,
            "address": wallet.address,
            "public_key": wallet.public_key.hex(),
            "encrypted": wallet.sealed,
        }
        for wallet in wallets
    ]
    shown = table(
        ("wallet", "address", "encrypted"),
        [(wallet.name, wallet.address, wallet.sealed) for wallet in wallets],
    )
    return reply({"wallets": rows}, shown)


def show(
    session: Session,
    who: Annotated[str, typer.Argument(metavar="WHO", help="A wallet's name or an address.")],
) -> Reply:
    """Show a wallet as the ledger knows it: registration, balance, limit, flags."""
    account = session.node.account(session.address(who))
    wallet = account.wallet or {}
    summary = {
        "address": account.address,
        "registered": account.registered,
        "jurisdiction": wallet.get("jurisdiction"),
        "roles": ", ".join(wallet.get("roles", ())),
        "frozen": wallet.get("frozen", False),
        "balance": account.balance,
        "nonce": account.nonce,
        "refused actions": (account.denials or {}).get("count", 0),
        "limit": worded_limit(account.limit),
        "flags": "; ".join(worded(flag) for flag in account.flags) or "none",
    }
    return reply(msgspec.to_builtins(account), listing(summary))


def request(
    session: Session,
    name: Name,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Where the signed statement goes.")
    ],
) -> Reply:
    """Write a wallet's signed request to be registered, for a regulator to take in."""
    home = session.home
    keys = unlock(home.keystore, name, session.ask)
    written = write_request(home, keys, out)
    fields = {
        "name": name,
        "address": keys.address,
        "public_key": keys.public_key.hex(),
        "chain_id": written.chain_id,
        "file": str(out),
    }
    return reply(
        fields,
        plain(f"{out} asks for the registration of {keys.address}; a regulator takes it with"),
        plain(f"  synnergy regulator register {out} --jurisdiction XX --role ROLE --from WALLET"),
    )


def rotate(
    session: Session,
    name: Name,
    of: Annotated[
        str | None,
        typer.Option(
            "--of", metavar="ADDR", help="The wallet, where its key is lost and not in this home."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Write the request for a regulator instead of sending."
        ),
    ] = None,
) -> Reply:
    """Give a wallet a new key; its address stays, and its old key signs no more.

    The new key is kept before anything is sent. Given again after an outcome that is unknown, or
    after a regulator took the file, the command takes the new key into use.
    """
    keystore, node = session.home.keystore, session.node
    address = of or require_wallet(keystore, name).address
    fresh = next_key(keystore, name, address, sealing(session))
    fields = {"name": name, "address": address, "public_key": fresh.public_key.hex()}
    if not is_in_force(node, fresh):
        chain = node.chain()
        session.check_chain(chain)
        signed = sign_rotation(fresh, chain.chain_id)
        if out is not None:
            write_rotation(signed, out)
            return reply(
                {**fields, "in_force": False, "file": str(out)},
                plain(f"{out} asks for a new key for {address}; a regulator takes it with"),
                plain(f"  synnergy regulator rotate {out} --from WALLET"),
                plain(f"then: synnergy wallet rotate {name}" + (f" --of {of}" if of else "")),
            )
        call = verbs.regulation_rotate_key(statement=signed.statement, signature=signed.signature)
        fields |= committed(session.sender(name).send(call))
    take_next_key(keystore, name)
    shown = f"{name} signs for {address} with its new key from now on"
    return reply({**fields, "in_force": True}, plain(shown))


def sealing(session: Session) -> Passphrases | None:
    """Where the passphrase comes from; None leaves a local development wallet unsealed."""
    given = session.settings.passphrase_file or os.environ.get(ENVIRONMENT_VARIABLE)
    genesis = session.home.genesis
    if not given and genesis.exists() and load_genesis(genesis).local_only:
        return None
    return session.ask
