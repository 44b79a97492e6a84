"""What a genesis lets one trust beforehand: the root of every offline check (RCPT-6)."""

from __future__ import annotations

from synnergy.chain.genesis import Genesis, chain_id_of
from synnergy.client.failures import ClientError
from synnergy.receipts.comet import ValidatorPower
from synnergy.receipts.light import trusted_validators
from synnergy.receipts.verify import TrustedRoot


def trusted_root(genesis: Genesis) -> TrustedRoot:
    """The chain of a genesis, and who signs for it: validators, or a solo engine's key.

    Raises ClientError where it names neither.
    """
    chain_id = chain_id_of(genesis)
    voting = tuple(
        ValidatorPower(bytes.fromhex(validator.public_key), validator.power)
        for validator in genesis.validators
        if validator.power
    )
    if voting:
        return TrustedRoot(chain_id, None, trusted_validators(voting))
    if not genesis.signer:
        raise ClientError(
            "untrusted_root",
            f"the genesis of {chain_id} names neither a signing key nor validators",
            rule="RCPT-6",
        )
    return TrustedRoot(chain_id, bytes.fromhex(genesis.signer))
