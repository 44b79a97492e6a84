"""What a node answers, typed. Bytes are lower-case hex, times ms UTC, amounts smallest units.

Unknown fields are ignored, so that a newer node can say more.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Failure(msgspec.Struct, frozen=True):
    """The body of an error reply, inside `{"error": …}`.

    With the code `elsewhere` the `details` name the `endpoint` of a node that has what was asked.
    """

    code: str
    message: str
    rule: str = ""
    details: dict[str, Any] = {}


class ErrorReply(msgspec.Struct, frozen=True):
    error: Failure


class Result(msgspec.Struct, frozen=True):
    """What became of a committed transaction; `output` is what its program returned."""

    status: Literal["ok", "refused", "inadmissible"]
    rule: str
    code: str
    message: str
    gas_used: int
    fee: int
    output: str
    receipts: tuple[str, ...]
    where: str = ""
    events: tuple[dict[str, Any], ...] = ()


class TransactionReply(msgspec.Struct, frozen=True):
    """A transaction by id: `pending`, or with the block that holds it and its result.

    `dropped` is one that the node had accepted and then left out; `why` says what refused it.
    """

    transaction: str
    status: Literal["ok", "refused", "inadmissible", "pending", "dropped"]
    height: int | None = None
    index: int | None = None
    result: Result | None = None
    body: dict[str, Any] | None = None
    why: Failure | None = None


class Contract(msgspec.Struct, frozen=True):
    """A contract: who deployed it, who answers for it, and what it runs."""

    address: str
    creator: str
    deployer: str
    program: str
    size: int
    height: int
    balance: int
    frozen: bool


class Quote(msgspec.Struct, frozen=True):
    """What a transaction would be charged; `status` refused where a rule of its own refuses it."""

    gas: int
    fee: int
    status: Literal["ok", "refused"]
    rule: str = ""
    code: str = ""
    message: str = ""
    output: str = ""


class Governance(msgspec.Struct, frozen=True):
    regulators: tuple[str, ...]
    threshold: int
    fee_account: str
    minimum_gas_price: int
    policy_version: int
    protocol_version: int
    gas_version: int


class Upgrade(msgspec.Struct, frozen=True):
    """The protocol version from the start of block `height` on."""

    version: int
    height: int


class Chain(msgspec.Struct, frozen=True):
    """The chain that a node serves, as it stands."""

    chain_id: str
    height: int
    app_hash: str
    time: int
    governance: Governance
    local_only: bool
    limits: dict[str, int]
    chunk_bytes: int
    upgrade: Upgrade | None = None
    retention: int = 0


class Flag(msgspec.Struct, frozen=True):
    """What was noticed about a wallet; `figures` by name."""

    kind: str
    height: int
    time: int
    figures: dict[str, int | str]
    wallet: str = ""


class Flags(msgspec.Struct, frozen=True):
    """Open flags; `next` is where to go on from, None at the end."""

    flags: tuple[Flag, ...]
    next: str | None


class Limit(msgspec.Struct, frozen=True):
    """A wallet's spending limit in the present period, which renews at `renews`."""

    amount: int
    period: int
    start: int
    spent: int
    left: int
    renews: int


class Account(msgspec.Struct, frozen=True):
    address: str
    balance: int
    nonce: int
    registered: bool
    wallet: dict[str, Any] | None = None
    denials: dict[str, Any] | None = None
    flags: tuple[Flag, ...] = ()
    limit: Limit | None = None


class Event(msgspec.Struct, frozen=True):
    """Something that happened; `transaction` is None where it fell due by itself.

    `id` is what a later reading goes on behind.
    """

    id: str
    height: int
    time: int
    transaction: str | None
    index: int | None
    name: str
    attributes: dict[str, str]


class StateReply(msgspec.Struct, frozen=True):
    """A record of state, with the proof (canonical msgpack, hex) where one was asked for."""

    table: str
    raw_key: str
    value: Any
    height: int
    app_hash: str
    proof: str | None = None


