"""Where a wallet's passphrase comes from: a file, the environment, or a prompt (CLIENT-3)."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from synnergy.client.failures import ClientError
from synnergy.client.home import read_text

ENVIRONMENT_VARIABLE = "SYNNERGY_PASSPHRASE"

#: Asked with the wallet's name and whether it is a new one; the answer is never empty.
Passphrases = Callable[[str, bool], str]


def passphrases(file: Path | None, environment: Mapping[str, str] = os.environ) -> Passphrases:
    """The source that applies: the file if one is named, else the environment, else a prompt."""

    def ask(wallet: str, new: bool) -> str:
        if file is not None:
            return _not_empty(read_text(file).removesuffix("\n").removesuffix("\r"), str(file))
        if given := environment.get(ENVIRONMENT_VARIABLE):
            return given
        return _prompt(wallet, new)

    return ask


def _prompt(wallet: str, new: bool) -> str:
    if not sys.stdin.isatty():
        raise ClientError(
            "no_passphrase",
            f"the wallet {wallet} needs a passphrase and there is no terminal to ask on;"
            f" give --passphrase-file FILE or set {ENVIRONMENT_VARIABLE}",
        )
    label = f"New passphrase for the wallet {wallet}" if new else f"Passphrase of {wallet}"
    given = _not_empty(getpass.getpass(f"{label}: ", stream=sys.stderr), "the answer")
    if new and getpass.getpass("The same again: ", stream=sys.stderr) != given:
        raise ClientError("passphrases_differ", "the two passphrases are not the same")
    return given


def _not_empty(passphrase: str, source: str) -> str:
    if not passphrase:
        raise ClientError("empty_passphrase", f"the passphrase from {source} is empty")
    return passphrase
