"""The routes, a family a file; `ROUTERS` lists them in the order the reference shows them."""

from synnergy.api.routes import (
    chain,
    commits,
    contracts,
    events,
    light,
    market,
    operation,
    oversight,
    payloads,
    prices,
    regulation,
    state,
    transactions,
    validators,
)

ROUTERS = (
    transactions.router,
    chain.router,
    commits.router,
    events.router,
    state.router,
    market.router,
    contracts.router,
    payloads.router,
    regulation.router,
    oversight.router,
    validators.router,
    light.router,
    prices.router,
    operation.router,
)
