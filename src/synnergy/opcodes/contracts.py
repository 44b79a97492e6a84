"""CONTRACT: programs that stay on the ledger, with storage and funds of their own."""

from __future__ import annotations

import hashlib
from typing import Annotated

from msgspec import Meta

from synnergy.gas.meter import Meter
from synnergy.identity.address import derived_address
from synnergy.opcodes.activity import pay_out
from synnergy.opcodes.context import Context, Frame, move
from synnergy.opcodes.entities import Resource, ledger_resource, wallet_entity
from synnergy.opcodes.frames import begin, keep, note_failure, run_contract, undo
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.vm.catalogue import domain_opcode
from synnergy.vm.interpreter import MAX_CALL_DEPTH, Outcome
from synnergy.vm.machine import Halt
from synnergy.wire.codec import Struct
from synnergy.wire.transaction import MAX_CODE_BYTES, MAX_DATA_BYTES
from synnergy.wire.types import Address, Amount, Gas, ShortText

#: Bytes that a contract may return or revert with: its call's result fits a transaction's.
MAX_OUTPUT_BYTES = 3_072


class Deploy(Struct, frozen=True):
    """Put a program on the ledger; whoever deploys it answers for what it does."""

    code: Annotated[bytes, Meta(max_length=MAX_CODE_BYTES)]


class Deployed(Struct, frozen=True):
    contract: Address


class CallContract(Struct, frozen=True):
    """Run a contract on `input`, after moving `amount` to it.

    `gas` is the most it may use, null for all that a caller may give: 63/64 of what remains. With
    `catch`, a contract that fails is undone alone, and the caller goes on; without it the failure
    is the caller's own.
    """

    contract: Address
    input: Annotated[bytes, Meta(max_length=MAX_DATA_BYTES)]
    amount: Amount
    gas: Gas | None
    catch: bool


class ContractCalled(Struct, frozen=True):
    """`output` is what the contract returned, or reverted with; `code` says why it failed."""

    ok: bool
    output: bytes
    gas_used: Gas
    code: ShortText


def contract_address(creator: str, nonce: int) -> str:
    """The address of what `creator` deploys at `nonce` (CONTRACT-1)."""
    return derived_address("contract", creator.encode(), nonce.to_bytes(8, "big"))


