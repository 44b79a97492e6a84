"""`synnergy chain`: the chain as it stands, and executed again from its first block."""

from __future__ import annotations

import lmdb
import msgspec
import typer

from synnergy.chain.application import BadNode
from synnergy.chain.genesis import BadGenesis, chain_id_of
from synnergy.chain.replay import replay
from synnergy.cli.command import command, group
from synnergy.cli.payloads import shown_days
from synnergy.cli.reply import Reply, listing, plain, reply
from synnergy.cli.session import Session
from synnergy.client.failures import ClientError
from synnergy.client.home import load_genesis


def add_to(app: typer.Typer) -> None:
    chains = group("The chain itself.")
    command(chains, "show")(show)
    command(chains, "replay")(run_replay)
    app.add_typer(chains, name="chain")


def show(session: Session) -> Reply:
    """Show the chain as the node that is named has it: height, app hash, who governs."""
    node = session.named_node
    chain = node.chain()
    fields = msgspec.to_builtins(chain) | {"node": node.url}
    governance, coming = chain.governance, chain.upgrade
    summary = {
        "node": node.url,
        "chain": chain.chain_id,
        "height": chain.height,
        "app hash": chain.app_hash,
        "regulators": ", ".join(governance.regulators),
        "who must agree": f"{governance.threshold} of {len(governance.regulators)}",
        "policy version": governance.policy_version,
        "protocol version": governance.protocol_version,
        "gas table": governance.gas_version,
        "upgrade": f"to version {coming.version} at block {coming.height}" if coming else "none",
        "payloads are kept": shown_days(chain.retention),
        "local only": chain.local_only,
    }
    return reply(fields, listing(summary))


def run_replay(session: Session) -> Reply:
    """Execute this home's chain again from genesis, and compare every block."""
    home = session.home
    genesis = load_genesis(home.genesis)
    if not home.data.is_dir():
        raise ClientError(
            "no_data", f"{home.data} holds no chain yet; `synnergy start` begins one"
        )
    try:
        with session.progress("replaying") as progress:
            result = replay(home.data, genesis, progress)
    except (BadNode, BadGenesis, OSError, ValueError, LookupError, lmdb.Error) as error:
        raise ClientError("replay_failed", f"{home.data}: {error}") from None
    skipped = [transaction.hex() for transaction in result.not_recomputed]
    fields = {
        "height": result.height,
        "app_hash": result.app_hash.hex(),
        "chain_id": chain_id_of(genesis),
        "not_recomputed": skipped,
    }
    if result.problem is not None:
        raise ClientError("replay_differs", result.problem, rule="CHAIN-9", **fields)
    lines = [f"{result.height:,} blocks replayed; the app hash is {fields['app_hash']}"]
    if skipped:
        lines.append(
            f"{len(skipped):,} transactions were not recomputed, since attachments of theirs are"
            " erased; what the archive says they did gives the same hashes:"
        )
    return reply(fields, *map(plain, lines), *(plain(f"  {one}") for one in skipped))
