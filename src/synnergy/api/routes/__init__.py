"""The routes, a family a file; `ROUTERS` lists them in the order the reference shows them."""

from synnergy.api.routes import (
    chain,
    contracts,
    events,
    market,
    operation,
    oversight,
    payloads,
    prices,
    regulation,
    state,
    transactions,
)

ROUTERS = (
    transactions.router,
    chain.router,
    events.router,
    state.router,
    market.router,
    contracts.router,
    payloads.router,
    regulation.router,
    oversight.router,
    prices.router,
    operation.router,
)
