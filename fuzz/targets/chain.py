"""TX-6, LEDGER-3, GAS-6: whatever is sent in whatever order, each transaction has a result, the
books agree, and what was quoted is charged.

Transactions are well signed: what is in them is the sender's affair. An exception here would
stop every node of a chain at the same block.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated

from msgspec import Meta

from fuzz import mutate
from fuzz.target import Target, plain
from fuzz.world import PEOPLE, Step, World, world
from synnergy.chain.archive import payload_database, payloads_of
from synnergy.chain.first_state import apply_genesis
from synnergy.gas.schedule import load_schedule
from synnergy.identity.authenticate import Transaction, authenticate
from synnergy.opcodes.context import BlockInfo, Payload
from synnergy.opcodes.licences import run_due
from synnergy.pipeline import Surroundings, TransactionResult, quote, run_transaction
from synnergy.policy.engine import CompiledSet, compile_set
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.state.journal import Journal
from synnergy.vm import catalogue
from synnergy.vm.cache import ProgramCache
from synnergy.vm.domain import DomainOpcode
from synnergy.vm.templates import template
from synnergy.wire.codec import Struct, decode, encode
from synnergy.wire.transaction import Body, BodySignature, Envelope, signing_bytes
from tests.ledger.harness import SUPPLY, genesis

#: Enough for every verb of the history; a contract that runs away burns all of it, in Python.
GAS_LIMIT = 1_500_000
MAX_STEPS = 60
#: The artefact's own time, in ms: far from the end of what integers hold.
LATEST = 32_503_680_000_000


class Script(Struct, frozen=True, array_like=True):
    """Steps after the whole history, or else from the first block on."""

    late: bool
    steps: Annotated[tuple[Step, ...], Meta(max_length=MAX_STEPS)]


@lru_cache(maxsize=4)
def compiled(text: str) -> CompiledSet:
    made = compile_set(text)
    assert not isinstance(made, Rejected), "a policy set in force does not compile"
    return made


SCHEDULE = load_schedule(1)
PROGRAMS = ProgramCache(SCHEDULE.program_prices)


class Chain:
    """A chain's state machine without store, blocks of one transaction each."""

    def __init__(self, around: World, late: bool) -> None:
        self.chain_id = around.chain_id
        self.files: dict[bytes, Payload] = dict(around.artefacts) if late else {}
        if late:
            self.journal = Journal(around.state.get, around.scan)
            self.height, self.time = around.height, around.time
        else:
            self.journal = Journal({}.get, lambda start, stop, limit: [])
            apply_genesis(genesis(), self.journal)
            self.height, self.time = 0, genesis().time

    def policy(self) -> CompiledSet:
        governance = records.governance.load(self.journal, records.SINGLE)
        assert governance is not None
        record = records.policies.load(self.journal, governance.policy_version)
        assert record is not None
        return compiled(record.text)

    def send(self, step: Step) -> tuple[TransactionResult, TransactionResult | None] | None:
        """The step's result, and its quote; None where it names no verb, or is inadmissible."""
        self.time = min(self.time + step.advance, LATEST)
        self.height += step.advance > 0
        run_due(self.journal, self.time)
        transaction = self.signed(step)
        if transaction is None:
            return None
        carried = {
            digest: payload
            for (where, digest), payload in payloads_of(transaction).items()
            if where == payload_database(b"")
        }
        self.files |= carried
        around = Surroundings(
            block=BlockInfo(self.chain_id, self.height, self.time),
            schedule=SCHEDULE,
            policy=self.policy,
            artefact_chunk=self.files.get,
            programs=PROGRAMS,
        )
        mark = self.journal.checkpoint()
        quoted = None
        if records.accounts.load(self.journal, transaction.body.sender) is not None:
            quoted = quote(transaction, self.journal, around)
        self.journal.rollback(mark)
        return run_transaction(transaction, self.journal, around).result, quoted

    def signed(self, step: Step) -> Transaction | None:
        sender = PEOPLE[step.sender]
        account = records.accounts.load(self.journal, sender.address)
        verb = step.verb
        if verb is not None and not isinstance(catalogue.by_name(verb), DomainOpcode):
            return None
        body = Body(
            chain_id=self.chain_id,
            sender=sender.address,
            nonce=account.nonce if account else 0,
            gas_limit=GAS_LIMIT,
            gas_price=1,
            expiry_height=self.height + 99,
            code=step.code if verb is None else template(verb),
            data=step.arguments,
            attachments=tuple(attachment.reference for attachment in step.attachments),
        )
        signature = BodySignature(sender.public_key, sender.sign(signing_bytes(body)))
        raw = encode(Envelope(body, (signature,), step.attachments))
        found = authenticate(raw, self.chain_id)
        return None if isinstance(found, Rejected) else found

    def check_books(self) -> None:
        """LEDGER-3, from the records themselves."""
        money = records.money.load(self.journal, records.SINGLE)
        assert money is not None
        balances = sum(account.balance for _, account in records.accounts.scan(self.journal))
        licences = [licence for _, licence in records.licences.scan(self.journal)]
        escrowed = sum(licence.escrow for licence in licences)
        deposits = sum(artefact.deposit for _, artefact in records.artefacts.scan(self.journal))
        assert (escrowed, deposits) == (money.escrowed, money.deposits)
        assert balances + escrowed + deposits == money.supply == SUPPLY
        for licence in licences:
            assert licence.escrow >= 0 and licence.settled <= licence.periods
            assert licence.period or licence.used <= licence.calls


def check(data: bytes) -> Iterator[str]:
    script = decode(data, Script, TARGET.longest)
    if isinstance(script, Rejected):
        yield plain(script.message)
        return
    chain = Chain(world(), script.late)
    for step in script.steps:
        done = chain.send(step)
        if done is None:
            yield "not sent"
            continue
        result, quoted = done
        encode(result)
        yield f"{step.verb} {result.status} {result.code}"
        assert (result.status == "ok") == (not result.code)
        if result.status == "inadmissible":
            assert (result.gas_used, result.fee) == (0, 0)
            continue
        assert 0 < result.gas_used <= GAS_LIMIT and result.fee == result.gas_used
        if result.status == "ok" and step.verb is not None:
            assert quoted is not None and quoted.status == "ok", quoted
            assert quoted.gas_used == result.gas_used, "a quote is not what is charged"
    chain.check_books()


def seeds() -> dict[str, bytes]:
    """The history itself from the first block, and each step once more after it."""
    history = world().history
    made = {"history": encode(Script(False, tuple(history[:MAX_STEPS])))}
    for index, step in enumerate(history):
        later = encode(Script(True, (step,)))
        if len(later) <= TARGET.longest:
            made[f"{index:02}-{step.verb or 'program'}"] = later
    return made


TARGET = Target(check, seeds, longest=65_536, mutate=mutate.message, seconds=120)
