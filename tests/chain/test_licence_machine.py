"""MKT-5 … MKT-8, REG-7, INF-2, INF-3: what is bought, called, taken away and thawed, foretold.

Hypothesis drives a ledger with purchases, calls (several in one program, some that trap after),
offers, approvals with and without an end, revocations, withdrawals, freezes and jumps of time;
`market_rules` says beforehand what becomes of each, to the code of its refusal.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from synnergy.chain.replay import replay
from synnergy.identity.keys import KeyPair
from synnergy.opcodes import ledger as money
from synnergy.opcodes import licences, models, regulation
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.vm.program import instruction
from synnergy.wire.codec import decode
from tests.chain.market import calling, input_attachment, program_of
from tests.chain.market_rules import FRIEND, Licence, Market, Model, Offer
from tests.chain.small_models import doubled, linear
from tests.ledger.harness import (
    CONSUMER,
    DAY,
    OPERATOR,
    PUBLISHER,
    REGULATOR,
    SECOND,
    Ledger,
    genesis,
)

BUYERS = (CONSUMER, FRIEND, PUBLISHER)
TRAP = (instruction("CORE_UNREACHABLE"),)
MOST_PENDING = 4

#: What becomes of it at a time: the code of its refusal, or "". Asked in the block's order.
Foretold = Callable[[int], str]
#: What the ledger made: learnt from the output of a success.
Learnt = Callable[[bytes, int], None]


class LicenceMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="licences-"))
        self.ledger = Ledger(self.folder / "data")
        self.market = Market()
        self.offers: list[tuple[bytes, Offer]] = []
        self.pending: list[tuple[bytes, Foretold, Learnt]] = []
        self.senders: dict[str, int] = {}
        assert self.ledger.register(FRIEND, "consumer").status == "ok"
        self.ledger.ok(OPERATOR, "LEDGER_TRANSFER", money.Transfer(FRIEND.address, 10**10))
        for content, risk in ((linear(), "limited"), (doubled(), "high")):
            model = self.ledger.publish(content, name=risk, risk=risk)
            self.market.models[model] = Model(self.ledger.model(model).digest, risk)
        self.models = tuple(self.market.models)
        for model in self.models:
            for regulator in (REGULATOR, SECOND):
                self.approve(model, regulator, 0)
            self.make_block(1)
            self.offer(model, 10, 2, 40)
            self.make_block(1)
            for buyer in (CONSUMER, FRIEND):
                self.buy(self.offers[-1], buyer, 4)
        self.make_block(1)

    # ---- carrying things out ---------------------------------------------------------------

    def queue(
        self,
        sender: KeyPair,
        verb: str,
        arguments: object,
        *rest: object,
        foretold: Foretold,
        learnt: Learnt = lambda output, time: None,
        **header: object,
    ) -> None:
        """Sign now, put into the next block; nonces follow those already waiting."""
        account = records.accounts.load(self.ledger.state, sender.address)
        waiting = self.senders.get(sender.address, 0)
        self.senders[sender.address] = waiting + 1
        nonce = (account.nonce if account else 0) + waiting
        raw = self.ledger.envelope(sender, verb, arguments, *rest, nonce=nonce, **header)  # type: ignore[arg-type]
        self.pending.append((raw, foretold, learnt))
        if len(self.pending) == MOST_PENDING:
            self.make_block(1)

    @rule(advance=st.sampled_from([1, 1, 1_000, 1_000, DAY // 2, DAY, 3 * DAY, 20 * DAY]))
    def make_block(self, advance: int) -> None:
        """Everything that waits, in one block; each ends as foretold."""
        pending, self.pending, self.senders = self.pending, [], {}
        time = self.ledger.time + advance
        results = self.ledger.block(*(raw for raw, *_ in pending), advance=advance)
        self.market.begin_block(time)
        for (_, foretold, learnt), result in zip(pending, results, strict=True):
            code = foretold(time)
            assert (result.status, result.code) == ("refused" if code else "ok", code), (
                result.message
            )
            if not code:
                learnt(result.output, time)

    # ---- rules -----------------------------------------------------------------------------

    def buy(self, shown: tuple[bytes, Offer], who: KeyPair, calls: int) -> None:
        model, offer = shown
        known = self.market.models[model]

        def learnt(output: bytes, time: int) -> None:
            made = decode(output, licences.Bought, 1_000)
            assert not isinstance(made, Rejected)
            assert (made.escrow, made.expires) == (calls * offer.price, time + offer.lasts)
            self.market.licences[made.licence] = Licence(
                model, who.address, calls, offer.rows, offer.price, made.expires
            )

        self.queue(
            who,
            "LICENCE_BUY",
            licences.Buy(model, known.digest, offer.id, calls),
            foretold=lambda time: self.market.buy(who.address, model, offer, time),
            learnt=learnt,
        )

    @rule(
        data=st.data(), who=st.sampled_from((CONSUMER, FRIEND, *BUYERS)), calls=st.integers(1, 3)
    )
    def purchase(self, data: st.DataObject, who: KeyPair, calls: int) -> None:
        """Under an offer of the last ones: perhaps one that was replaced since."""
        self.buy(data.draw(st.sampled_from(self.offers[-3:])), who, calls)

    @rule(data=st.data(), calls=st.integers(1, 3), later=st.sampled_from([1, 1_000, DAY]))
    def use_up(self, data: st.DataObject, calls: int, later: int) -> None:
        """Buy, and call in later blocks until one call too many."""
        shown = data.draw(st.sampled_from(self.offers[-2:]))
        known = set(self.market.licences)
        self.buy(shown, CONSUMER, calls)
        self.make_block(1)
        for bought in set(self.market.licences) - known:
            for _ in range(calls + 1):
                self.invoke(bought, CONSUMER, shown[0], 1, True, 1, False)
                self.make_block(later)

    @rule(
        data=st.data(),
        who=st.sampled_from((None, None, None, *BUYERS)),
        other=st.booleans(),
        rows=st.integers(1, 3),
        good=st.sampled_from((True, True, True, False)),
        times=st.integers(1, 3),
        trap=st.booleans(),
    )
    def call(
        self,
        data: st.DataObject,
        who: KeyPair | None,
        other: bool,
        rows: int,
        good: bool,
        times: int,
        trap: bool,
    ) -> None:
        """Call on a licence some times in one program; mostly the owner, mostly its model."""
        if not self.market.licences:
            return
        licence = data.draw(st.sampled_from(list(self.market.licences)[-6:]))
        found = self.market.licences[licence]
        owner = CONSUMER if found.owner == CONSUMER.address else FRIEND
        model = found.model
        if other and data.draw(st.booleans()):
            model = next(one for one in self.models if one != model)
        self.invoke(licence, who or owner, model, rows, good, times, trap)

    def invoke(
        self,
        licence: bytes,
        caller: KeyPair,
        model: bytes,
        rows: int,
        good: bool,
        times: int,
        trap: bool,
    ) -> None:
        numbers = np.full((rows, 2), 1 if good else np.inf, np.float32)
        ending = TRAP if trap else ()
        steps = (("INFERENCE_INVOKE", calling(model, licence)),) * times
        code, encoded = program_of(*steps, ending=ending)

        def foretold(time: int) -> str:
            for _ in range(times):
                refused = self.market.call(caller.address, model, licence, rows, good, time)
                if refused:
                    return refused
            return "unreachable" if trap else ""

        self.queue(caller, "", encoded, input_attachment(numbers), foretold=foretold, code=code)

    def offer(self, model: bytes, price: int, rows: int, days: int) -> None:
        made = Offer(price, rows, days * DAY)
        terms = models.PutOffer(model, self.market.models[model].digest, price, rows, days * DAY)

        def learnt(_: bytes, __: int) -> None:
            record = records.offers.load(self.ledger.state, model)
            if record is not None and self.market.models[model].offer is made:
                made.id = record.id
                self.offers.append((model, made))

        self.queue(
            PUBLISHER,
            "MODEL_OFFER",
            terms,
            foretold=lambda time: self.market.put_offer(model, made, time),
            learnt=learnt,
        )
        self.make_block(1)

    @rule(data=st.data(), price=st.integers(0, 9), rows=st.integers(1, 3), days=st.integers(1, 30))
    def change_offer(self, data: st.DataObject, price: int, rows: int, days: int) -> None:
        self.offer(data.draw(st.sampled_from(self.models)), price, rows, days)

    def approve(self, model: bytes, regulator: KeyPair, days: int) -> None:
        until = self.ledger.time + days * DAY if days else 0

        def foretold(time: int) -> str:
            if until and until <= time:
                return "approval_expired"
            return self.market.approve(model, regulator.address, until)

        arguments = self.ledger.approval(model, until=until)
        self.queue(regulator, "MODEL_APPROVE", arguments, foretold=foretold)

    @rule(
        data=st.data(), who=st.sampled_from((REGULATOR, SECOND)), days=st.sampled_from((0, 0, 2))
    )
    def approve_again(self, data: st.DataObject, who: KeyPair, days: int) -> None:
        self.approve(data.draw(st.sampled_from(self.models)), who, days)

    @rule()
    def put_all_right(self) -> None:
        """Thaw and approve everything, so that something can be bought again."""
        for who in BUYERS:
            if who.address in self.market.frozen:
                self.unfreeze(who)
        for model, known in self.market.models.items():
            for regulator in (REGULATOR, SECOND):
                if known.approvals.get(regulator.address) != 0:
                    self.approve(model, regulator, 0)
        self.make_block(1)

    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        model = data.draw(st.sampled_from(self.models))
        arguments = models.Revoke(model, "tested")
        self.queue(
            REGULATOR, "MODEL_REVOKE", arguments, foretold=lambda _: self.market.revoke(model)
        )

    @rule(data=st.data(), sure=st.integers(0, 3))
    def withdraw(self, data: st.DataObject, sure: int) -> None:
        """For good, and therefore seldom."""
        if sure:
            return
        model = data.draw(st.sampled_from(self.models))
        self.queue(
            PUBLISHER,
            "MODEL_WITHDRAW",
            models.Withdraw(model),
            foretold=lambda _: self.market.withdraw(model),
        )

    @rule(who=st.sampled_from(BUYERS), thaw=st.booleans())
    def freeze(self, who: KeyPair, thaw: bool) -> None:
        """Freeze a wallet; perhaps for no longer than the block it is in."""
        self.queue(
            REGULATOR,
            "REGULATION_FREEZE",
            regulation.Freeze(who.address, "tested"),
            foretold=lambda _: self.market.freeze(who.address),
        )
        if thaw:
            self.unfreeze(who)

    @rule(data=st.data(), frozen=st.booleans(), advance=st.sampled_from([1, 1_000]))
    def take_away_and_give_back(self, data: st.DataObject, frozen: bool, advance: int) -> None:
        """All in one block, with a purchase after: what was open is refunded all the same."""
        shown = data.draw(st.sampled_from(self.offers[-2:]))
        self.make_block(advance)
        if frozen:
            self.freeze(PUBLISHER, thaw=True)
        else:
            self.queue(
                REGULATOR,
                "MODEL_REVOKE",
                models.Revoke(shown[0], "for a moment"),
                foretold=lambda _: self.market.revoke(shown[0]),
            )
            self.approve(shown[0], SECOND, 0)
            self.approve(shown[0], REGULATOR, 0)
        self.buy(shown, CONSUMER, 2)
        self.make_block(advance)

    def unfreeze(self, who: KeyPair) -> None:
        self.queue(
            REGULATOR,
            "REGULATION_UNFREEZE",
            regulation.Unfreeze(who.address),
            foretold=lambda _: self.market.unfreeze(who.address),
        )

    # ---- what holds after each step --------------------------------------------------------

    @invariant()
    def everyone_owns_what_is_theirs(self) -> None:
        state = self.ledger.state
        found = {
            identifier: (one.licensee, one.model, one.calls, one.used, one.status, one.escrow)
            for identifier, one in records.licences.scan(state)
        }
        assert found == {
            identifier: (
                *(one.owner, one.model, one.calls, one.used, one.status),
                (one.calls - one.used) * one.price if one.status == "open" else 0,
            )
            for identifier, one in self.market.licences.items()
        }
        due = {key[2] for key, _ in records.deadlines.scan(state) if key[1] == "licence"}
        opened = {name for name, one in self.market.licences.items() if one.status == "open"}
        assert due == opened
        assert {name for (_, name), _ in records.open_licences.scan(state)} == opened

    def teardown(self) -> None:
        """A replay into a fresh ledger gives the same app hash."""
        application = self.ledger.application
        self.ledger.close()
        found = replay(self.folder / "data", genesis())
        shutil.rmtree(self.folder)
        assert (found.problem, found.app_hash) == (None, application.app_hash)


TestLicences = LicenceMachine.TestCase
TestLicences.settings = settings(
    max_examples=50,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
