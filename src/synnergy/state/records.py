"""What the ledger's state holds: one struct and one table for each kind of record (LEDGER-4).

Money is conserved: balances + escrowed + deposits = supply; fees are inside the balance of the
account that genesis names.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from synnergy.state.accumulator import Accumulator
from synnergy.state.journal import Reader
from synnergy.state.tables import Table
from synnergy.wire.codec import Struct
from synnergy.wire.types import (
    Address,
    Amount,
    Count,
    Digest,
    Gas,
    Height,
    Jurisdiction,
    Name,
    ShortText,
    Text,
    Time,
)

Role = Literal["consumer", "operator", "publisher", "regulator", "trainer"]
#: What can be noticed about a wallet (OVR-2 … OVR-7).
FlagKind = Literal["amount", "ceiling", "denials", "ramp", "ring", "velocity"]
Risk = Literal["minimal", "limited", "high"]
#: A validator's weight in CometBFT; what all of them may weigh together is far from its bounds.
VotingPower = Annotated[int, Meta(ge=0, le=1_000_000_000)]
#: Nodes of a network, with and without a vote.
MAX_VALIDATORS = 128
NodeId = Annotated[bytes, Meta(min_length=20, max_length=20)]
#: Where clients reach a node; they are shown it and follow it, so nothing else gets in.
Endpoint = Annotated[
    str,
    Meta(
        max_length=200,
        pattern=r"^(https?://[!-~]+)?$(?!\n)",
        description="URL of a node's API, or empty",
    ),
]
ModelId = Annotated[bytes, Meta(min_length=20, max_length=20)]


class Account(Struct, frozen=True):
    """Balance in smallest units, and the nonce that the next transaction must carry."""

    balance: Amount
    nonce: Count


class Wallet(Struct, frozen=True):
    """A wallet known to the regulatory node; `roles` and `flags` sorted and unique.

    `flags` are the kinds of its open flags, whose figures `Flags` holds. `cohort` is the height of
    its first registration. A contract is a wallet too: it has no key, and `deployer` names the
    wallet that answers for it.
    """

    public_key: bytes
    jurisdiction: Jurisdiction
    roles: tuple[Role, ...]
    attestation: Digest | None
    registered_by: Address | None
    registered_height: Height
    frozen: bool
    freeze_reason: ShortText
    deregistered: bool
    cohort: Height
    deployer: Address | None
    flags: tuple[FlagKind, ...]


class RotatedKey(Struct, frozen=True):
    """The one wallet that a key was rotated into, for ever, whether it is still in use or not."""

    address: Address


class Denials(Struct, frozen=True):
    """Refused actions of a wallet, written after the rollback of what was refused.

    `recent` of them fell into the window that began at `window`, and into no flag yet.
    """

    count: Count
    last_rule: ShortText
    last_height: Height
    window: Time
    recent: Count


class Oversight(Struct, frozen=True):
    """When conduct is flagged (OVR-1): factors, samples, and windows of block time in ms.

    A factor of 0 never flags.
    """

    window: Annotated[int, Meta(ge=1_000, le=366 * 24 * 3600 * 1000)]
    amount_sample: Annotated[int, Meta(ge=1, le=1_000)]
    amount_factor: Annotated[int, Meta(ge=0, le=1_000_000)]
    velocity_windows: Annotated[int, Meta(ge=1, le=1_000)]
    velocity_payments: Annotated[int, Meta(ge=1, le=1_000_000)]
    velocity_factor: Annotated[int, Meta(ge=0, le=1_000_000)]
    ceiling: Amount
    denials: Annotated[int, Meta(ge=1, le=1_000_000)]
    ramp_rises: Annotated[int, Meta(ge=1, le=1_000)]
    ramp_factor: Annotated[int, Meta(ge=0, le=1_000_000)]
    ring_wallets: Annotated[int, Meta(ge=2, le=8)]
    cohort_blocks: Annotated[int, Meta(ge=1, le=1_000_000)]


class SpendingLimit(Struct, frozen=True):
    """At most `amount` leaves the wallet in each `period` of ms; the present one began at
    `start`, and `spent` left in it (OVR-11)."""

    amount: Amount
    period: Annotated[int, Meta(ge=1_000, le=10 * 366 * 24 * 3600 * 1000)]
    start: Time
    spent: Amount


class CohortKey(Struct, frozen=True):
    """A group of wallets that one regulator registered from this height on (OVR-8)."""

    regulator: Address
    height: Height


class Activity(Struct, frozen=True):
    """What left a wallet, as running figures of a fixed size (OVR-2 … OVR-6).

    `payments` and `total` are the sample that an amount is held against. `window_payments` fell
    into the window that began at `window`; `windows` earlier ones saw `earlier` payments. An epoch
    is five payments: `epoch_payments` and `epoch_total` are of the present one, `last_epoch` is
    the total of the one before, after `rises` rises in a row from `base`; `dust` payments in a
    row were too small for it.
    """

    payments: Count
    total: Amount
    window: Time
    window_payments: Count
    windows: Count
    earlier: Count
    epoch_payments: Count
    epoch_total: Amount
    last_epoch: Amount
    base: Amount
    rises: Count
    dust: Count
    cohort: CohortKey | None
    limit: SpendingLimit | None


class Paid(Struct, frozen=True):
    """Who of a cohort paid one recipient, and how much, in the present window."""

    recipient: Address
    payers: tuple[Address, ...]
    amount: Amount


class Cohort(Struct, frozen=True):
    """What the wallets of a cohort paid in the window that began at `window` (OVR-7).

    `first` are the first of its `wallets`. `payers` paid anybody, and `amount` is the sum;
    `inner` paid each other. Each tuple of wallets ends where there are enough to be a ring.
    """

    wallets: Count
    first: tuple[Address, ...]
    window: Time
    payers: tuple[Address, ...]
    amount: Amount
    inner: tuple[Address, ...]
    recipients: tuple[Paid, ...]


class LastCohort(Struct, frozen=True):
    """The height of a regulator's latest cohort."""

    height: Height


