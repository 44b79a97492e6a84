"""The nodes of a network, and what each of them weighs in its decisions."""

from __future__ import annotations

from synnergy.chain.queries.moment import Moment
from synnergy.receipts.comet import consensus_address
from synnergy.state import records
from synnergy.wire.codec import Struct
from synnergy.wire.types import Count, PublicKey, ShortText


class ValidatorView(records.Validator, frozen=True):
    """A node of the network under its consensus key; `address` is how CometBFT calls that key."""

    public_key: PublicKey
    address: ShortText


class ValidatorsView(Struct, frozen=True):
    """The nodes by voting power, the largest first, and that of all of them together."""

    validators: tuple[ValidatorView, ...]
    power: Count


def validators_view(moment: Moment) -> ValidatorsView:
    """Who is admitted in committed state; CometBFT has a change of power two blocks later."""
    views = [
        ValidatorView(
            power=node.power,
            operator=node.operator,
            node_id=node.node_id,
            endpoint=node.endpoint,
            height=node.height,
            public_key=key,
            address=consensus_address(key).hex().upper(),
        )
        for key, node in records.validators.scan(moment.state)
    ]
    views.sort(key=lambda view: (-view.power, view.address))
    return ValidatorsView(tuple(views), sum(view.power for view in views))
