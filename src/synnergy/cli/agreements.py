"""What every command says of a verb that m of n regulators have to give."""

from __future__ import annotations

from typing import Any

from synnergy.cli.ledger import committed
from synnergy.client.transactions import Sent
from synnergy.opcodes.governance import Agreement


def agreed(sent: Sent[Agreement]) -> dict[str, Any]:
    """The transaction's own fields, and how far the agreement is."""
    agreement = sent.value
    return {
        **committed(sent),
        "proposal": agreement.proposal.hex(),
        "agreed": agreement.agreed,
        "threshold": agreement.threshold,
        "carried_out": agreement.carried_out,
    }


def progress(agreement: Agreement, carried_out: str, given: str) -> str:
    """A sentence: `carried_out`, or how many regulators gave what is called `given` so far."""
    if agreement.carried_out:
        return carried_out
    return f"{agreement.agreed} of {agreement.threshold} regulators gave {given} so far"
