"""Fetching a model's file, which nobody has to be believed about: its digest is known."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from synnergy.client.api import Node
from synnergy.client.failures import ClientError
from synnergy.client.replies import Model
from synnergy.client.uploads import Progress, no_progress


def download(node: Node, model: Model, target: Path, progress: Progress = no_progress) -> None:
    """Write the file of `model` to `target`, or nothing if it isn't the one with its digest."""
    temporary = target.parent / f".{target.name[:64]}.{secrets.token_hex(8)}"
    digest = hashlib.sha256()
    received = 0
    try:
        with temporary.open("xb") as file, node.artefact_chunks(model.id) as chunks:
            for chunk in chunks:
                received += len(chunk)
                if received > model.size:
                    raise _differs(model)
                digest.update(chunk)
                file.write(chunk)
                progress(received, model.size)
            file.flush()
            os.fsync(file.fileno())
        if digest.hexdigest() != model.digest:
            raise _differs(model)
        temporary.replace(target)
    except OSError as error:
        raise ClientError("unwritable_file", f"{target}: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)


def _differs(model: Model) -> ClientError:
    return ClientError(
        "wrong_digest", f"the node's file is not the one with the digest {model.digest}"
    )