class Block(msgspec.Struct, frozen=True):
    """The fields of a block's header, its signature, and its transactions' ids."""

    height: int
    time: int
    app_hash: str
    previous: str
    transactions_root: str
    results_root: str
    transactions: tuple[str, ...]
    results: tuple[dict[str, Any], ...]
    signature: str
    header_hash: str


class TensorSpec(msgspec.Struct, frozen=True):
    """A model's input: a dimension is a number, a symbol's name, or None where it varies."""

    name: str
    dtype: str
    shape: tuple[int | str | None, ...] | None


class Offer(msgspec.Struct, frozen=True):
    id: str
    price_per_call: int
    max_rows: int
    expires_after: int
    height: int = 0
    price_per_period: int = 0
    period: int = 0

    def price(self, calls: int, periods: int) -> int:
        """What so many calls or periods cost."""
        return self.price_per_period * periods if self.period else self.price_per_call * calls


class Stats(msgspec.Struct, frozen=True):
    calls: int
    revenue: int
    gas: int
    licensees: int
    failures: int


class Model(msgspec.Struct, frozen=True):
    """A published model as it stands: record, approvals in force, offer, statistics."""

    id: str
    publisher: str
    name: str
    version: str
    digest: str
    size: int
    risk: Literal["minimal", "limited", "high"]
    jurisdictions: tuple[str, ...]
    licence_text: str | None
    intended_use: str | None
    limitations: str | None
    allow_missing: bool
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[str, ...]
    published_height: int
    published_time: int
    withdrawn: bool
    revocation: dict[str, Any] | None
    reference: str
    approvals: tuple[dict[str, Any], ...]
    approvals_required: int
    offer: Offer | None
    stats: Stats
    status: str


class Models(msgspec.Struct, frozen=True):
    models: tuple[Model, ...]


class Artefact(msgspec.Struct, frozen=True):
    """A file that was committed to, and how many of its chunks the ledger has."""

    owner: str
    size: int
    chunks: int
    received: int
    published: bool


class Document(msgspec.Struct, frozen=True):
    text: str


class Licence(msgspec.Struct, frozen=True):
    id: str
    model: str
    licensee: str
    publisher: str
    offer: str
    price_per_call: int
    max_rows: int
    calls: int
    used: int
    escrow: int
    expires: int
    gas_version: int
    transaction: str
    height: int
    status: str
    price_per_period: int = 0
    period: int = 0
    periods: int = 0
    settled: int = 0
    paid_until: int = 0
    bought: int = 0


class Licences(msgspec.Struct, frozen=True):
    licences: tuple[Licence, ...]


class Policy(msgspec.Struct, frozen=True):
    version: int
    hash: str
    text: str
    height: int


class PolicyVerdict(msgspec.Struct, frozen=True):
    allowed: bool
    determining: tuple[str, ...]
    message: str
    policy_version: int


class Proposal(msgspec.Struct, frozen=True):
    """A governed verb that waits; `data` is its argument block, which `id` follows from."""

    id: str
    opcode: str
    arguments: Any
    data: str
    regulators: tuple[str, ...]
    agreed: int
    threshold: int
    height: int
    expires: int


class Proposals(msgspec.Struct, frozen=True):
    proposals: tuple[Proposal, ...]


class Validator(msgspec.Struct, frozen=True):
    """A node of the network; `address` is how CometBFT calls its consensus key."""

    public_key: str
    address: str
    power: int
    operator: str
    node_id: str
    endpoint: str
    height: int


class Validators(msgspec.Struct, frozen=True):
    """The nodes of the network, none on a chain of one node; `power` is that of all together."""

    validators: tuple[Validator, ...]
    power: int


class Health(msgspec.Struct, frozen=True):
    height: int
    app_hash: str
    catching_up: bool
    mempool: int
    engine: str
    policy_version: int
    protocol_version: int
    kernel: str
    chain_id: str = ""
    error: Failure | None = None
    peers: int = 0


class Payload(msgspec.Struct, frozen=True):
    """An attachment or output, opened; travels as msgpack."""

    salt: bytes
    content: bytes
