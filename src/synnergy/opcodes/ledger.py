"""LEDGER: money between wallets."""

from __future__ import annotations

from synnergy.identity.address import is_address
from synnergy.opcodes.activity import pay_out
from synnergy.opcodes.context import Context, move
from synnergy.opcodes.entities import Resource, wallet_entity
from synnergy.rejected import Rejected
from synnergy.vm.catalogue import domain_opcode
from synnergy.wire.codec import Struct
from synnergy.wire.types import Address, Amount


class Transfer(Struct, frozen=True):
    """Move `amount` smallest units from the sender to `to`, registered or not."""

    to: Address
    amount: Amount


class Transferred(Struct, frozen=True):
    amount: Amount


def recipient(context: Context, arguments: Transfer) -> Resource | Rejected:
    entity = wallet_entity(context.journal, context.governance(), arguments.to)
    # What is registered is an address; working out a checksum takes long.
    if not entity.registered and not is_address(arguments.to):
        return Rejected("ID-2", "bad_address", f"{arguments.to} is not a valid address")
    return Resource(entity, {"amount": arguments.amount})


@domain_opcode(
    0x010001,
    "LEDGER_TRANSFER",
    action="transfer",
    args=Transfer,
    result=Transferred,
    resource=recipient,
)
def transfer(context: Context, arguments: Transfer) -> Transferred | Rejected:
    """Move an amount from the sender's balance to another wallet's."""
    sender, to, amount = context.actor, arguments.to, arguments.amount
    refused = pay_out(context, sender, to, amount) or move(context.journal, sender, to, amount)
    if refused is not None:
        return refused
    context.emit("ledger.transferred", sender=sender, recipient=to, amount=amount)
    return Transferred(amount)