class Flag(Struct, frozen=True):
    """Something noticed about a wallet, and the figures that made it so, by name."""

    kind: FlagKind
    height: Height
    time: Time
    figures: dict[str, int | str]


class Flags(Struct, frozen=True):
    """A wallet's open flags: one of a kind, sorted by it."""

    flags: tuple[Flag, ...]


class Money(Struct, frozen=True):
    """Totals beside the balances: supply = balances + escrowed + deposits."""

    supply: Amount
    escrowed: Amount
    deposits: Amount


class Governance(Struct, frozen=True):
    """Who governs, and the versions in force. `regulators` sorted; m of them is `threshold`."""

    regulators: tuple[Address, ...]
    threshold: Count
    fee_account: Address
    minimum_gas_price: Amount
    policy_version: Count
    protocol_version: Count
    gas_version: Count


class Retention(Struct, frozen=True):
    """How long nodes keep a payload after a block last carried it, in ms; 0: for ever."""

    milliseconds: Time


class Upgrade(Struct, frozen=True):
    """The protocol version that is in force from the start of block `height` on."""

    version: Count
    height: Height


class PolicyRecord(Struct, frozen=True):
    version: Count
    hash: Digest
    text: Text
    height: Height


class Proposal(Struct, frozen=True):
    """A governed verb that waits until `threshold` regulators gave the same one."""

    opcode: ShortText
    arguments: bytes
    regulators: tuple[Address, ...]
    height: Height
    expires: Time


class Artefact(Struct, frozen=True):
    """A content-addressed file that `owner` committed to first; chunks arrive in order.

    Content lies beside the tree under the chunks' digests. `deposit` is held until the upload
    is complete and published, and forfeited when it expires first.
    """

    owner: Address
    size: Count
    chunks: tuple[Digest, ...]
    received: Count
    published: bool
    deposit: Amount
    expires: Time


class Document(Struct, frozen=True):
    """A licence, intended-use or limitations text, under its digest."""

    text: Text


Dimension = int | str | None
#: What a model calls a tensor; the tensor engine allows 1,024 bytes.
ValueName = Annotated[str, Meta(max_length=1_024)]


class TensorSpec(Struct, frozen=True):
    """A model's input or output: element type and shape (symbol or None where it varies)."""

    name: ValueName
    dtype: ShortText
    shape: tuple[Dimension, ...] | None


class Revocation(Struct, frozen=True):
    regulator: Address
    reason: ShortText
    height: Height


class Model(Struct, frozen=True):
    """A published version: everything but `withdrawn` and `revocation` is immutable."""

    id: ModelId
    publisher: Address
    name: Name
    version: Name
    digest: Digest
    size: Count
    risk: Risk
    jurisdictions: tuple[Jurisdiction, ...]
    licence_text: Digest | None
    intended_use: Digest | None
    limitations: Digest | None
    allow_missing: bool
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[ValueName, ...]
    published_height: Height
    published_time: Time
    withdrawn: bool
    revocation: Revocation | None


class Approval(Struct, frozen=True):
    """One regulator's signed yes to digest, risk and jurisdictions; `until` 0 means no end."""

    regulator: Address
    evidence: Digest | None
    until: Time
    height: Height


class Approvals(Struct, frozen=True):
    approvals: tuple[Approval, ...]


