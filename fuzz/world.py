"""A ledger with a history, in memory: what targets that need a chain begin from.

Made anew from the tests' own harness, so that it always fits the code at hand.
"""

from __future__ import annotations

import tempfile
from bisect import bisect_left
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from synnergy.chain.export import export_receipt
from synnergy.identity.keys import KeyPair
from synnergy.opcodes.context import Payload
from synnergy.receipts.file import Opening, decode_receipt_file, encode_receipt_file
from synnergy.rejected import Rejected
from synnergy.state.journal import Item
from synnergy.state.proofs import StateProof
from synnergy.vm.templates import template_opcode
from synnergy.wire.codec import Struct, decode, decode_trusted
from synnergy.wire.transaction import Attachment, Envelope
from tests.chain.market import call, licensed
from tests.chain.script import play
from tests.chain.small_models import linear
from tests.ledger.harness import (
    CONSUMER,
    OPERATOR,
    PUBLISHER,
    REGULATOR,
    SECOND,
    Ledger,
    key,
    tensors,
)

PEOPLE: tuple[KeyPair, ...] = (
    *(OPERATOR, REGULATOR, SECOND, PUBLISHER, CONSUMER),
    *(key("friend"), key("stranger")),
)
INPUT = tensors(X=np.array([[1, 2], [3, 4]], np.float32))
SALT = b"s" * 32


class Step(Struct, frozen=True, array_like=True):
    """One transaction of a history, `advance` ms after the last: sent by the nth of `PEOPLE`.

    `code` is a program, or the name of the verb whose template it is: no program is ASCII.
    """

    sender: Annotated[int, Meta(ge=0, le=6)]
    code: bytes
    arguments: bytes
    attachments: tuple[Attachment, ...]
    advance: Annotated[int, Meta(ge=0, le=10**11)]

    @property
    def verb(self) -> str | None:
        """The verb's name where the step is a template."""
        return self.code.decode() if self.code.isascii() else None


@dataclass
class World:
    """Committed state and files, the transactions that led there, a receipt and proofs."""

    model: bytes
    receipt: bytes
    refused: bytes
    proofs: tuple[StateProof, ...]
    chain_id: str
    app_hash: bytes
    height: int
    time: int
    state: dict[bytes, bytes]
    artefacts: dict[bytes, Payload]
    history: list[Step] = field(default_factory=list)
    envelopes: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.keys = sorted(self.state)

    def scan(self, start: bytes, stop: bytes | None, limit: int | None) -> list[Item]:
        """Committed items in key order, as the store gives them."""
        end = len(self.keys) if stop is None else bisect_left(self.keys, stop)
        found = self.keys[bisect_left(self.keys, start) : end][:limit]
        return [(name, self.state[name]) for name in found]


class Recording(Ledger):
    """A ledger that remembers what was put into its blocks."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.taken: list[tuple[bytes, int]] = []

    def block(self, *raw: bytes, advance: int = 1_000):
        self.taken += [(one, 0 if index else advance) for index, one in enumerate(raw)]
        return super().block(*raw, advance=advance)


@lru_cache(maxsize=1)
def world() -> World:
    """The history, played once in a process."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = Recording(Path(folder) / "data")
        try:
            return _play(ledger)
        finally:
            ledger.close()


def _play(ledger: Recording) -> World:
    play(ledger)
    content = linear("fuzz")
    model, licence = licensed(ledger, content, calls=1, name="fuzz")
    called = ledger.block(call(ledger, model, licence))[0]
    refused = ledger.block(call(ledger, model, licence))[0]
    files: list[bytes] = []
    for result in (called, refused):
        genesis = ledger.application.genesis
        exported = export_receipt(ledger.store, genesis, result.receipts[0])
        assert isinstance(exported, bytes)
        file = decode_receipt_file(exported)
        assert not isinstance(file, Rejected)
        files.append(
            encode_receipt_file(msgspec.structs.replace(file, opening=Opening(SALT, None, None)))
        )
    application = ledger.application
    state = dict(ledger.store.scan("state", b"", None))
    known = sorted(state)
    absent = [name[:-1] + bytes([name[-1] ^ 1]) for name in known[:8]]
    proofs = [application.query(name).proof for name in (*known[::9], *absent)]
    addresses = [pair.address for pair in PEOPLE]
    steps: list[Step] = []
    for raw, advance in ledger.taken:
        envelope = decode(raw, Envelope, len(raw))
        # Not every wallet of the history can send in a script.
        if isinstance(envelope, Rejected):
            continue
        verb = template_opcode(envelope.body.code)
        code = verb.encode() if verb else envelope.body.code
        if envelope.body.sender not in addresses:
            continue
        sender = addresses.index(envelope.body.sender)
        steps.append(Step(sender, code, envelope.body.data, envelope.attachments, advance))
    artefacts = {
        commitment: decode_trusted(stored, Payload)
        for commitment, stored in ledger.store.scan("artefacts", b"", None)
    }
    return World(
        model=content,
        receipt=files[0],
        refused=files[1],
        proofs=tuple(proofs),
        chain_id=application.chain_id,
        app_hash=application.app_hash,
        height=application.height,
        time=ledger.time,
        state=state,
        artefacts=artefacts,
        history=steps,
        envelopes=[raw for raw, _ in ledger.taken],
    )
