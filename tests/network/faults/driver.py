"""A validator with a fault: `python -m tests.network.faults.driver FAULT … -- start …`.

    crash POINT HEIGHT      ends itself, as a power cut would, at a point of the first block from
                            that height on that has transactions
    propose-invalid         proposes what no honest validator does, whenever it is its turn
    diverge WHAT HEIGHT     executes such a block otherwise than the others do

Beside its faults it is what `synnergy start` runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from itertools import cycle
from typing import Any

import msgspec

from synnergy import opcodes
from synnergy.chain import application as application_module
from synnergy.chain.application import Application
from synnergy.chain.block import Proposal
from synnergy.cli.main import run
from synnergy.engines.abci import abci_pb2 as abci
from synnergy.engines.cometbft.handler import ApplicationHandler
from synnergy.opcodes import ledger as money
from synnergy.pipeline import Executed
from synnergy.state import records
from synnergy.state.journal import Journal
from synnergy.vm.templates import template
from synnergy.wire.bundle import PREFIX, bundle
from synnergy.wire.codec import encode
from synnergy.wire.transaction import Body, BodySignature, Envelope, signing_bytes
from tests.crash.driver import arm
from tests.ledger.harness import CONSUMER, OPERATOR, SECOND
from tests.network.validators import STRIKES

#: What a diverging validator does to the transactions of its block.
BALANCE, OUTPUT = "balance", "output"
#: How a validator that proposed something invalid says so in its log.
PROPOSES = "proposes: "


def main() -> None:
    at = sys.argv.index("--")
    fault, *arguments = sys.argv[1:at]
    sys.argv = ["synnergy", *sys.argv[at + 1 :]]
    assert opcodes.__all__
    if fault == "crash":
        arm(arguments[0], partial(chosen, int(arguments[1])))
    elif fault == "propose-invalid":
        propose_invalid()
    elif fault == "diverge":
        diverge(arguments[0], int(arguments[1]))
    else:
        sys.exit(f"there is no fault {fault}")
    run()


def chosen(first: int, height: int, transactions: int) -> bool:
    """Whether a block is the one of the fault, which the log then says."""
    if height < first or not transactions:
        return False
    print(f"{STRIKES}{height}", flush=True)
    return True


# ---- a validator that proposes what is invalid ----------------------------------------------


def transfer(chain_id: str, nonce: int, **changes: object) -> bytes:
    """A transfer that SECOND, who sends nothing else, signed; authentic but for `changes`."""
    fields: dict[str, Any] = {
        "chain_id": chain_id,
        "sender": SECOND.address,
        "nonce": nonce,
        "gas_limit": 100_000,
        "gas_price": 1,
        "expiry_height": 900_000,
        "code": template("LEDGER_TRANSFER"),
        "data": encode(money.Transfer(CONSUMER.address, 1)),
        "attachments": (),
    }
    body = Body(**(fields | changes))
    signature = BodySignature(SECOND.public_key, SECOND.sign(signing_bytes(body)))
    return encode(Envelope(body, (signature,), ()))


def garbage(_: Application) -> list[bytes]:
    return [b"\xff" * 100]


def empty_entry(_: Application) -> list[bytes]:
    return [b""]


def broken_signature(application: Application) -> list[bytes]:
    whole = transfer(application.chain_id, 0)
    at = whole.index(SECOND.public_key) + len(SECOND.public_key) + 40
    return [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]]


def other_chain(application: Application) -> list[bytes]:
    return [transfer("other-" + "0" * 32, 0)]


def malformed_bundle(_: Application) -> list[bytes]:
    return [PREFIX + b"\x93\x01"]


def bundle_with_garbage(application: Application) -> list[bytes]:
    return [bundle([transfer(application.chain_id, 0), b"garbage"])]


def too_much_gas(application: Application) -> list[bytes]:
    """Each is within its limit, together they are beyond the block's."""
    limits = application.next_schedule().limits
    each = limits["transaction"].gas
    count = limits["block"].gas // each + 1
    chain_id = application.chain_id
    return [bundle([transfer(chain_id, nonce, gas_limit=each) for nonce in range(count)])]


def forged_spend(application: Application) -> list[bytes]:
    """The operator's money, moved by another, whose signature is right."""
    return [transfer(application.chain_id, 0, sender=OPERATOR.address)]


def nonce_far_away(application: Application) -> list[bytes]:
    """No validator rejects it on its face; and it cannot be executed."""
    return [transfer(application.chain_id, 1_000_000)]


#: What every honest validator rejects on its face (CHAIN-6, NET-20).
INVALID: tuple[Callable[[Application], list[bytes]], ...] = (
    garbage,
    empty_entry,
    broken_signature,
    other_chain,
    malformed_bundle,
    bundle_with_garbage,
    too_much_gas,
)


#: What they decide on all the same, and what has no effect (TX-10).
INADMISSIBLE = (forged_spend, nonce_far_away)


def propose_invalid() -> None:
    """Put one of these, in turn, behind what an honest proposal carries."""
    prepare = ApplicationHandler.prepare_proposal
    turns = cycle((*INVALID, *INADMISSIBLE))

    def dishonest(
        self: ApplicationHandler, request: abci.RequestPrepareProposal
    ) -> abci.ResponsePrepareProposal:
        honest = prepare(self, request)
        make = next(turns)
        print(PROPOSES + make.__name__, flush=True)
        return abci.ResponsePrepareProposal(txs=[*honest.txs, *make(self._application)])

    ApplicationHandler.prepare_proposal = dishonest  # type: ignore[method-assign]


# ---- a validator whose application diverges -------------------------------------------------


def diverge(what: str, first: int) -> None:
    """Give each sender of one block a unit of money, or each result another output."""
    execute = application_module.run_transaction
    finalise = Application.finalise
    struck = striking = False

    def remembered(self: Application, proposal: Proposal, *rest: Any) -> object:
        nonlocal struck, striking
        striking = not struck and chosen(first, proposal.height, len(proposal.transactions))
        struck |= striking
        return finalise(self, proposal, *rest)

    def otherwise(transaction: Any, journal: Journal, around: Any) -> Executed:
        done = execute(transaction, journal, around)
        if striking and what == BALANCE:
            sender = transaction.body.sender
            account = records.accounts.load(journal, sender)
            assert account is not None
            richer = records.Account(account.balance + 1, account.nonce)
            records.accounts.save(journal, sender, richer)
        if striking and what == OUTPUT:
            changed = msgspec.structs.replace(done.result, output=b"\x01")
            return msgspec.structs.replace(done, result=changed)
        return done

    Application.finalise = remembered  # type: ignore[method-assign, assignment]
    application_module.run_transaction = otherwise  # type: ignore[assignment]


if __name__ == "__main__":
    main()
