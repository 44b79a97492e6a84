"""The value that stands for an expected failure; an exception means a bug or a broken disk."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rejected:
    """Something was refused: a rule of `spec/`, a word for machines, a sentence for people.

    `rule` is a number of `spec/` ("TX-5"); `code` a stable snake_case word that clients match on;
    `message` says what was wrong, where, and what would satisfy the rule.
    """

    rule: str
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.message} [{self.rule} {self.code}]"
