"""Contracts: who answers for one, which program it runs, and the program itself."""

from __future__ import annotations

from synnergy.chain.queries.moment import Moment
from synnergy.state import records
from synnergy.wire.codec import Struct
from synnergy.wire.types import Address, Amount, Count, Digest, Height


class ContractView(Struct, frozen=True):
    """A contract; `program` is the SHA-256 of its `size` bytes of program.

    `creator` deployed it, and the wallet `deployer` answers for it: they differ where a contract
    deployed it.
    """

    address: Address
    creator: Address
    deployer: Address
    program: Digest
    size: Count
    height: Height
    balance: Amount
    frozen: bool


def contract_view(moment: Moment, address: str) -> ContractView | None:
    """The contract at an address, None where there is none."""
    contract = records.contracts.load(moment.state, address)
    wallet = records.wallets.load(moment.state, address)
    if contract is None or wallet is None:
        return None
    account = records.accounts.load(moment.state, address)
    return ContractView(
        address=address,
        creator=contract.creator,
        deployer=contract.deployer,
        program=contract.program,
        size=contract.size,
        height=contract.height,
        balance=account.balance if account is not None else 0,
        frozen=wallet.frozen,
    )


def program_of(moment: Moment, address: str) -> bytes | None:
    """The bytes of a contract's program, None where there is no contract."""
    contract = records.contracts.load(moment.state, address)
    stored = records.programs.load(moment.state, contract.program) if contract else None
    return None if stored is None else stored.code
