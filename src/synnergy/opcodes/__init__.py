"""The platform's verbs, a family a file. Importing this package registers every one of them."""

from synnergy.opcodes import (
    artefacts,
    erasure,
    governance,
    inference,
    ledger,
    licences,
    models,
    regulation,
)

__all__ = [
    "artefacts",
    "erasure",
    "governance",
    "inference",
    "ledger",
    "licences",
    "models",
    "regulation",
]
