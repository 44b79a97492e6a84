"""NET-10 … NET-15: random governance of a network, foretold by a few lines of plain Python.

Whatever is told to CometBFT is applied to a validator set as CometBFT applies it, which ends the
node where it cannot be; that set must be the one in state after every block.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace as changed

from synnergy.chain.application import Application, Finalised
from synnergy.chain.block import Proposal
from synnergy.identity.keys import KeyPair
from synnergy.opcodes import regulation
from synnergy.state import records
from synnergy.state.store import Store
from synnergy.wire.codec import Struct
from tests.ledger.harness import CONSUMER, OPERATOR, PUBLISHER, REGULATOR, SECOND, key
from tests.network.membership.support import (
    ADMIT,
    POWER,
    REMOVE,
    admission,
    consensus_key,
    deregister,
    freeze,
    network,
    node_id,
    nodes,
    open_network,
    power_of,
    removal,
)

NAMES = ("a", "b", "idle", "new")
OPERATORS = (OPERATOR, PUBLISHER, CONSUMER, key("fourth"))
POWERS = (0, 0, 1, 10, 1_000_000_000)
MOST_PENDING = 3


class NetworkMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="network-"))
        self.ledger = open_network(self.folder / "data")
        self.blocks: list[tuple[int, tuple[bytes, ...], bytes]] = []
        self.decides: dict[bytes, int] = {}
        self.frozen: set[str] = set()
        self.gone: set[str] = set()
        #: Name → (power, operator, whose node id).
        self.known: dict[str, tuple[int, str, str]] = {
            "a": (10, OPERATOR.address, "a"),
            "b": (10, PUBLISHER.address, "b"),
            "idle": (0, CONSUMER.address, "idle"),
        }
        self.pending: list[tuple[bytes, Callable[[], str]]] = []
        application = self.ledger.application
        finalise = application.finalise

        def watched(proposal: Proposal) -> Finalised:
            done = finalise(proposal)
            self.apply(done.validators)
            self.blocks.append((proposal.time, proposal.transactions, done.header.app_hash))
            return done

        application.finalise = watched  # type: ignore[method-assign]
        self.apply(
            tuple(
                (consensus_key(name).public_key, power)
                for name, (power, *_) in self.known.items()
                if power
            )
        )
        assert self.ledger.register(OPERATORS[3], "operator").status == "ok"

    def apply(self, updates: tuple[tuple[bytes, int], ...]) -> None:
        """As CometBFT: each key once, no vote taken that isn't there, and never all of them."""
        assert len({public_key for public_key, _ in updates}) == len(updates)
        for public_key, power in updates:
            assert power >= 0
            if power == 0:
                del self.decides[public_key]
            else:
                self.decides[public_key] = power
        assert self.decides

    # ---- what would come of it -------------------------------------------------------------

    def operator_code(self, operator: str) -> str:
        if operator in self.gone:
            return "unregistered"
        return "frozen_operator" if operator in self.frozen else ""

    def votes_without(self, name: str) -> int:
        return sum(power for other, (power, *_) in self.known.items() if other != name)

    # ---- rules -----------------------------------------------------------------------------

    def queue(self, verb: str, arguments: Struct, foretold: Callable[[], str]) -> None:
        """`foretold` says the code of its refusal when its turn comes, or learns its effect."""
        account = records.accounts.load(self.ledger.state, REGULATOR.address)
        assert account is not None
        nonce = account.nonce + len(self.pending)
        self.pending.append(
            (self.ledger.envelope(REGULATOR, verb, arguments, nonce=nonce), foretold)
        )
        if len(self.pending) == MOST_PENDING:
            self.make_block()

    @rule()
    def make_block(self) -> None:
        pending, self.pending = self.pending, []
        results = self.ledger.block(*(raw for raw, _ in pending))
        for (_, foretold), result in zip(pending, results, strict=True):
            code = foretold()
            assert (result.status, result.code) == ("refused" if code else "ok", code)

    @rule(
        name=st.sampled_from(NAMES),
        operator=st.sampled_from(OPERATORS),
        identifier=st.sampled_from(NAMES),
        power=st.sampled_from(POWERS),
        signer=st.sampled_from([None, None, None, SECOND]),
    )
    def admit(
        self, name: str, operator: KeyPair, identifier: str, power: int, signer: KeyPair | None
    ) -> None:
        def foretold() -> str:
            others = [one for other, one in self.known.items() if other != name]
            wanted = (power, operator.address, identifier)
            code = self.operator_code(operator.address)
            if code or signer is not None:
                return code or "bad_statement"
            if self.known.get(name) == wanted:
                return "unchanged"
            for other, (_, theirs, theirs_too) in sorted(
                self.known.items(), key=lambda one: consensus_key(one[0]).public_key
            ):
                if other != name and theirs == operator.address:
                    return "operator_in_use"
                if other != name and theirs_too == identifier:
                    return "node_id_in_use"
            if not power + sum(weight for weight, *_ in others):
                return "last_vote"
            self.known[name] = wanted
            return ""

        good = admission(
            self.ledger,
            name,
            operator,
            power,
            signer=signer,
            node_id=node_id(identifier),
        )
        fixed = changed(good.statement, endpoint=f"http://{name}.example:7070")
        assert fixed == good.statement
        self.queue(ADMIT, good, foretold)

    @rule(name=st.sampled_from(NAMES), power=st.sampled_from(POWERS))
    def weigh(self, name: str, power: int) -> None:
        def foretold() -> str:
            if name not in self.known:
                return "unknown_validator"
            before, operator, identifier = self.known[name]
            if before == power:
                return "unchanged"
            if not power + self.votes_without(name):
                return "last_vote"
            if power > before and self.operator_code(operator):
                return self.operator_code(operator)
            self.known[name] = (power, operator, identifier)
            return ""

        self.queue(POWER, power_of(name, power), foretold)

    @rule(name=st.sampled_from(NAMES))
    def remove(self, name: str) -> None:
        def foretold() -> str:
            if name not in self.known:
                return "unknown_validator"
            if not self.votes_without(name):
                return "last_vote"
            del self.known[name]
            return ""

        self.queue(REMOVE, removal(name), foretold)

    @rule(operator=st.sampled_from(OPERATORS[1:]))
    def freeze(self, operator: KeyPair) -> None:
        self.queue("REGULATION_FREEZE", freeze(operator), lambda: self.chill(operator))

    def chill(self, operator: KeyPair) -> str:
        self.frozen.add(operator.address)
        return ""

    @rule(operator=st.sampled_from(OPERATORS[1:]))
    def unfreeze(self, operator: KeyPair) -> None:
        def foretold() -> str:
            if operator.address not in self.frozen:
                return "not_frozen"
            self.frozen.remove(operator.address)
            return ""

        self.queue("REGULATION_UNFREEZE", regulation.Unfreeze(operator.address), foretold)

    @rule(operator=st.sampled_from(OPERATORS[1:]))
    def end(self, operator: KeyPair) -> None:
        def foretold() -> str:
            if operator.address in self.gone:
                return "unregistered"
            if any(theirs == operator.address for _, theirs, _ in self.known.values()):
                return "operates_validator"
            self.gone.add(operator.address)
            return ""

        self.queue("REGULATION_DEREGISTER", deregister(operator), foretold)

    # ---- what always holds -----------------------------------------------------------------

    @invariant()
    def state_is_as_foretold(self) -> None:
        if self.pending:
            return
        found = nodes(self.ledger)
        assert {
            public_key: (one.power, one.operator, one.node_id) for public_key, one in found.items()
        } == {
            consensus_key(name).public_key: (power, operator, node_id(identifier))
            for name, (power, operator, identifier) in self.known.items()
        }
        assert self.decides == {
            public_key: one.power for public_key, one in found.items() if one.power
        }
        assert len({one.operator for one in found.values()}) == len(found)
        assert len({one.node_id for one in found.values()}) == len(found)

    def teardown(self) -> None:
        """The same blocks give the same app hashes on another node."""
        if self.pending:
            self.make_block()
        self.ledger.close()
        store = Store.open(self.folder / "other")
        other = Application(store, network())
        for height, (time, transactions, app_hash) in enumerate(self.blocks, 1):
            assert other.finalise(Proposal(height, time, transactions)).header.app_hash == app_hash
            other.commit()
        store.close()
        shutil.rmtree(self.folder)


TestNetwork = NetworkMachine.TestCase
TestNetwork.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
