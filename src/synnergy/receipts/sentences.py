"""A receipt told in plain sentences, for people who answer for decisions."""

from __future__ import annotations

from synnergy.receipts.receipt import Receipt, ReceiptModel

_DAY = 86_400_000


def utc(time: int) -> str:
    """A time in ms since 1970 as `2026-03-01 12:00:00 UTC` (civil-from-days, proleptic)."""
    days, rest = divmod(time, _DAY)
    hours, minutes, seconds = rest // 3_600_000, rest // 60_000 % 60, rest // 1_000 % 60
    # Days counted from 1 March of year 0, so that the leap day ends a year.
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (
        day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted + 2) // 5 + 1
    month = shifted + 3 if shifted < 10 else shifted - 9
    year = year_of_era + era * 400 + (month <= 2)
    return f"{year:04}-{month:02}-{day:02} {hours:02}:{minutes:02}:{seconds:02} UTC"


def sentences(receipt: Receipt) -> tuple[str, ...]:
    """What happened, which model, approved by whom, under which rules, at what cost."""
    told = [_what_happened(receipt)]
    if receipt.model is not None:
        told += _model(receipt.model)
    told += _policy(receipt)
    told.append(
        f"It used {receipt.gas:,} gas under gas table {receipt.gas_version}, protocol version"
        f" {receipt.protocol_version}; the transaction's fee was {receipt.fee:,}, and"
        f" {receipt.price:,} went from the licence's escrow to the publisher."
    )
    told.append(
        f"The licence is {receipt.licence.hex()}; the transaction is {receipt.transaction.hex()}."
    )
    if receipt.input is not None:
        bound = f"The input is bound by the commitment {receipt.input.hex()}"
        if receipt.output is not None:
            bound += f", the output by {receipt.output.hex()}"
        told.append(bound + "; neither is in this receipt.")
    if receipt.reference is not None:
        told.append(f"The caller's own reference is bound by {receipt.reference.hex()}.")
    told.append(
        "Verifying this receipt shows that the ledger holds it and that the model computes this"
        " output; it does not show that the ledger's validators were honest."
    )
    return tuple(told)


def _what_happened(receipt: Receipt) -> str:
    when = f"On {utc(receipt.time)}, in block {receipt.height} of {receipt.chain_id},"
    if receipt.model is None:
        what = "a model that the ledger does not know"
    else:
        what = f"the model {receipt.model.name}, version {receipt.model.version}"
    if receipt.outcome.status == "ok":
        return f"{when} {receipt.caller} called {what}, and it answered."
    return (
        f"{when} {receipt.caller} tried to call {what}, and was refused by"
        f" {receipt.outcome.rule} ({receipt.outcome.code}): {receipt.outcome.message}."
    )


def _model(model: ReceiptModel) -> list[str]:
    where = ", ".join(model.jurisdictions) if model.jurisdictions else "any jurisdiction"
    told = [
        f"The model was published by {model.publisher}; its file has the SHA-256"
        f" {model.digest.hex()}. Its risk class is {model.risk}, and it may be used in {where}."
    ]
    for approval in model.approvals:
        until = f"until {utc(approval.until)}" if approval.until else "without an end date"
        evidence = (
            f"on evidence with the SHA-256 {approval.evidence.hex()}"
            if approval.evidence
            else "without filed evidence"
        )
        told.append(
            f"It was approved by {approval.regulator} at block {approval.height}, {until},"
            f" {evidence}."
        )
    if not model.approvals:
        told.append("No approval of it was in force.")
    documents = (
        ("licence text", model.licence_text),
        ("intended use", model.intended_use),
        ("limitations", model.limitations),
    )
    filed = [f"{what} {digest.hex()}" for what, digest in documents if digest is not None]
    if filed:
        told.append(f"Its filed documents, by SHA-256: {'; '.join(filed)}.")
    return told


def _policy(receipt: Receipt) -> list[str]:
    policy = receipt.policy
    if policy is None:
        return ["It was refused before the policy was asked."]
    verdict = "allowed" if policy.allowed else "denied"
    named = ", ".join(policy.determining) or "the default, which is to deny"
    return [f"Policy set {policy.version} (SHA-256 {policy.hash.hex()}) {verdict} it, by {named}."]
