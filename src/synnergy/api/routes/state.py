"""Any record of state, with the proof of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from synnergy.api.answers import TheNode, answers, reply
from synnergy.api.errors import ApiError, refuse
from synnergy.chain.queries.state import TABLES, StateView, state_view
from synnergy.rejected import Rejected

router = APIRouter(tags=["state"])

_TABLES = "; ".join(
    f"`{name}`: {'/'.join(components) or '-'}" for name, (_, components) in sorted(TABLES.items())
)


@router.get(
    "/v1/state/{table}/{key:path}",
    **answers(
        StateView,
        errors={400: "The key is not one of this table", 404: "There is no such table"},
    ),
)
def read_state(
    node: TheNode,
    table: Annotated[str, Path(description=f"a table, and the form of its keys: {_TABLES}")],
    key: Annotated[str, Path(description="components with `/` between them, bytes in hex")],
    prove: Annotated[bool, Query(description="add the proof")] = False,
) -> Response:
    """A record by table and key, null where there is none; value, height and proof agree."""
    with node.moment() as moment:
        found = state_view(moment, table, key, proven=prove)
    if isinstance(found, Rejected):
        raise ApiError(404, found) if found.code == "unknown_table" else refuse(found)
    return reply(found)
