"""Wallets on disk: Ed25519 seeds, sealed under a passphrase (CLIENT-2).

A seed is sealed with SecretBox (XSalsa20-Poly1305) under an Argon2id key, whose cost is written in
the file. Development wallets are not sealed, and say so in the file itself.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id
from nacl.secret import SecretBox

from synnergy.client.failures import ClientError, WrongUse
from synnergy.client.home import read_file, write_file
from synnergy.client.passphrase import Passphrases
from synnergy.identity.address import address_of, is_address
from synnergy.identity.keys import SEED_BYTES, KeyPair
from synnergy.wire.codec import read_json

FORMAT = 1
LOCAL_ONLY = (
    "LOCAL DEVELOPMENT ONLY: this key is NOT ENCRYPTED. Never use it where anything is at stake."
)
#: A file that asks for more than this is not a wallet but an attack on memory or patience.
MAX_OPERATIONS = 64
MAX_MEMORY = 1 << 30

_NAME = re.compile(r"[a-z0-9._-]{1,64}")
Hex = Annotated[str, Meta(pattern=r"^([0-9a-f]{2})*$", max_length=1_024)]


class Sealing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the key of the box is derived from the passphrase; `memory` in bytes."""

    algorithm: Literal["argon2id"]
    operations: Annotated[int, Meta(ge=argon2id.OPSLIMIT_MIN, le=MAX_OPERATIONS)]
    memory: Annotated[int, Meta(ge=argon2id.MEMLIMIT_MIN, le=MAX_MEMORY)]
    salt: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$")]


class WalletFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`keystore/NAME.json`. `secret` is the sealed box, or, without `sealing`, the bare seed."""

    format: Literal[1]
    name: str
    address: str
    public_key: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    sealing: Sealing | None
    secret: Hex
    warning: str = ""
    #: The key was rotated into the wallet `address`, which is not the one that it gives (ID-3).
    rotated: bool = False


@dataclass(frozen=True, slots=True)
class Wallet:
    """What is known of a wallet without its passphrase."""

    name: str
    address: str
    public_key: bytes
    sealed: bool


def check_name(name: str) -> str:
    """The name, if it may be a wallet's: it must never look like an address or a path."""
    if not _NAME.fullmatch(name) or name.startswith(".") or is_address(name):
        raise WrongUse(
            "bad_wallet_name",
            f"{name!r} cannot name a wallet: 1 to 64 of a-z, 0-9, '.', '_' and '-',"
            " not beginning with '.' and not an address",
        )
    return name


def create_wallet(
    keystore: Path, name: str, ask: Passphrases | None, seed: bytes | None = None
) -> Wallet:
    """Make a wallet and write it; never overwrites. `ask` None leaves the seed unsealed."""
    path = _path(keystore, name)
    if path.exists():
        raise ClientError("wallet_exists", f"there is a wallet {name} already")
    keys = KeyPair.from_seed(seed or secrets.token_bytes(SEED_BYTES))
    return _describe(_write(path, name, keys, ask))


def next_key(keystore: Path, name: str, address: str, ask: Passphrases | None) -> KeyPair:
    """The key that a wallet is to be given: made and kept at once, or the one kept before.

    ClientError where the one that was kept is for another wallet.
    """
    path = _next_path(keystore, name)
    if not path.exists():
        fresh = KeyPair.from_seed(secrets.token_bytes(SEED_BYTES), address)
        _write(path, name, fresh, ask)
        return fresh
    file = _read(path)
    if file.address != address:
        raise ClientError(
            "other_rotation", f"{path} is a key for {file.address}, not for {address}"
        )
    return _unlock(file, ask)


def take_next_key(keystore: Path, name: str) -> Wallet:
    """Let the wallet's next key be its key; the one before is kept under `replaced/`."""
    path, fresh = _path(keystore, name), _next_path(keystore, name)
    if path.exists():
        old = _read(path)
        kept = keystore / "replaced" / f"{name}.{old.public_key[:16]}.json"
        write_file(kept, read_file(path))
    write_file(path, read_file(fresh))
    fresh.unlink()
    return require_wallet(keystore, name)


def _next_path(keystore: Path, name: str) -> Path:
    return keystore / "next" / f"{check_name(name)}.json"


