"""`synnergy validator` and `synnergy regulator validator`: which nodes a network has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from synnergy.cli.command import From, command, group
from synnergy.cli.governance import told_agreement
from synnergy.cli.node_options import (
    LOCAL_ONLY,
    MONIKER,
    P2P,
    RPC,
    Endpoint,
    External,
    Members,
    Moniker,
    P2p,
    Peers,
    Rpc,
    named_peers,
)
from synnergy.cli.reply import Reply, listing, plain, reply, table
from synnergy.cli.session import Session
from synnergy.cli.wallets import sealing
from synnergy.client import replies, verbs
from synnergy.client.failures import ClientError, WrongUse
from synnergy.client.home import known_chain
from synnergy.client.keystore import unlock
from synnergy.client.validators import read_statement, statement_of, write_statement
from synnergy.engines.cometbft.files import SETTINGS_FORMAT, NodeSettings

Key = Annotated[
    str,
    typer.Argument(
        metavar="KEY", help="The node's consensus key in hex, or its operator: a name or address."
    ),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Even where the node could then stop the network alone, by not running."
    ),
]
_CONSENSUS_KEY = re.compile(r"[0-9a-f]{64}")


def add_to(app: typer.Typer) -> None:
    validators = group("The nodes of a network.")
    command(validators, "init")(init)
    command(validators, "ls")(ls)
    command(validators, "statement")(statement)
    app.add_typer(validators, name="validator")


def add_to_regulators(regulators: typer.Typer) -> None:
    validators = group("Which nodes the network has, and what each weighs (m of n).")
    command(validators, "admit")(admit)
    command(validators, "power")(power)
    command(validators, "remove")(remove)
    regulators.add_typer(validators, name="validator")


def init(
    session: Session,
    genesis: Annotated[
        Path,
        typer.Option(
            "--genesis",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="The network's genesis.json.",
        ),
    ],
    peers: Peers = None,
    p2p: P2p = None,
    rpc: Rpc = None,
    external: External = None,
    endpoint: Endpoint = None,
    state_sync: Annotated[
        bool | None,
        typer.Option(
            "--state-sync/--no-state-sync",
            help="Begin with a member's snapshot instead of executing all blocks again.",
            show_default=False,
        ),
    ] = None,
    member: Members = None,
    operator: Annotated[
        str,
        typer.Option(
            "--operator",
            metavar="WALLET",
            help="The wallet of this home that answers for the node; made where it is missing.",
        ),
    ] = "operator",
    moniker: Moniker = None,
) -> Reply:
    """Make this home that of a node which joins a network: keys, settings, what it asks for.

    Keys that are there are kept, and given again all settings that are not named. Who reads the
    printed statement learns nothing secret.
    """
    # Imported here, for what makes homes is of no use to the other commands.
    from synnergy.client.joining import ask_to_join, make_home, read_network, settings_before

    home = session.home
    content, network = read_network(genesis)
    if network.local_only:
        session.say(LOCAL_ONLY)
    named = {
        "moniker": moniker,
        "p2p": p2p,
        "rpc": rpc,
        "peers": None if peers is None else named_peers(peers),
        "external": external,
        "state_sync": state_sync,
        "members": tuple(member) if member else None,
    }
    before = settings_before(home)
    if before is None and peers is None:
        raise WrongUse("no_peers", "--peers is missing: a node that joins needs a node to ask")
    first = before or NodeSettings(SETTINGS_FORMAT, moniker=MONIKER, p2p=P2P, rpc=RPC)
    changed = {name: value for name, value in named.items() if value is not None}
    make_home(home, content, network, msgspec.structs.replace(first, **changed))
    joining = ask_to_join(
        home, network, operator, endpoint, session.ask, sealed=sealing(session) is not None
    )
    fields = {
        "chain_id": joining.chain_id,
        "home": str(home.root),
        "node_id": joining.identity.node_id,
        "public_key": joining.identity.public_key,
        "operator": joining.operator,
        "endpoint": joining.endpoint,
        "statement": str(joining.statement),
        "request": str(joining.request),
    }
    return reply(
        fields,
        plain(f"{home.root} is ready to join {joining.chain_id}"),
        listing({name: fields[name] for name in ("node_id", "public_key", "operator")}),
        plain("regulators register its operator, and admit it:"),
        plain(
            f"  synnergy regulator register {joining.request} --jurisdiction XX --role operator"
            " --from WALLET"
        ),
        plain(f"  synnergy regulator validator admit {joining.statement} --power 0 --from WALLET"),
        plain(
            f"then: synnergy --home {home.root} start --engine cometbft;"
            " and once it has caught up, its vote"
        ),
    )


def ls(session: Session) -> Reply:
    """List the nodes of the network: voting power, operator, where each is found."""
    found = session.node.validators()
    rows = [
        (one.public_key, one.power, one.operator, one.node_id, one.endpoint, one.height)
        for one in found.validators
    ]
    headings = ("consensus key", "power", "operator", "node id", "endpoint", "since")
    return reply(msgspec.to_builtins(found), table(headings, rows))


def statement(
    session: Session,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Where the signed statement goes.")
    ],
    sender: From,
    endpoint: Endpoint = None,
) -> Reply:
    """Write this home's validator's request to be admitted, signed by its key and its operator."""
    home = session.home
    chain_id = known_chain(home)
    if not chain_id:
        raise ClientError("no_genesis", f"there is no {home.genesis}; copy the network's there")
    operator = unlock(home.keystore, sender, session.ask)
    signed = statement_of(home, chain_id, operator, endpoint or "")
    write_statement(signed, out)
    stated = signed.statement
    fields = {
        "chain_id": chain_id,
        "public_key": stated.public_key.hex(),
        "node_id": stated.node_id.hex(),
        "operator": stated.operator,
        "endpoint": stated.endpoint,
        "file": str(out),
    }
    return reply(
        fields,
        plain(f"{out} asks for the admission of the node {fields['node_id']}; regulators take it"),
        plain(f"  synnergy regulator validator admit {out} --power N --from WALLET"),
    )


def admit(
    session: Session,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, help="Of `validator statement`."
        ),
    ],
    weight: Annotated[
        int,
        typer.Option(
            "--power",
            metavar="N",
            min=0,
            help="Its voting power; with 0 it follows the chain and has no vote.",
        ),
    ],
    sender: From,
    force: Force = False,
) -> Reply:
    """Admit a node to the network, or take over what has changed about it (m of n)."""
    signer = session.sender(sender)
    signed = read_statement(file, signer.chain().chain_id)
    if not force:
        _check_dispensable(session, signed.statement.public_key.hex(), weight)
    call = signed.admission(weight)
    return told_agreement(signer.send(call), call.arguments)


def power(
    session: Session,
    key: Key,
    weight: Annotated[
        int, typer.Argument(metavar="N", min=0, help="Its voting power; 0 takes its vote.")
    ],
    sender: From,
    force: Force = False,
) -> Reply:
    """Give a node another voting power (m of n)."""
    signer = session.sender(sender)
    public_key = _key(session, key)
    if not force:
        _check_dispensable(session, public_key, weight)
    call = verbs.consensus_set_power(public_key=bytes.fromhex(public_key), power=weight)
    return told_agreement(signer.send(call), call.arguments)


def remove(session: Session, key: Key, sender: From) -> Reply:
    """Take a node out of the network (m of n)."""
    signer = session.sender(sender)
    public_key = bytes.fromhex(_key(session, key))
    call = verbs.consensus_remove_validator(public_key=public_key)
    return told_agreement(signer.send(call), call.arguments)


def _key(session: Session, text: str) -> str:
    """The consensus key that KEY means."""
    if _CONSENSUS_KEY.fullmatch(text):
        return text
    operator = session.address(text)
    for one in session.node.validators().validators:
        if one.operator == operator:
            return one.public_key
    raise ClientError("unknown_validator", f"{operator} operates no node", rule="NET-13")


def _check_dispensable(session: Session, public_key: str, weight: int) -> None:
    """ClientError where no block would be decided without this node."""
    found = session.node.validators()
    if not indispensable(found, public_key, weight):
        return
    known = any(one.public_key == public_key for one in found.validators)
    raise ClientError(
        "indispensable",
        f"with a voting power of {weight}, no block would be decided without this node: "
        + (
            "once it has caught up and stays there, --force gives it that"
            if known
            else "admit it with 0 first, and give it its vote once it has caught up; --force"
            " admits it all the same"
        ),
    )


def indispensable(found: replies.Validators, public_key: str, weight: int) -> bool:
    """Whether this node's power is raised to where the others are two thirds or less of all."""
    before = sum(one.power for one in found.validators if one.public_key == public_key)
    total = found.power - before + weight
    return weight > before and 3 * weight >= total
