"""A receipt in plain sentences, and its facts by name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from synnergy.receipts.file import ReceiptFile
from synnergy.receipts.header import SignedBlock
from synnergy.receipts.light import signers_of
from synnergy.receipts.receipt import Receipt, ReceiptApproval, ReceiptModel


def sentences(receipt: Receipt, file: ReceiptFile) -> list[str]:
    """What the receipt says, to whoever does not know the ledger. Nothing is verified here."""
    told = [
        f"This is receipt {receipt.id.hex()} of the ledger {receipt.chain_id}.",
        f"On {_moment(receipt.time)}, in block {receipt.height}, the wallet {receipt.caller}"
        f" called {_model_name(receipt.model)}.",
    ]
    if receipt.origin != receipt.caller:
        told.append(f"It is a contract, which ran in a transaction signed by {receipt.origin}.")
    if receipt.outcome.status == "ok":
        told.append(
            "The call was allowed and the model returned outputs; the receipt holds commitments to"
            " input and outputs, not the data itself."
        )
    else:
        told.append(
            f"The call was refused by rule {receipt.outcome.rule or 'of the machine'}"
            f" ({receipt.outcome.code}); the transaction's result says why."
        )
    if receipt.model is not None:
        told += _about_model(receipt.model)
    told.append(
        f"It was made under licence {receipt.licence.hex()[:16]}…: {receipt.price:,} went from"
        f" escrow to the publisher, and the transaction paid {receipt.fee:,} for {receipt.gas:,}"
        f" gas under gas table {receipt.gas_version}."
    )
    told += _about_policy(receipt)
    told += _about_opening(receipt, file)
    told.append(_about_signers(file))
    told.append(
        "A receipt proves that the ledger holds this call and that the model computes these"
        " outputs; it does not prove that the ledger's validators were honest."
    )
    return told


def facts(receipt: Receipt) -> dict[str, Any]:
    """The receipt's fields, bytes in hex."""
    hexed: dict[str, Any] = msgspec.to_builtins(receipt, builtin_types=(bytes,))
    return _hex(hexed)


def _about_model(model: ReceiptModel) -> list[str]:
    where = ", ".join(model.jurisdictions) if model.jurisdictions else "any jurisdiction"
    told = [
        f"The model's file has the SHA-256 {model.digest.hex()}; it was published by"
        f" {model.publisher}, is of risk class {model.risk} and may be used in {where}."
    ]
    if not model.approvals:
        told.append("No approval was in force at the time.")
    return told + [_approval(approval) for approval in model.approvals]


def _approval(approval: ReceiptApproval) -> str:
    end = f" until {_moment(approval.until)}" if approval.until else " without end"
    rest = ""
    if approval.evidence is not None:
        rest = f", on evidence with the SHA-256 {approval.evidence.hex()}"
    return f"The regulator {approval.regulator} approved it in block {approval.height}{end}{rest}."


def _about_policy(receipt: Receipt) -> list[str]:
    policy = receipt.policy
    if policy is None:
        return ["No policy was asked, because the call was refused before."]
    verdict = "allowed" if policy.allowed else "denied"
    why = ", ".join(policy.determining) or "no policy, and what is not permitted is denied"
    return [f"Policy set {policy.version} {verdict} it; determining: {why}."]


def _about_opening(receipt: Receipt, file: ReceiptFile) -> list[str]:
    told: list[str] = []
    opening = file.opening
    if opening is None:
        told.append(
            "The file holds no opening: without the input's salt, which the caller's home keeps,"
            " and the ledger's nodes until the input is erased, nobody can verify on what input"
            " the model was called."
        )
    elif opening.reference is not None:
        told.append(f"The caller's reference reads: {opening.reference}")
    elif receipt.reference is not None:
        told.append("The caller added a reference, which this file does not open.")
    return told


def _about_signers(file: ReceiptFile) -> str:
    """Who vouches for the state that holds the receipt, as the file says it."""
    if isinstance(file.root, SignedBlock):
        return "The node that made its block signed that block's header."
    header, signers = file.root.last.signed.header, signers_of(file.root.last)
    told = (
        f"Block {header.height}, which holds the state after it, was signed by {signers.signed} of"
        f" {signers.validators} validators, with {signers.signed_power:,} of {signers.power:,}"
        " votes"
    )
    changes = len(file.root.steps)
    if not changes:
        return f"{told}; they are those of the genesis."
    times = "once" if changes == 1 else f"{changes} times"
    return (
        f"{told}; the validators changed {times} since the genesis, and the file holds the header"
        " of each change, signed by the validators before it."
    )


def _model_name(model: ReceiptModel | None) -> str:
    return (
        "a model that the ledger does not know"
        if model is None
        else (f"the model {model.name}, version {model.version}")
    )


def _moment(milliseconds: int) -> str:
    try:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return f"the millisecond {milliseconds} since 1970"
    return moment.strftime("%d %B %Y at %H:%M:%S UTC")


def _hex(value: Any) -> Any:
    match value:
        case bytes():
            return value.hex()
        case dict():
            fields = cast(dict[str, Any], value)
            return {name: _hex(item) for name, item in fields.items()}
        case list() | tuple():
            return [_hex(item) for item in cast(Sequence[Any], value)]
        case _:
            return value
