"""Bringing a file onto the ledger, chunk by chunk, resuming where an earlier attempt ended.

MODEL_COMMIT claims the digest; then each chunk travels in a transaction of its own, several under
way at once with consecutive nonces, because chunks are accepted in order only (CLIENT-10).
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from synnergy.client import verbs
from synnergy.client.failures import ClientError
from synnergy.client.nodes import STALE_NONCE
from synnergy.client.transactions import Call, Handed, Sender, Sent, conclude
from synnergy.opcodes.artefacts import CHUNK_BYTES, DEPOSIT_PER_CHUNK, Committed, Uploaded
from synnergy.wire.transaction import Attachment

#: Chunks under way at once: half a block's worth.
WINDOW = 8
#: How often an upload starts again after another transaction of the sender's came between.
RESTARTS = 20
#: Seconds between two such starts: what came between wants to be in a block first.
PAUSE = 0.2

#: Called with bytes on the ledger and bytes in all.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on the ledger: its digest, and what bringing it there took this time."""

    digest: bytes
    gas_used: int
    fee: int


def no_progress(_done: int, _total: int) -> None:
    """Shows nothing."""


def split(content: bytes) -> tuple[bytes, ...]:
    """A file's chunks; all but the last have the same size."""
    return tuple(
        content[start : start + CHUNK_BYTES] for start in range(0, len(content), CHUNK_BYTES)
    )


def upload(sender: Sender, content: bytes, progress: Progress = no_progress) -> Upload:
    """Have the ledger hold `content`. Chunks that are there already are not sent again."""
    if not content:
        raise ClientError("bad_size", "an empty file cannot be uploaded", rule="MKT-2")
    digest = hashlib.sha256(content).digest()
    chunks = split(content)
    known = sender.node.artefact(digest.hex())
    gas_used = fee = 0
    if known is None or known.owner != sender.address:
        sent = _commit(sender, digest, len(content), chunks)
        gas_used, fee = sent.gas_used, sent.fee
        known = sender.node.artefact(digest.hex())
    received = known.received if known else 0
    for _ in range(RESTARTS):
        progress(min(received * CHUNK_BYTES, len(content)), len(content))
        if received == len(chunks):
            return Upload(digest, gas_used, fee)
        run = _Run(sender, digest, chunks, received, len(content), progress)
        stopped = run.send()
        gas_used += run.gas_used
        fee += run.fee
        received = _received(sender, digest)
        if stopped is None:
            continue
        if received == run.first and stopped.code not in STALE_NONCE:
            raise stopped
        time.sleep(PAUSE)
    raise ClientError(
        "upload_interrupted",
        f"other transactions of {sender.address} keep coming between; the ledger has {received}"
        f" of {len(chunks)} chunks, and the same command resumes there",
    )


def _commit(
    sender: Sender, digest: bytes, size: int, chunks: tuple[bytes, ...]
) -> Sent[Committed]:
    digests = tuple(hashlib.sha256(chunk).digest() for chunk in chunks)
    deposit = DEPOSIT_PER_CHUNK * len(chunks)
    call = verbs.model_commit(digest=digest, size=size, chunks=digests, spends=deposit)
    return sender.send(call)


def _received(sender: Sender, digest: bytes) -> int:
    known = sender.node.artefact(digest.hex())
    return known.received if known else 0


class _Run:
    """One pass over the missing chunks with consecutive nonces, until done or stopped."""

    def __init__(
        self,
        sender: Sender,
        digest: bytes,
        chunks: tuple[bytes, ...],
        first: int,
        total: int,
        progress: Progress,
    ) -> None:
        self.sender = sender
        self.digest = digest
        self.chunks = chunks
        self.first = first
        self.total = total
        self.progress = progress
        self.gas_used = 0
        self.fee = 0

    def send(self) -> ClientError | None:
        """Send what is missing; the failure that ended the pass early, if one did."""
        node = self.sender.node
        self.sender.refresh()
        # Chunks but the last cost the same; indexes take a few bytes more or less.
        quoted = self.sender.quote(self._call(self.first))
        if quoted.status == "refused":
            return ClientError(quoted.code, quoted.message, rule=quoted.rule)
        limit = quoted.gas + quoted.gas // 10
        nonce = node.account(self.sender.address).nonce
        waiting: deque[tuple[int, Handed]] = deque()
        try:
            for index in range(self.first, len(self.chunks)):
                call = self._call(index)
                body = self.sender.body(call, nonce + index - self.first, limit)
                waiting.append((index, self.sender.post(body, call.attachments, wait=0)))
                if len(waiting) == WINDOW:
                    self._settle(*waiting.popleft())
            while waiting:
                self._settle(*waiting.popleft())
        except ClientError as failed:
            return failed
        return None

    def _call(self, index: int) -> Call[Uploaded]:
        return verbs.model_upload(
            digest=self.digest,
            index=index,
            attachment=0,
            attachments=(Attachment(b"", self.chunks[index]),),
        )

    def _settle(self, index: int, handed: Handed) -> None:
        """Wait for one chunk to be on the ledger."""
        sent = conclude(self.sender.follow(handed), self._call(index))
        self.gas_used += sent.gas_used
        self.fee += sent.fee
        self.progress(min((index + 1) * CHUNK_BYTES, self.total), self.total)
