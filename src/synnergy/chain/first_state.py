"""The first state of a chain, written from its genesis (CHAIN-2)."""

from __future__ import annotations

from synnergy.chain.genesis import GENESIS_FORMAT, LATEST_TIME, BadGenesis, Genesis
from synnergy.identity.address import address_of, is_address
from synnergy.opcodes.entities import wallet_entity
from synnergy.opcodes.flags import DEFAULT_OVERSIGHT
from synnergy.policy.check import check_new_set
from synnergy.policy.digest import policy_digest
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.state.accumulator import Accumulator
from synnergy.state.journal import Journal


def apply_genesis(genesis: Genesis, journal: Journal) -> None:
    """Write the first state. Raises BadGenesis naming what cannot be (CHAIN-2)."""
    _check(genesis)
    supply = sum(wallet.balance for wallet in genesis.wallets)
    for wallet in genesis.wallets:
        records.accounts.save(journal, wallet.address, records.Account(wallet.balance, 0))
        records.wallets.save(
            journal,
            wallet.address,
            records.Wallet(
                public_key=bytes.fromhex(wallet.public_key),
                jurisdiction=wallet.jurisdiction,
                roles=tuple(sorted(wallet.roles)),
                attestation=None,
                registered_by=None,
                registered_height=0,
                frozen=False,
                freeze_reason="",
                deregistered=False,
                cohort=0,
                deployer=None,
                flags=(),
            ),
        )
    records.money.save(journal, records.SINGLE, records.Money(supply, 0, 0))
    records.governance.save(
        journal,
        records.SINGLE,
        records.Governance(
            regulators=tuple(sorted(genesis.regulators)),
            threshold=genesis.threshold,
            fee_account=genesis.fee_account,
            minimum_gas_price=genesis.minimum_gas_price,
            policy_version=1,
            protocol_version=genesis.protocol_version,
            gas_version=genesis.gas_version,
        ),
    )
    records.oversight.save(journal, records.SINGLE, DEFAULT_OVERSIGHT)
    record = records.PolicyRecord(1, policy_digest(genesis.policy), genesis.policy, 0)
    records.policies.save(journal, 1, record)
    records.receipts_root.save(journal, records.SINGLE, Accumulator())
    for validator in genesis.validators:
        records.validators.save(
            journal,
            bytes.fromhex(validator.public_key),
            records.Validator(
                power=validator.power,
                operator=validator.operator,
                node_id=bytes.fromhex(validator.node_id),
                endpoint=validator.endpoint,
                height=0,
            ),
        )
    governance = records.governance.load(journal, records.SINGLE)
    assert governance is not None
    regulators = [wallet_entity(journal, governance, address) for address in genesis.regulators]
    checked = check_new_set(genesis.policy, regulators, genesis.threshold, time=genesis.time)
    if isinstance(checked, Rejected):
        raise BadGenesis(f"the policy set cannot be used: {checked}")


def _check(genesis: Genesis) -> None:
    if genesis.format != GENESIS_FORMAT:
        raise BadGenesis(f"genesis format {genesis.format} is not {GENESIS_FORMAT}")
    if genesis.time > LATEST_TIME:
        raise BadGenesis(f"a chain cannot begin after the year 3000: {genesis.time} ms")
    addresses = [wallet.address for wallet in genesis.wallets]
    for address in (*addresses, *genesis.regulators, genesis.fee_account):
        if not is_address(address):
            raise BadGenesis(f"{address} is not an address")
    if len(set(addresses)) != len(addresses):
        raise BadGenesis("a wallet is listed twice")
    if len(set(genesis.regulators)) != len(genesis.regulators):
        raise BadGenesis("a regulator is listed twice")
    if genesis.threshold > len(genesis.regulators):
        raise BadGenesis(
            f"{genesis.threshold} regulators must agree, but there are {len(genesis.regulators)}"
        )
    missing = sorted({*genesis.regulators, genesis.fee_account} - set(addresses))
    if missing:
        raise BadGenesis(f"not among the wallets: {', '.join(missing)}")
    for wallet in genesis.wallets:
        if wallet.public_key and address_of(bytes.fromhex(wallet.public_key)) != wallet.address:
            raise BadGenesis(f"{wallet.address} is not the address of its public key")
        if len(set(wallet.roles)) != len(wallet.roles):
            raise BadGenesis(f"{wallet.address}: a role is listed twice")
        if ("regulator" in wallet.roles) != (wallet.address in genesis.regulators):
            raise BadGenesis(f"{wallet.address}: the role regulator is for the listed regulators")
    if sum(wallet.balance for wallet in genesis.wallets) >= 2**53:
        raise BadGenesis("the supply must be below 2^53")
    _check_validators(genesis, set(addresses))


def _check_validators(genesis: Genesis, wallets: set[str]) -> None:
    """Either one key signs the blocks, or validators with keys of their own do (NET-1)."""
    validators = genesis.validators
    if not validators:
        return
    if genesis.signer:
        raise BadGenesis("either a signer or validators make the blocks, not both")
    if len(validators) > records.MAX_VALIDATORS:
        raise BadGenesis(
            f"a network has at most {records.MAX_VALIDATORS} nodes, not {len(validators)}"
        )
    if not any(validator.power for validator in validators):
        raise BadGenesis("no validator has a vote")
    for what in ("public_key", "node_id", "operator"):
        if len({getattr(validator, what) for validator in validators}) != len(validators):
            raise BadGenesis(f"two validators have the same {what}")
    for validator in validators:
        if validator.operator not in wallets:
            raise BadGenesis(f"the operator {validator.operator} is not among the wallets")