def deploy_price(context: Context, arguments: Deploy) -> int:
    """Gas of verifying the program, and of keeping its bytes (CONTRACT-2)."""
    size = len(arguments.code)
    stored = context.schedule.units["storage_write_block"].gas * -(-size // 64)
    return context.schedule.intrinsic["program_byte"].gas * size + stored


@domain_opcode(
    0x070001,
    "CONTRACT_DEPLOY",
    action="deploy",
    args=Deploy,
    result=Deployed,
    price=deploy_price,
    resource=ledger_resource,
)
def deploy(context: Context, arguments: Deploy) -> Deployed | Rejected:
    """Put a verified program on the ledger under an address of its own."""
    verified = context.programs.verified(arguments.code)
    if isinstance(verified, Rejected):
        return verified
    journal, creator = context.journal, context.actor
    frame = context.frame
    if frame is None:
        nonce = context.transaction.body.nonce
    else:
        account = records.accounts.load(journal, creator)
        assert account is not None
        nonce = account.nonce
        records.accounts.save(journal, creator, records.Account(account.balance, nonce + 1))
    address = contract_address(creator, nonce)
    # A quote's nonce isn't final, and may be one that was used.
    if records.contracts.load(journal, address) is not None and not context.quoting:
        return Rejected(
            "CONTRACT-1",
            "address_taken",
            "a wallet deploys one contract a transaction; deploy the next in another",
        )
    deployer = creator if frame is None else frame.deployer
    answers = records.wallets.load(journal, deployer)
    assert answers is not None
    digest = hashlib.sha256(arguments.code).digest()
    records.programs.save(journal, digest, records.ContractProgram(arguments.code))
    records.contracts.save(
        journal,
        address,
        records.Contract(creator, deployer, digest, len(arguments.code), context.block.height),
    )
    records.wallets.save(
        journal,
        address,
        records.Wallet(
            public_key=b"",
            jurisdiction=answers.jurisdiction,
            roles=(),
            attestation=None,
            registered_by=None,
            registered_height=context.block.height,
            frozen=False,
            freeze_reason="",
            deregistered=False,
            cohort=0,
            deployer=deployer,
            flags=(),
        ),
    )
    if records.accounts.load(journal, address) is None:
        records.accounts.save(journal, address, records.Account(0, 0))
    context.emit(
        "contract.deployed", contract=address, creator=creator, deployer=deployer, program=digest
    )
    return Deployed(address)


def call_resource(context: Context, arguments: CallContract) -> Resource | Rejected:
    """The contract, as the wallet that it is."""
    if records.contracts.load(context.journal, arguments.contract) is None:
        return Rejected(
            "CONTRACT-3", "unknown_contract", f"no contract has the address {arguments.contract}"
        )
    entity = wallet_entity(context.journal, context.governance(), arguments.contract)
    return Resource(entity, {"amount": arguments.amount})


def call_price(context: Context, arguments: CallContract) -> int:
    """Gas of reading and verifying the contract's program, whatever this node remembers."""
    contract = records.contracts.load(context.journal, arguments.contract)
    assert contract is not None
    return context.schedule.intrinsic["program_byte"].gas * contract.size


@domain_opcode(
    0x070002,
    "CONTRACT_CALL",
    action="call",
    args=CallContract,
    result=ContractCalled,
    price=call_price,
    resource=call_resource,
)
def call(context: Context, arguments: CallContract) -> ContractCalled | Rejected:
    """Run a contract in a frame of its own; where it fails, what it did is undone."""
    if len(context.frames) >= MAX_CALL_DEPTH:
        return Rejected(
            "CONTRACT-6", "call_too_deep", f"more than {MAX_CALL_DEPTH} contracts call each other"
        )
    contract = records.contracts.load(context.journal, arguments.contract)
    assert contract is not None
    stored = records.programs.load(context.journal, contract.program)
    assert stored is not None
    program = context.programs.verified(stored.code)
    if isinstance(program, Rejected):
        # Verified when it was deployed, under a table that is no longer in force.
        return program
    point = begin(context)
    refused = pay_out(context, context.actor, arguments.contract, arguments.amount) or move(
        context.journal, context.actor, arguments.contract, arguments.amount
    )
    if refused is not None:
        outcome = Outcome("refused", b"", 0, refused)
    else:
        meter = context.meter.child()
        if arguments.gas is not None and arguments.gas < meter.limit:
            meter = Meter(arguments.gas)
        frame = Frame(arguments.contract, context.actor, contract.deployer)
        outcome = run_contract(context, frame, program, arguments.input, meter, MAX_OUTPUT_BYTES)
    if outcome.status == "ok":
        keep(context, point)
        return ContractCalled(True, outcome.output, outcome.gas_used, "")
    rejection = outcome.rejection
    assert rejection is not None
    undo(context, point)
    # That a quote cannot go on is no failure of the contract's: nobody catches it (GAS-6).
    if arguments.catch and not (context.quoting and rejection.rule == "GAS-6"):
        note_failure(context, outcome)
        return ContractCalled(False, outcome.output, outcome.gas_used, rejection.code)
    raise Halt(
        outcome.status, _located(rejection, arguments.contract, outcome.where), outcome.output
    )


def _located(rejection: Rejected, contract: str, where: object) -> Rejected:
    """The same reason, saying which contract failed and where; of nested ones the innermost."""
    if where is None or rejection.message.startswith(_IN_CONTRACT):
        return rejection
    message = f"{_IN_CONTRACT}{contract}, {where}: {rejection.message}"
    return Rejected(rejection.rule, rejection.code, message)


_IN_CONTRACT = "in contract "
