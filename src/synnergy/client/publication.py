"""What can be seen of a publication before anything is paid for its upload (CLIENT-17)."""

from __future__ import annotations

import re
from pathlib import Path

from synnergy import tensor
from synnergy.client.failures import ClientError, WrongUse
from synnergy.client.transactions import Call, Sender, encode_arguments
from synnergy.opcodes.models import Publish, Published, model_id
from synnergy.tensor.types import Problem

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
#: Problems that a sentence names, as a ledger does; `tensor check` lists them all.
SHOWN = 50


def check_name(option: str, value: str) -> None:
    """WrongUse unless a model may have this name, or this version."""
    if not _NAME.fullmatch(value):
        raise WrongUse(
            f"bad_{option}",
            f"--{option} {value!r}: 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter"
            " or digit",
        )


def check_publication(sender: Sender, call: Call[Published], path: Path, content: bytes) -> None:
    """What a ledger would only say once the file is there, and paid for.

    WrongUse for arguments out of range, ClientError where the version is taken or a node of the
    model is not computed on a ledger.
    """
    encode_arguments(call.arguments)
    wanted = call.arguments
    assert isinstance(wanted, Publish)
    identifier = model_id(sender.address, wanted.name, wanted.version).hex()
    if sender.node.find_model(identifier) is not None:
        raise ClientError(
            "already_published",
            f"{sender.address}/{wanted.name}@{wanted.version} is published and immutable;"
            " choose another version",
            rule="MKT-5",
        )
    problems = _problems(content)
    if problems:
        named = "; ".join(map(str, problems[:SHOWN]))
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise ClientError(
            "unsupported_model", f"{path}: a ledger takes no {named}{more}", rule="MKT-4"
        )


def _problems(content: bytes) -> tuple[Problem, ...]:
    try:
        return tensor.load(content, tensor.LEDGER_LIMITS).ledger_problems()
    except tensor.Unsupported as unsupported:
        return unsupported.problems
