"""MODEL, first half: committing to a file's digest and uploading its chunks (MKT-2, MKT-3)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from synnergy.opcodes.activity import put_down
from synnergy.opcodes.context import Context, debit, hold
from synnergy.opcodes.entities import ledger_resource
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.vm.catalogue import domain_opcode
from synnergy.wire.codec import Struct
from synnergy.wire.types import Count, Digest

#: Every chunk but the last has this many bytes.
CHUNK_BYTES = 512 * 1024
#: Smallest units held for each chunk until the model is published.
DEPOSIT_PER_CHUNK = 10_000
#: An upload that isn't published by then forfeits its deposit.
UPLOAD_LIFETIME = 7 * 24 * 3600 * 1000
MAX_CHUNKS = 512


class Commit(Struct, frozen=True):
    """Claim the digest of a file before any byte of it is shown; the first claim wins."""

    digest: Digest
    size: Count
    chunks: Annotated[tuple[Digest, ...], Meta(min_length=1, max_length=MAX_CHUNKS)]


class Committed(Struct, frozen=True):
    """`received` chunks are there already, where the same owner resumes."""

    received: Count


class Upload(Struct, frozen=True):
    """One chunk, in attachment `attachment` (unsalted); chunks come in order."""

    digest: Digest
    index: Count
    attachment: Count


class Uploaded(Struct, frozen=True):
    received: Count


def chunk_count(size: int) -> int:
    """How many chunks a file of `size` bytes has."""
    return -(-size // CHUNK_BYTES)


@domain_opcode(
    0x020001,
    "MODEL_COMMIT",
    action="upload",
    args=Commit,
    result=Committed,
    resource=ledger_resource,
)
def commit(context: Context, arguments: Commit) -> Committed | Rejected:
    """Claim a file's digest and put down the deposit for its upload."""
    if arguments.size == 0 or chunk_count(arguments.size) != len(arguments.chunks):
        return Rejected(
            "MKT-2",
            "bad_size",
            f"{arguments.size} bytes make {chunk_count(arguments.size)} chunks of {CHUNK_BYTES}, "
            f"{len(arguments.chunks)} were listed",
        )
    if arguments.size > context.schedule.limits["model_bytes"].gas:
        return Rejected("MKT-2", "too_large", f"{arguments.size} bytes are over the model limit")
    existing = records.artefacts.load(context.journal, arguments.digest)
    if existing is not None:
        if existing.owner == context.actor and existing.chunks == arguments.chunks:
            return Committed(existing.received)
        return Rejected(
            "MKT-2",
            "digest_taken",
            f"the digest {arguments.digest.hex()} was committed to before by {existing.owner}",
        )
    deposit = DEPOSIT_PER_CHUNK * len(arguments.chunks)
    refused = put_down(context, context.actor, deposit) or debit(
        context.journal, context.actor, deposit
    )
    if refused is not None:
        return refused
    hold(context.journal, deposits=deposit)
    expires = context.block.time + UPLOAD_LIFETIME
    records.artefacts.save(
        context.journal,
        arguments.digest,
        records.Artefact(
            context.actor,
            arguments.size,
            arguments.chunks,
            received=0,
            published=False,
            deposit=deposit,
            expires=expires,
        ),
    )
    records.deadlines.save(
        context.journal, (expires, "upload", arguments.digest), records.Marker()
    )
    context.emit("model.committed", owner=context.actor, digest=arguments.digest, deposit=deposit)
    return Committed(0)


@domain_opcode(
    0x020002,
    "MODEL_UPLOAD",
    action="upload",
    args=Upload,
    result=Uploaded,
    resource=ledger_resource,
)
def upload(context: Context, arguments: Upload) -> Uploaded | Rejected:
    """Add the next chunk of a committed file."""
    artefact = records.artefacts.load(context.journal, arguments.digest)
    if artefact is None or artefact.owner != context.actor:
        return Rejected(
            "MKT-3",
            "no_upload",
            f"{context.actor} has no upload of {arguments.digest.hex()}; commit to it first",
        )
    if arguments.index != artefact.received or artefact.received == len(artefact.chunks):
        return Rejected(
            "MKT-3",
            "wrong_chunk",
            f"chunk {arguments.index} was given, {artefact.received} of"
            f" {len(artefact.chunks)} are there",
        )
    attachment = context.attachment(arguments.attachment)
    if isinstance(attachment, Rejected):
        return attachment
    last = arguments.index == len(artefact.chunks) - 1
    length = artefact.size - arguments.index * CHUNK_BYTES if last else CHUNK_BYTES
    if (
        attachment.salt
        or len(attachment.content) != length
        or attachment.reference.commitment != artefact.chunks[arguments.index]
    ):
        return Rejected(
            "MKT-3",
            "wrong_chunk",
            f"attachment {arguments.attachment} is not chunk {arguments.index} as committed",
        )
    received = arguments.index + 1
    records.artefacts.save(
        context.journal,
        arguments.digest,
        msgspec.structs.replace(artefact, received=received),
    )
    return Uploaded(received)
