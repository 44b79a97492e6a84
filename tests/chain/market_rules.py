"""Who may buy and call what: the market's rules in plain words, by an independent hand.

It knows only what was signed and, of each block, its time. From that it foretells what becomes of
every purchase and call, and of every licence.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from tests.ledger.harness import CONSUMER, PUBLISHER, REGULATOR, SECOND, key

FRIEND = key("friend")
CONSUMERS = (CONSUMER.address, FRIEND.address)
REGULATORS = (REGULATOR.address, SECOND.address)


@dataclass(eq=False)
class Offer:
    """`id` is learnt from the ledger once its block is made."""

    price: int
    rows: int
    lasts: int
    id: bytes = b""


@dataclass
class Model:
    digest: bytes
    risk: str
    approvals: dict[str, int] = field(default_factory=dict)
    revoked: bool = False
    withdrawn: bool = False
    closing: bool = False
    offer: Offer | None = None


@dataclass
class Licence:
    model: bytes
    owner: str
    calls: int
    rows: int
    price: int
    expires: int
    used: int = 0
    status: Literal["open", "spent", "expired", "closed"] = "open"


@dataclass
class Market:
    """Models and licences by id, and who is frozen. Methods give a refusal's code, or ""."""

    models: dict[bytes, Model] = field(default_factory=dict)
    licences: dict[bytes, Licence] = field(default_factory=dict)
    frozen: set[str] = field(default_factory=set)

    def begin_block(self, time: int) -> None:
        """What is due ends: what has expired first, then what belongs to models that close."""
        for licence in self.licences.values():
            if licence.status == "open" and licence.expires <= time:
                licence.status = "expired"
        for licence in self.licences.values():
            if licence.status == "open" and self.models[licence.model].closing:
                licence.status = "closed"
        for model in self.models.values():
            model.closing = False

    def denial(self, who: str, model: Model, time: int, allowed: tuple[str, ...]) -> str:
        """Why the policy keeps a wallet from buying, calling or offering: the first reason."""
        standing = sum(until == 0 or until > time for until in model.approvals.values())
        reasons = {
            "approval_missing": standing < 1,
            "frozen_wallet": who in self.frozen,
            "model_revoked": model.revoked,
            "model_withdrawn": model.withdrawn,
            "publisher_frozen": PUBLISHER.address in self.frozen,
            "second_approval_missing": model.risk == "high" and standing < 2,
            "policy_denied": who not in allowed,
        }
        return next((reason for reason, holds in reasons.items() if holds), "")

    def buy(self, who: str, model: bytes, shown: Offer, time: int) -> str:
        known = self.models[model]
        refused = self.denial(who, known, time, CONSUMERS)
        if refused:
            return refused
        if known.offer is None:
            return "not_offered"
        if known.closing:
            return "closing"
        return "" if known.offer is shown else "offer_changed"

    def call(
        self, who: str, model: bytes, licence: bytes, rows: int, good: bool, time: int
    ) -> str:
        """One call; where it is allowed it is spent."""
        found = self.licences.get(licence)
        if found is None or found.model != model or found.owner != who:
            return "unlicensed"
        if found.status == "spent":
            return "exhausted"
        if found.status != "open" or found.expires <= time:
            return "licence_expired"
        refused = self.denial(who, self.models[model], time, CONSUMERS)
        if refused:
            return refused
        if not good:
            return "bad_input"
        if rows > found.rows:
            return "too_many_rows"
        found.used += 1
        if found.used == found.calls:
            found.status = "spent"
        return ""

    def put_offer(self, model: bytes, offer: Offer, time: int) -> str:
        known = self.models[model]
        refused = self.denial(PUBLISHER.address, known, time, (PUBLISHER.address,))
        if not refused:
            known.offer = offer
        return refused

    def withdraw(self, model: bytes) -> str:
        if PUBLISHER.address in self.frozen:
            return "frozen_wallet"
        known = self.models[model]
        known.withdrawn, known.offer, known.closing = True, None, True
        return ""

    def revoke(self, model: bytes) -> str:
        known = self.models[model]
        known.revoked, known.closing = True, True
        known.approvals.clear()
        return ""

    def approve(self, model: bytes, regulator: str, until: int) -> str:
        known = self.models[model]
        known.approvals[regulator] = until
        known.revoked = False
        return ""

    def freeze(self, who: str) -> str:
        self.frozen.add(who)
        if who == PUBLISHER.address:
            for model in self.models.values():
                model.closing = True
        return ""

    def unfreeze(self, who: str) -> str:
        if who not in self.frozen:
            return "not_frozen"
        self.frozen.discard(who)
        return ""