def _write(path: Path, name: str, keys: KeyPair, ask: Passphrases | None) -> WalletFile:
    sealing, secret = (None, keys.seed) if ask is None else _seal(keys.seed, ask(name, True))
    file = WalletFile(
        format=FORMAT,
        name=name,
        address=keys.address,
        public_key=keys.public_key.hex(),
        sealing=sealing,
        secret=secret.hex(),
        warning=LOCAL_ONLY if sealing is None else "",
        rotated=keys.address != address_of(keys.public_key),
    )
    content = msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"
    write_file(path, content, overwrite=False)
    return file


def find_wallet(keystore: Path, name: str) -> Wallet | None:
    """The wallet of that name, or None."""
    path = _path(keystore, name)
    return _describe(_read(path)) if path.exists() else None


def require_wallet(keystore: Path, name: str) -> Wallet:
    """The wallet of that name. ClientError lists the names there are."""
    wallet = find_wallet(keystore, name)
    if wallet is None:
        names = ", ".join(wallet.name for wallet in list_wallets(keystore)) or "none yet"
        raise ClientError(
            "unknown_wallet",
            f"there is no wallet {name} in {keystore} (there: {names});"
            f" `synnergy wallet create {name}` makes one",
        )
    return wallet


def list_wallets(keystore: Path) -> tuple[Wallet, ...]:
    """All wallets, sorted by name."""
    if not keystore.is_dir():
        return ()
    names = sorted(path.stem for path in keystore.glob("*.json") if _NAME.fullmatch(path.stem))
    return tuple(
        _describe(_read(_path(keystore, name))) for name in names if not name.startswith(".")
    )


def unlock(keystore: Path, name: str, ask: Passphrases) -> KeyPair:
    """The key pair of a wallet. ClientError where the passphrase is wrong or the file damaged."""
    require_wallet(keystore, name)
    return _unlock(_read(_path(keystore, name)), ask)


def _unlock(file: WalletFile, ask: Passphrases | None) -> KeyPair:
    secret = bytes.fromhex(file.secret)
    if file.sealing is None:
        seed = secret
    elif ask is None:
        raise ClientError("wrong_passphrase", f"the wallet {file.name} needs its passphrase")
    else:
        seed = _open(file, secret, ask(file.name, False))
    if len(seed) != SEED_BYTES or KeyPair.from_seed(seed).public_key.hex() != file.public_key:
        raise ClientError("bad_wallet", f"the wallet file of {file.name} is damaged")
    return KeyPair.from_seed(seed, file.address)


def resolve_address(keystore: Path, who: str) -> str:
    """The address that WHO means: an address itself, or the name of a wallet of this home."""
    if is_address(who):
        return who
    if who.startswith("syn1"):
        raise WrongUse("bad_address", f"{who} is not a valid address (its checksum is wrong)")
    return require_wallet(keystore, who).address


def _path(keystore: Path, name: str) -> Path:
    return keystore / f"{check_name(name)}.json"


def _seal(seed: bytes, passphrase: str) -> tuple[Sealing, bytes]:
    sealing = Sealing(
        algorithm="argon2id",
        operations=argon2id.OPSLIMIT_INTERACTIVE,
        memory=argon2id.MEMLIMIT_INTERACTIVE,
        salt=secrets.token_bytes(argon2id.SALTBYTES).hex(),
    )
    return sealing, bytes(_box(sealing, passphrase).encrypt(seed))


def _open(file: WalletFile, secret: bytes, passphrase: str) -> bytes:
    assert file.sealing is not None
    try:
        return _box(file.sealing, passphrase).decrypt(secret)
    except (CryptoError, ValueError):
        raise ClientError(
            "wrong_passphrase", f"the passphrase does not open the wallet {file.name}"
        ) from None


def _box(sealing: Sealing, passphrase: str) -> SecretBox:
    key = argon2id.kdf(
        SecretBox.KEY_SIZE,
        passphrase.encode("utf-8", "surrogateescape"),
        bytes.fromhex(sealing.salt),
        opslimit=sealing.operations,
        memlimit=sealing.memory,
    )
    return SecretBox(key)


def _read(path: Path) -> WalletFile:
    try:
        file = read_json(read_file(path), WalletFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ClientError("bad_wallet", f"{path} is not a wallet file: {error}") from None
    own = address_of(bytes.fromhex(file.public_key)) == file.address
    if file.name != path.stem or file.rotated == own or not is_address(file.address):
        raise ClientError("bad_wallet", f"{path}: name, address and key do not belong together")
    return file


def _describe(file: WalletFile) -> Wallet:
    return Wallet(
        file.name, file.address, bytes.fromhex(file.public_key), file.sealing is not None
    )
