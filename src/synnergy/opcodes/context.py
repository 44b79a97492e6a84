"""What a domain opcode sees while it is priced, authorised and applied."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from synnergy.gas.meter import Meter
from synnergy.gas.schedule import Schedule, load_schedule
from synnergy.identity.authenticate import Transaction
from synnergy.policy.engine import CompiledSet, Verdict
from synnergy.receipts.receipt import Receipt
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.state.journal import Journal
from synnergy.tensor.encoding import NamedTensor
from synnergy.vm.cache import ProgramCache
from synnergy.wire.codec import Struct
from synnergy.wire.transaction import Attachment
from synnergy.wire.types import MAX_INTEGER, ShortText


class Event(Struct, frozen=True):
    """Something that happened, for audit: no personal data, values already as text."""

    name: ShortText
    attributes: dict[str, str]


class Payload(Struct, frozen=True):
    """An attachment or output as kept beside the tree; `parties` may read it, () means anyone.

    The first party is the one that carried it first. `time` is that of the block that carried it
    last, in ms; 0 for artefact chunks, which are kept. `padding` is zeros, by which a payload
    fills pages of its own on the disk.
    """

    salt: bytes
    content: bytes
    parties: tuple[str, ...]
    time: int = 0
    padding: bytes = b""


@dataclass(frozen=True, slots=True)
class BlockInfo:
    """What a transaction may know of its block; `time` in ms UTC."""

    chain_id: str
    height: int
    time: int


@dataclass(frozen=True, slots=True)
class Erasure:
    """That `by` asked for the payload of `commitment` to be erased, in a verb that took effect."""

    commitment: bytes
    by: str


@dataclass(frozen=True, slots=True)
class Settlement:
    """A call that returned outputs: settled whatever becomes of its transaction (MKT-6)."""

    licence: bytes
    tensor_gas: int
    receipt: Receipt
    event: Event
    output: tuple[bytes, Payload]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call of a model returned, for the wallet that asked."""

    caller: str
    model: bytes
    outputs: list[NamedTensor]


@dataclass(frozen=True, slots=True)
class Frame:
    """A contract that runs, who called it, and the wallet that answers for it."""

    contract: str
    caller: str
    deployer: str


class Context(msgspec.Struct, eq=False):
    """One transaction's execution. The journal is the only way to change state.

    `artefact_chunk` reads a file's chunk, beside the tree, by digest. `frames` are the contracts
    that run, the innermost last, and `meter` is that one's. `settlements`, `attempts`, `refusals`
    and `failed_models` outlive a rollback; `events` do not. `prepared` carries work from an
    opcode's price to its effect, so that an input is decoded once; `answers` keeps the outputs of
    this transaction's calls, by receipt, beside the wallet that asked. In `quoting` mode nothing
    is authorised and no model runs. A struct, each of which has empty lists of its own, since
    one is made for every transaction.
    """

    journal: Journal
    block: BlockInfo
    transaction: Transaction
    meter: Meter
    schedule: Schedule
    policy: CompiledSet
    artefact_chunk: Callable[[bytes], Payload | None]
    programs: ProgramCache
    quoting: bool = False
    frames: list[Frame] = []
    operations: int = 0
    invocations: int = 0
    verdict: Verdict | None = None
    events: list[Event] = []
    settlements: list[Settlement] = []
    erasures: list[Erasure] = []
    answers: dict[bytes, Answer] = {}
    #: The INVOKE at hand, until it returns; those that failed for good; and why whatever failed.
    attempt: Receipt | None = None
    attempts: list[Receipt] = []
    refusals: list[Rejected] = []
    failed_models: list[bytes] = []
    prepared: object = None

    @property
    def sender(self) -> str:
        """Who signed the transaction and pays for it: the origin of all it does."""
        return self.transaction.body.sender

    @property
    def actor(self) -> str:
        """Whose funds, licences and uploads a verb acts on: the contract's where one runs."""
        return self.frames[-1].contract if self.frames else self.sender

    @property
    def frame(self) -> Frame | None:
        """The contract that runs, None in the transaction's own program."""
        return self.frames[-1] if self.frames else None

    def governance(self) -> records.Governance:
        """The governance record; every chain has one from genesis on."""
        record = records.governance.load(self.journal, records.SINGLE)
        if record is None:
            raise LookupError("state has no governance record")
        return record

    def emit(self, event: str, /, **attributes: object) -> None:
        """Record an event; bytes appear as hex."""
        shown = {
            key: value
            if type(value) is str
            else value.hex()
            if isinstance(value, bytes)
            else str(value)
            for key, value in attributes.items()
        }
        self.events.append(Event(event, shown))

    def attachment(self, index: int) -> Attachment | Rejected:
        """The transaction's attachment at `index`."""
        attachments = self.transaction.attachments
        if index >= len(attachments):
            return Rejected(
                "TX-4",
                "missing_attachment",
                f"the program names attachment {index}, the transaction has {len(attachments)}",
            )
        return attachments[index]

    def unique_id(self, kind: str) -> bytes:
        """A 32-byte id, distinct for each operation of each transaction."""
        position = self.operations.to_bytes(4, "big")
        prefix = f"synnergy/{kind}/1".encode() + b"\x00"
        return hashlib.sha256(prefix + self.transaction.id + position).digest()

    def schedule_of(self, version: int) -> Schedule:
        """The gas table that a licence pins."""
        return self.schedule if version == self.schedule.version else load_schedule(version)


def move(journal: Journal, source: str, target: str, amount: int) -> Rejected | None:
    """Move `amount` between balances; creates the target's account (LEDGER-1)."""
    debit_refused = debit(journal, source, amount)
    if debit_refused is not None:
        return debit_refused
    credit(journal, target, amount)
    return None


def debit(journal: Journal, address: str, amount: int) -> Rejected | None:
    """Take `amount` from a balance, or say what is missing."""
    account = records.accounts.load(journal, address)
    balance = account.balance if account else 0
    if account is None or balance < amount:
        return Rejected(
            "LEDGER-2",
            "insufficient_funds",
            f"{address} has {balance} available, {amount} is needed",
        )
    records.accounts.save(journal, address, records.Account(balance - amount, account.nonce))
    return None


def credit(journal: Journal, address: str, amount: int) -> None:
    """Add `amount` to a balance. The supply is below 2^53, so no sum overflows."""
    account = records.accounts.load(journal, address) or records.Account(0, 0)
    assert account.balance + amount <= MAX_INTEGER
    records.accounts.save(
        journal, address, records.Account(account.balance + amount, account.nonce)
    )


def hold(journal: Journal, *, escrowed: int = 0, deposits: int = 0) -> None:
    """Add to (or, negative, take from) the totals held outside balances (LEDGER-3)."""
    money = records.money.load(journal, records.SINGLE)
    assert money is not None
    records.money.save(
        journal,
        records.SINGLE,
        records.Money(money.supply, money.escrowed + escrowed, money.deposits + deposits),
    )
