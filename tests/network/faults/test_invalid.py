"""NET-71: a validator that proposes what is invalid holds nobody up, and changes nothing."""

from __future__ import annotations

from synnergy.chain.queries.moment import fresh_journal
from synnergy.pipeline import TransactionResult
from synnergy.state import records
from synnergy.wire.codec import decode_trusted
from tests.ledger.harness import SECOND
from tests.network.faults.driver import INADMISSIBLE, INVALID, PROPOSES
from tests.network.harness import Network, Validator
from tests.network.support import eventually


def proposed(validator: Validator) -> set[str]:
    lines = validator.said().splitlines()
    return {line.removeprefix(PROPOSES) for line in lines if line.startswith(PROPOSES)}


def test_invalid_proposals(network: Network) -> None:
    liar, others = network.apart(2)
    assert liar.end() == 0
    liar.start("propose-invalid")
    kinds = {make.__name__ for make in (*INVALID, *INADMISSIBLE)}
    eventually(lambda: proposed(liar) >= kinds, lambda: f"{kinds}; {network.story()}")
    network.go_on()
    network.acknowledge()
    assert liar.end() == 0
    for validator in others:
        with validator.store() as store, store.snapshot() as view:
            account = records.accounts.load(fresh_journal(view), SECOND.address)
            results = [
                decode_trusted(kept, TransactionResult)
                for _, kept in view.scan("results", b"", None)
            ]
        assert account is not None and account.nonce == 0
        refused = {result.code for result in results if result.status == "inadmissible"}
        assert refused >= {"wrong_signatures", "nonce_too_high"}, refused