class Offer(Struct, frozen=True):
    """The terms on sale; `id` binds digest and terms, so that a buyer gets what was shown.

    Sold are calls, each at its price, or, where `period` isn't 0, periods of so many ms.
    """

    id: Digest
    price_per_call: Amount
    price_per_period: Amount
    period: Count
    max_rows: Count
    expires_after: Time
    height: Height


LicenceStatus = Literal["open", "spent", "expired", "closed"]


class Licence(Struct, frozen=True):
    """Paid calls, or periods where `period` isn't 0. `used` counts calls in both cases.

    While open, escrow = price_per_call × (calls − used) or price_per_period × (periods − settled),
    else 0. Calls before `paid_until` are in a period that is settled.
    """

    id: Digest
    model: ModelId
    licensee: Address
    publisher: Address
    offer: Digest
    price_per_call: Amount
    price_per_period: Amount
    period: Count
    max_rows: Count
    calls: Count
    periods: Count
    used: Count
    settled: Count
    paid_until: Time
    bought: Time
    escrow: Amount
    expires: Time
    gas_version: Count
    transaction: Digest
    height: Height
    status: LicenceStatus


class Stats(Struct, frozen=True):
    calls: Count
    revenue: Amount
    gas: Gas
    licensees: Count
    failures: Count


class Contract(Struct, frozen=True):
    """A program at an address: `creator` deployed it, the wallet `deployer` answers for it.

    They differ where a contract deployed it. `size` of the program in bytes.
    """

    creator: Address
    deployer: Address
    program: Digest
    size: Count
    height: Height


class ContractProgram(Struct, frozen=True):
    """A verified program's bytes, under their digest; contracts of one program share it."""

    code: bytes


class Stored(Struct, frozen=True):
    """A value in a contract's storage."""

    value: bytes


class Validator(Struct, frozen=True):
    """A node of the network, under its consensus key (NET-2); without `power` it has no vote.

    `operator` is the wallet that answers for it, `node_id` how CometBFT's peers call it, and
    `endpoint` the URL of its API, "" where not public; admitted at `height`, 0 in genesis.
    """

    power: VotingPower
    operator: Address
    node_id: NodeId
    endpoint: Endpoint
    height: Height


class Marker(Struct, frozen=True):
    """Presence of the key is the information."""


accounts = Table(b"ac", "accounts", Account)
wallets = Table(b"wa", "wallets", Wallet)
#: Every key that was rotated in (ID-5); the others are found by the address they give.
keys = Table(b"ke", "keys", RotatedKey)
denials = Table(b"dn", "denials", Denials)
oversight = Table(b"ov", "oversight", Oversight)
activities = Table(b"ay", "activities", Activity)
flags = Table(b"fg", "flags", Flags)
#: (regulator, height) → what the wallets registered together paid.
cohorts = Table(b"ch", "cohorts", Cohort)
last_cohorts = Table(b"lc", "last_cohorts", LastCohort)
money = Table(b"mo", "money", Money)
governance = Table(b"gv", "governance", Governance)
retention = Table(b"rt", "retention", Retention)
#: The upgrade that was agreed on and has not come yet.
upgrade = Table(b"up", "upgrade", Upgrade)
policies = Table(b"po", "policies", PolicyRecord)
proposals = Table(b"pr", "proposals", Proposal)
artefacts = Table(b"ar", "artefacts", Artefact)
documents = Table(b"do", "documents", Document)
models = Table(b"md", "models", Model)
#: (publisher, name, version) → marker, so that a publisher's models can be listed.
publications = Table(b"pu", "publications", Marker)
approvals = Table(b"ap", "approvals", Approvals)
offers = Table(b"of", "offers", Offer)
licences = Table(b"li", "licences", Licence)
#: (model, licence) of every open licence.
open_licences = Table(b"ol", "open_licences", Marker)
#: (model, licensee) of everyone who ever bought.
licensees = Table(b"ls", "licensees", Marker)
stats = Table(b"st", "stats", Stats)
#: (deadline in ms, kind, id): what falls due when (MKT-8).
deadlines = Table(b"dl", "deadlines", Marker)
#: Models whose open licences are being refunded.
closing = Table(b"cl", "closing", Marker)
contracts = Table(b"ct", "contracts", Contract)
programs = Table(b"pg", "programs", ContractProgram)
#: (contract, key) → value.
storage = Table(b"cs", "storage", Stored)
#: Consensus key → node of the network; empty where one node makes the blocks.
validators = Table(b"va", "validators", Validator)
receipts_root = Table(b"rr", "receipts", Accumulator)

#: Key of the tables that hold a single record.
SINGLE = ""


def retention_of(state: Reader) -> int:
    """The retention period in force, in ms; 0 where payloads are kept for ever (ERASE-5)."""
    record = retention.load(state, SINGLE)
    return record.milliseconds if record is not None else 0
