"""What a ledger should hold, kept by an independent hand: plain dictionaries and sums.

It learns only what was signed and what each result says (status, fee, settled calls); from that
it foretells every balance, escrow, deposit and statistic.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from tests.ledger.harness import OPERATOR

FEES_TO = OPERATOR.address


@dataclass
class OpenLicence:
    """`left` are calls at `price`, or, with a `period` in ms, periods that nobody paid for yet."""

    model: bytes
    licensee: str
    publisher: str
    price: int
    left: int
    expires: int
    period: int = 0
    began: int = 0
    paid: set[int] = field(default_factory=set)


@dataclass
class Upload:
    owner: str
    deposit: int
    expires: int


@dataclass
class Statistics:
    calls: int = 0
    revenue: int = 0
    licensees: set[str] = field(default_factory=set)
    failures: int = 0


@dataclass
class Book:
    """Balances by address, nonces, open licences by id, uploads by digest, denials."""

    balances: dict[str, int]
    nonces: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    licences: dict[bytes, OpenLicence] = field(default_factory=dict)
    uploads: dict[bytes, Upload] = field(default_factory=dict)
    closing: set[bytes] = field(default_factory=set)
    statistics: dict[bytes, Statistics] = field(default_factory=lambda: defaultdict(Statistics))
    denials: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    receipts: int = 0

    def begin_block(self, time: int) -> None:
        """Refund and forfeit what is due, and what belongs to models that were closed."""
        for identifier, licence in list(self.licences.items()):
            if licence.expires <= time or licence.model in self.closing:
                self.balances[licence.licensee] += licence.price * licence.left
                del self.licences[identifier]
        self.closing.clear()
        for digest, upload in list(self.uploads.items()):
            if upload.expires <= time:
                self.balances[FEES_TO] += upload.deposit
                del self.uploads[digest]

    def pay_fee(self, sender: str, fee: int) -> None:
        self.nonces[sender] += 1
        self.balances[sender] -= fee
        self.balances[FEES_TO] += fee

    def settle(self, identifier: bytes, calls: int, time: int) -> None:
        licence = self.licences[identifier]
        units = calls
        if licence.period:
            number = (time - licence.began) // licence.period
            units = 0 if number in licence.paid else 1
            licence.paid.add(number)
        licence.left -= units
        self.balances[licence.publisher] += licence.price * units
        known = self.statistics[licence.model]
        known.calls += calls
        known.revenue += licence.price * units
        if licence.left == 0 and not licence.period:
            del self.licences[identifier]

    @property
    def escrowed(self) -> int:
        return sum(licence.price * licence.left for licence in self.licences.values())

    @property
    def deposits(self) -> int:
        return sum(upload.deposit for upload in self.uploads.values())
