"""What the SDK raises: each failure has a word for machines and a sentence for people.

Inside the ledger an expected failure is a value; a Python program that calls the SDK expects
exceptions, so this is where values turn into them.
"""

from __future__ import annotations

from synnergy.rejected import Rejected


class ClientError(Exception):
    """Something was refused or did not work, and the message says what and why.

    `rule` is a rule of `spec/` where one refused; `details` are further facts, ready for JSON.
    """

    def __init__(self, code: str, message: str, *, rule: str = "", **details: object) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.rule = rule
        self.details = details


class WrongUse(ClientError):
    """The request itself is malformed: nothing was asked of a ledger."""


class NodeUnavailable(ClientError):
    """No node could be reached, or it does not answer as one."""


class NothingSent(NodeUnavailable):
    """There was no node to send a request to, so that surely none acted on it."""


class Dropped(ClientError):
    """A transaction that a node had accepted, and then left out of its blocks (CLIENT-4)."""

    def __init__(self, transaction: str, why: str, rule: str) -> None:
        message = (
            f"transaction {transaction} was accepted, and then dropped before it was in a block:"
            f" {why or 'the node does not say why'}"
        )
        super().__init__("dropped", message, rule=rule, tx=transaction)
        self.transaction = transaction


class OutcomeUnknown(ClientError):
    """A transaction was handed over and its outcome is not known (CLIENT-4)."""

    def __init__(self, transaction: str, message: str) -> None:
        super().__init__("outcome_unknown", message, tx=transaction)
        self.transaction = transaction


def refused(why: Rejected, **details: object) -> ClientError:
    """The exception for a refusal that came as a value."""
    return ClientError(why.code, why.message, rule=why.rule, **details)
