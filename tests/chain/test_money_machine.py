"""LEDGER-3, MKT-6, MKT-8, TX-9: whatever is done in whatever order, the books agree.

Hypothesis drives a ledger with transfers, uploads, publications, approvals, offers, purchases,
calls good and bad, withdrawals, revocations, freezes, jumps of time, changes of policy and gas
limits that end anywhere; `bookkeeping` foretells the money.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from synnergy.chain.replay import replay
from synnergy.identity.keys import KeyPair
from synnergy.opcodes import artefacts, governance, licences, models, regulation
from synnergy.opcodes import ledger as money
from synnergy.pipeline import TransactionResult
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.vm.program import instruction
from synnergy.wire.codec import decode
from synnergy.wire.transaction import Attachment
from tests.chain.bookkeeping import Book, OpenLicence, Upload
from tests.chain.market import ROWS, calling, input_attachment, program_of
from tests.chain.small_models import doubled, linear
from tests.ledger.harness import (
    CONSUMER,
    DAY,
    OPERATOR,
    PUBLISHER,
    REGULATOR,
    SECOND,
    SUPPLY,
    Ledger,
    genesis,
    key,
)

PEOPLE = (OPERATOR, REGULATOR, SECOND, PUBLISHER, CONSUMER, key("third"))
STRANGER = key("stranger")
#: Mostly enough; otherwise anything from too little to carry it to the middle of the work.
LIMITS = st.just(50_000_000) | st.integers(1_000, 60_000)
BAD_ROWS = np.full((2, 2), np.inf, np.float32)
ENDINGS = (
    (),
    (instruction("CORE_UNREACHABLE"),),
    (instruction("CORE_LOOP", 0), instruction("CORE_BR", 0), instruction("CORE_END")),
)

#: A block of at most this many, so that failures of one don't hide too much.
MOST_PENDING = 4
INADMISSIBLE = ("gas_limit_too_low", "nonce_too_high", "unregistered", "insufficient_funds")

#: What a success means for the books, given the result.
Effect = Callable[[TransactionResult], None]


def output(result: TransactionResult, kind: type) -> object:
    found = decode(result.output, kind, 10_000)
    assert not isinstance(found, Rejected)
    return found


class MoneyMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="money-"))
        self.ledger = Ledger(self.folder / "data")
        self.book = Book({wallet.address: wallet.balance for wallet in genesis().wallets})
        self.book.balances[STRANGER.address] = self.book.balances[PEOPLE[-1].address] = 0
        self.models: list[bytes] = []
        self.bought: list[tuple[bytes, bytes]] = []
        self.files = 0
        self.pending: list[tuple[KeyPair, bytes, Effect, bytes | None]] = []
        self.register_third(("consumer",))
        self.transfer(OPERATOR, PEOPLE[-1], 10**9, 50_000_000)
        self.publish("limited", approved=True)
        self.buy(self.models[0], PEOPLE[-1], 2, 50_000_000)
        self.make_block(1)
        self.buy(self.models[0], CONSUMER, 5, 50_000_000)
        self.make_block(1)

    # ---- carrying things out ---------------------------------------------------------------

    def queue(
        self,
        sender: KeyPair,
        verb: str,
        arguments: object,
        *rest: object,
        effect: Effect = lambda _: None,
        licence: bytes | None = None,
        **header: object,
    ) -> None:
        """Sign now, put into the next block; nonces follow those already waiting."""
        waiting = sum(1 for other, *_ in self.pending if other == sender)
        nonce = self.book.nonces[sender.address] + waiting
        raw = self.ledger.envelope(sender, verb, arguments, *rest, nonce=nonce, **header)  # type: ignore[arg-type]
        self.pending.append((sender, raw, effect, licence))
        if len(self.pending) == MOST_PENDING:
            self.make_block(1)

    @rule(advance=st.sampled_from([1, 1_000, 3_600_000, DAY // 2, 8 * DAY]))
    def make_block(self, advance: int) -> None:
        """Everything that waits, in one block."""
        self.book.begin_block(self.ledger.time + advance)
        pending, self.pending = self.pending, []
        results = self.ledger.block(*(raw for _, raw, *_ in pending), advance=advance)
        for (sender, _, effect, licence), result in zip(pending, results, strict=True):
            if result.status == "inadmissible":
                assert result.code in INADMISSIBLE
                assert (result.fee, result.gas_used, result.receipts) == (0, 0, ())
                continue
            self.book.pay_fee(sender.address, result.fee)
            settled = sum(event.name == "inference.invoked" for event in result.events)
            if settled:
                assert licence is not None
                self.book.settle(licence, settled, self.ledger.time)
            self.book.receipts += bool(result.receipts)
            if result.status == "ok":
                effect(result)
            elif result.code not in ("out_of_gas", "unreachable"):
                self.book.denials[sender.address] += 1

    # ---- rules -----------------------------------------------------------------------------

    @rule(
        sender=st.sampled_from((*PEOPLE, STRANGER)),
        to=st.sampled_from((*PEOPLE, STRANGER)),
        amount=st.integers(0, 10**6) | st.integers(0, SUPPLY),
        limit=LIMITS,
    )
    def transfer(self, sender: KeyPair, to: KeyPair, amount: int, limit: int) -> None:
        def effect(_: TransactionResult) -> None:
            self.book.balances[sender.address] -= amount
            self.book.balances[to.address] += amount

        arguments = money.Transfer(to.address, amount)
        self.queue(sender, "LEDGER_TRANSFER", arguments, effect=effect, gas_limit=limit)

    def register_third(self, roles: tuple[str, ...]) -> None:
        third = PEOPLE[-1]
        statement = regulation.RegistrationStatement(third.public_key, "")
        signature = third.sign(regulation.statement_bytes(statement))
        arguments = regulation.Register(statement, signature, "GB", roles, None)  # type: ignore[arg-type]
        self.queue(REGULATOR, "REGULATION_REGISTER", arguments)

    def commit(self, limit: int) -> None:
        """An upload that nobody finishes: its deposit is forfeited after seven days."""
        self.files += 1
        digest = hashlib.sha256(b"unfinished" + bytes((self.files,))).digest()
        arguments = artefacts.Commit(digest, 600_000, (bytes(32), bytes(32)))
        self.queue(
            PUBLISHER, "MODEL_COMMIT", arguments, effect=self.held(digest, 2), gas_limit=limit
        )

    def held(self, digest: bytes, chunks: int) -> Effect:
        def effect(_: TransactionResult) -> None:
            deposit = artefacts.DEPOSIT_PER_CHUNK * chunks
            if digest not in self.book.uploads:
                self.book.balances[PUBLISHER.address] -= deposit
                expires = self.ledger.time + artefacts.UPLOAD_LIFETIME
                self.book.uploads[digest] = Upload(PUBLISHER.address, deposit, expires)

        return effect

    @precondition(lambda self: len(self.models) < 4)
    @rule(risk=st.sampled_from(["limited", "high"]), approved=st.booleans())
    def publish(self, risk: str, approved: bool) -> None:
        """Commit, upload and publish in one block; perhaps approved in the next."""
        self.files += 1
        name = f"m{self.files}"
        content = (linear if self.files % 2 else doubled)(name)
        digest = hashlib.sha256(content).digest()
        committed = artefacts.Commit(digest, len(content), (digest,))
        self.queue(PUBLISHER, "MODEL_COMMIT", committed, effect=self.held(digest, 1))
        upload = artefacts.Upload(digest, 0, 0)
        self.queue(PUBLISHER, "MODEL_UPLOAD", upload, (Attachment(b"", content),))

        def effect(result: TransactionResult) -> None:
            made = output(result, models.Published)
            assert isinstance(made, models.Published)
            deposit = self.book.uploads.pop(digest).deposit
            self.book.balances[PUBLISHER.address] += deposit
            self.models.append(made.model)

        arguments = models.Publish(digest, name, "1", risk, (), None, None, None, False)  # type: ignore[arg-type]
        self.queue(PUBLISHER, "MODEL_PUBLISH", arguments, effect=effect)
        self.make_block(1)
        if approved:
            self.put_on_sale(self.models[-1])
            self.buy(self.models[-1], CONSUMER, 3, 50_000_000)
            self.make_block(1)

    def put_on_sale(self, model: bytes, period: int = 0) -> None:
        """Thaw, approve and offer, so that what was taken away comes back, unless for good."""
        self.queue(REGULATOR, "REGULATION_UNFREEZE", regulation.Unfreeze(PUBLISHER.address))
        self.queue(REGULATOR, "REGULATION_UNFREEZE", regulation.Unfreeze(CONSUMER.address))
        self.make_block(1)
        for regulator in (REGULATOR, SECOND):
            self.queue(regulator, "MODEL_APPROVE", self.ledger.approval(model))
        self.make_block(1)
        self.offer(model, 500, 20 * DAY, period)
        self.make_block(1)

    def offer(self, model: bytes, price: int, lasts: int, period: int = 0) -> None:
        digest = self.ledger.model(model).digest
        per_call, per_period = (0, price) if period else (price, 0)
        arguments = models.PutOffer(model, digest, per_call, 100, lasts, per_period, period)
        self.queue(PUBLISHER, "MODEL_OFFER", arguments)

    @rule(
        data=st.data(),
        price=st.sampled_from([0, 1, 999, 10**11]),
        lasts=st.integers(1, 3),
        period=st.sampled_from([0, 3_600_000, DAY]),
    )
    def change_offer(self, data: st.DataObject, price: int, lasts: int, period: int) -> None:
        self.offer(data.draw(st.sampled_from(self.models)), price, lasts * DAY, period)

    def buy(self, model: bytes, consumer: KeyPair, calls: int, limit: int) -> None:
        offer = records.offers.load(self.ledger.state, model)
        if offer is None:
            return
        digest = self.ledger.model(model).digest

        def effect(result: TransactionResult) -> None:
            made = output(result, licences.Bought)
            assert isinstance(made, licences.Bought)
            price = offer.price_per_period if offer.period else offer.price_per_call
            lasts = offer.period * calls if offer.period else offer.expires_after
            self.book.balances[consumer.address] -= calls * price
            expires = self.ledger.time + lasts
            assert (made.escrow, made.expires) == (calls * price, expires)
            self.book.licences[made.licence] = OpenLicence(
                model,
                consumer.address,
                PUBLISHER.address,
                price,
                calls,
                expires,
                offer.period,
                self.ledger.time,
            )
            self.book.statistics[model].licensees.add(consumer.address)
            self.bought.append((model, made.licence))

        units = (0, calls) if offer.period else (calls, 0)
        arguments = licences.Buy(model, digest, offer.id, *units)
        self.queue(consumer, "LICENCE_BUY", arguments, effect=effect, gas_limit=limit)

    @rule(
        data=st.data(),
        consumer=st.sampled_from((CONSUMER, PEOPLE[-1], PUBLISHER)),
        calls=st.integers(1, 5),
        limit=LIMITS,
        period=st.sampled_from([0, 3_600_000, DAY]),
    )
    def purchase(
        self, data: st.DataObject, consumer: KeyPair, calls: int, limit: int, period: int
    ) -> None:
        """Calls, or as many periods."""
        model = data.draw(st.sampled_from(self.models))
        if data.draw(st.booleans()):
            self.put_on_sale(model, period)
        self.buy(model, consumer, calls, limit)

    @rule(
        data=st.data(),
        good=st.sampled_from((True, True, False)),
        limit=LIMITS,
        caller=st.sampled_from((CONSUMER, CONSUMER, PEOPLE[-1])),
    )
    def invoke(self, data: st.DataObject, good: bool, limit: int, caller: KeyPair) -> None:
        model, licence = data.draw(st.sampled_from(self.bought[-3:]))
        attachment = input_attachment(ROWS if good else BAD_ROWS)
        arguments = calling(model, licence)
        self.queue(
            caller, "INFERENCE_INVOKE", arguments, attachment, licence=licence, gas_limit=limit
        )

    @rule(
        data=st.data(),
        times=st.integers(1, 3),
        amount=st.sampled_from([1, 10**16 - 10**15]),
        ending=st.sampled_from(ENDINGS),
        limit=st.just(300_000) | st.integers(20_000, 80_000),
    )
    def several(
        self,
        data: st.DataObject,
        times: int,
        amount: int,
        ending: tuple[bytes, ...],
        limit: int,
    ) -> None:
        """Some calls, a transfer, and an ending, which may undo the transfer and no call."""
        model, licence = data.draw(st.sampled_from(self.bought[-3:]))
        give = money.Transfer(STRANGER.address, amount)
        code, encoded = program_of(
            *(("INFERENCE_INVOKE", calling(model, licence)),) * times,
            ("LEDGER_TRANSFER", give),
            ending=ending,
        )

        def effect(_: TransactionResult) -> None:
            self.book.balances[CONSUMER.address] -= amount
            self.book.balances[STRANGER.address] += amount

        self.queue(
            CONSUMER,
            "",
            encoded,
            input_attachment(),
            effect=effect,
            licence=licence,
            code=code,
            gas_limit=limit,
        )

    def close(self, model: bytes) -> Effect:
        return lambda _: self.book.closing.add(model)

    def withdraw(self, model: bytes) -> None:
        effect = self.close(model)
        self.queue(PUBLISHER, "MODEL_WITHDRAW", models.Withdraw(model), effect=effect)

    def revoke(self, model: bytes) -> None:
        arguments = models.Revoke(model, "tested")
        self.queue(REGULATOR, "MODEL_REVOKE", arguments, effect=self.close(model))

    def approve(self, model: bytes, regulator: KeyPair, days: int) -> None:
        until = self.ledger.time + days * DAY if days else 0
        self.queue(regulator, "MODEL_APPROVE", self.ledger.approval(model, until=until))

    @rule(data=st.data(), what=st.sampled_from(["register", "commit", "approve", "policy"]))
    def anything_else(self, data: st.DataObject, what: str) -> None:
        """What matters less to the money has one rule together, so that it comes less often."""
        if what == "register":
            roles = st.sampled_from([("consumer",), ("publisher",), ("consumer", "publisher")])
            self.register_third(data.draw(roles))
        elif what == "commit":
            self.commit(data.draw(LIMITS))
        elif what == "approve":
            regulator = data.draw(st.sampled_from((REGULATOR, SECOND)))
            model = data.draw(st.sampled_from(self.models))
            self.approve(model, regulator, data.draw(st.integers(0, 2)))
        else:
            self.set_policy(data.draw(st.integers(0, 3)))

    @rule(data=st.data(), what=st.sampled_from(["withdraw", "revoke", "freeze"]))
    def take_away(self, data: st.DataObject, what: str) -> None:
        if what == "freeze":
            who = data.draw(st.sampled_from((CONSUMER, PUBLISHER)))
            self.freeze(who, data.draw(st.booleans()))
        else:
            act = self.withdraw if what == "withdraw" else self.revoke
            act(data.draw(st.sampled_from(self.models)))

    def freeze(self, who: KeyPair, thaw: bool) -> None:
        def effect(_: TransactionResult) -> None:
            if who == PUBLISHER:
                self.book.closing.update(self.models)

        frozen = regulation.Freeze(who.address, "tested")
        self.queue(REGULATOR, "REGULATION_FREEZE", frozen, effect=effect)
        if thaw:
            self.queue(REGULATOR, "REGULATION_UNFREEZE", regulation.Unfreeze(who.address))

    def set_policy(self, edition: int) -> None:
        text = f"{genesis().policy}\n// edition {edition}\n"
        self.queue(SECOND, "REGULATION_SET_POLICY", governance.SetPolicy(text))

    # ---- what holds after each step --------------------------------------------------------

    @invariant()
    def books_agree(self) -> None:
        state, book = self.ledger.state, self.book
        for address, balance in book.balances.items():
            account = records.accounts.load(state, address) or records.Account(0, 0)
            assert account.balance == balance >= 0, address
            assert account.nonce == book.nonces[address]
        totals = records.money.load(state, records.SINGLE)
        assert totals == records.Money(SUPPLY, book.escrowed, book.deposits)
        still_open = {
            identifier: (
                licence.periods - licence.settled
                if licence.period
                else licence.calls - licence.used,
                licence.escrow,
            )
            for identifier, licence in records.licences.scan(state)
            if licence.status == "open"
        }
        assert still_open == {
            identifier: (licence.left, licence.left * licence.price)
            for identifier, licence in book.licences.items()
        }
        indexed = {identifier for (_, identifier), _ in records.open_licences.scan(state)}
        assert indexed == set(still_open)
        for model in self.models:
            stats = records.stats.load(state, model)
            known = book.statistics[model]
            assert stats is not None
            assert (stats.calls, stats.revenue) == (known.calls, known.revenue)
            assert (stats.licensees, stats.failures) == (len(known.licensees), 0)
        for address, count in book.denials.items():
            denied = records.denials.load(state, address)
            assert denied is not None and denied.count == count

    def teardown(self) -> None:
        """A replay into a fresh ledger gives the same app hash."""
        application = self.ledger.application
        self.ledger.close()
        found = replay(self.folder / "data", genesis())
        shutil.rmtree(self.folder)
        assert (found.problem, found.app_hash) == (None, application.app_hash)


TestMoney = MoneyMachine.TestCase
TestMoney.settings = settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
