"""NET-41: a validator whose state differs halts and says in what; the others go on."""

from __future__ import annotations

import re

from synnergy.chain.archive import load_block
from tests.network.faults.driver import BALANCE, OUTPUT
from tests.network.harness import Network
from tests.network.support import eventually
from tests.network.validators import Validator

#: What the comparison with another member finds for each.
FOUND = {
    BALANCE: "same results there, so that the state was written otherwise here",
    OUTPUT: "the results differ, first of transaction 0 ",
}


def test_a_diverging_application(network: Network) -> None:
    victim, others = network.apart(3)
    assert victim.end() == 0
    victim.start("diverge", OUTPUT, str(victim.kept_height() + 3))
    check_halted(victim, OUTPUT, network)
    network.go_on(others)
    assert victim.end() == 0
    # With nothing but its keys it takes the blocks from the others, until it diverges again.
    victim.forget()
    victim.start("diverge", BALANCE, str(victim.struck + 3))
    check_halted(victim, BALANCE, network)
    assert victim.end() == 0
    # Started once more, with nothing wrong but what it wrote, it finds the same.
    victim.start()
    check_halted(victim, BALANCE, network)
    network.acknowledge()
    assert victim.end() == 0
    victim.forget()
    victim.start()
    network.reach(network.go_on(others), [victim])


def check_halted(victim: Validator, what: str, network: Network) -> None:
    failure = eventually(
        lambda: FOUND[what] in victim.failure() and victim.failure(),
        lambda: f"it halts and says why; it says {victim.failure()}; {network.story()}",
    )
    height = victim.struck
    assert f"after block {height} differ here" in failure, failure
    if what == BALANCE:
        own, agreed = re.findall(r"\b[0-9a-f]{64}\b", failure)[:2]
        with victim.store() as store:
            kept = load_block(store.get, height)
        assert kept is not None and kept.header.app_hash.hex() == own
        with network.validators[0].store() as store:
            right = load_block(store.get, height)
        assert right is not None and right.header.app_hash.hex() == agreed != own
    answer = victim.get("/v1/chain")
    assert answer is not None and answer.status_code == 200, "what is committed is served"
