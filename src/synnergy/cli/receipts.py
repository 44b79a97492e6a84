"""`synnergy receipt`: taking receipts home, reading them, verifying them without a node."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synnergy.cli.command import command, group
from synnergy.cli.reply import Reply, plain, reply
from synnergy.cli.session import Session
from synnergy.client.failures import refused
from synnergy.client.home import load_genesis, read_file, write_file
from synnergy.client.keystore import unlock
from synnergy.client.outputs import decode_outputs, to_lists
from synnergy.client.receipt_story import facts, sentences
from synnergy.client.receipts import export_receipt, verify_file
from synnergy.client.references import check_digest
from synnergy.client.trust import trusted_root
from synnergy.receipts.verify import TrustedRoot, read_receipt
from synnergy.rejected import Rejected

File = Annotated[
    Path,
    typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="A receipt's file."),
]


def add_to(app: typer.Typer) -> None:
    receipts = group("Receipts: what anyone can check offline.")
    command(receipts, "export")(export)
    command(receipts, "show")(show)
    command(receipts, "verify")(verify)
    app.add_typer(receipts, name="receipt")


def export(
    session: Session,
    identifier: Annotated[
        str, typer.Argument(metavar="ID", help="The receipt that `model invoke` gave.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the receipt goes.")],
    sender: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="WALLET",
            help="The caller, to fetch the salts where this home doesn't keep them.",
        ),
    ] = None,
) -> Reply:
    """Write a receipt with its proof, and with its opening if this home made the call."""
    wanted = check_digest(identifier, "a receipt's id").hex()
    keys = unlock(session.home.keystore, sender, session.ask) if sender is not None else None
    content, opened = export_receipt(session.home, session.node, wanted, keys)
    write_file(out, content)
    fields = {"receipt": wanted, "file": str(out), "opening": opened}
    note = "" if opened else "; without an opening: it proves the call, not on what input"
    return reply(fields, plain(f"{out} holds receipt {wanted}{note}"))


def show(session: Session, file: File) -> Reply:
    """Tell what a receipt says in plain sentences. Verifies nothing."""
    del session
    read = read_receipt(read_file(file))
    if isinstance(read, Rejected):
        raise refused(read)
    contents, receipt = read
    told = sentences(receipt, contents)
    fields = {
        "receipt": receipt.id.hex(),
        "sentences": told,
        "facts": facts(receipt),
        "opening": contents.opening is not None,
    }
    return reply(fields, *(plain(sentence) for sentence in told))


def verify(
    session: Session,
    file: File,
    model: Annotated[
        Path,
        typer.Option(
            "--model", metavar="M", exists=True, dir_okay=False, help="The model's file."
        ),
    ],
    source: Annotated[
        Path | None,
        typer.Option(
            "--input",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="The input: .csv with a header, .npy, .npz or .json. Without it the answer is"
            " what holds of the receipt and what is missing.",
        ),
    ] = None,
    trusted: Annotated[
        Path | None,
        typer.Option(
            "--trusted",
            metavar="genesis.json",
            exists=True,
            dir_okay=False,
            help="The genesis to trust; else this home's.",
        ),
    ] = None,
) -> Reply:
    """Check a receipt without any node: signatures, proof, digests, and the model run again."""
    verified = verify_file(read_file(file), model, source, _root(session, trusted))
    if isinstance(verified, Rejected):
        raise refused(verified)
    outputs = None if verified.outputs is None else to_lists(decode_outputs(verified.outputs))
    fields = {
        "verified": True,
        "receipt": verified.receipt.id.hex(),
        "outcome": verified.receipt.outcome.status,
        "height": verified.receipt.height,
        "checks": list(verified.checks),
        "outputs": outputs,
    }
    checks = (plain(f"  ✓ {check}") for check in verified.checks)
    limit = "This does not prove that the ledger's validators were honest."
    return reply(fields, plain("the receipt holds:"), *checks, plain(limit))


def _root(session: Session, trusted: Path | None) -> TrustedRoot | None:
    """The chain to trust: the genesis that was named, else the home's, else none."""
    path = trusted or session.home.genesis
    if trusted is None and not path.exists():
        return None
    return trusted_root(load_genesis(path))
