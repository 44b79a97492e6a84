"""The platform's verbs, a family a file. Importing this package registers every one of them."""

from synnergy.opcodes import (
    answers,
    artefacts,
    consensus,
    contracts,
    erasure,
    governance,
    inference,
    ledger,
    licences,
    models,
    oversight,
    regulation,
)

__all__ = [
    "answers",
    "artefacts",
    "consensus",
    "contracts",
    "erasure",
    "governance",
    "inference",
    "ledger",
    "licences",
    "models",
    "oversight",
    "regulation",
]
