"""Which of several nodes to ask: how each stands, and who comes first (CLIENT-21, CLIENT-22).

With one node alone nothing is asked of it but what was to be asked. With several, a node's health
is looked at first: which chain it serves, how high it is, whether it halted or is catching up.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import httpx
import msgspec

from synnergy.client import replies
from synnergy.client.connection import Connection, decode_reply, failure
from synnergy.client.failures import ClientError, NodeUnavailable, NothingSent, WrongUse
from synnergy.wire.codec import read_json
from synnergy.wire.types import MAX_INTEGER

HEALTH_SECONDS = 3.0
#: What a node's health said is believed for so many seconds.
STANDING_SECONDS = 5.0
#: How long a node that is behind what was seen already is waited for, and how often it is asked.
CATCH_UP_SECONDS = 10.0
CATCH_UP_PAUSE = 0.2
#: At most so high stands the state that an answer was read from (API-14).
HEIGHT_HEADER = "Synnergy-Height"

#: Codes after which a node is not asked again for the same request.
_FINAL = ("no_node", "bad_reply", "internal", "wrong_chain")
#: Statuses of something before a node, or of a node, that ask to come back.
_COME_BACK = (502, 503, 504)


@dataclass(slots=True, eq=False)
class Member:
    """A node, what its health last said or why it was of no use, and when."""

    connection: Connection
    named: bool
    health: replies.Health | None = None
    trouble: ClientError | None = None
    since: float = 0.0
    #: It serves another chain, and is never asked again.
    foreign: bool = False


@dataclass(slots=True)
class Attempt:
    """What one request met with so far."""

    troubles: dict[Member, ClientError] = field(default_factory=dict["Member", ClientError])
    #: Those that are not asked again for this request.
    over: set[Member] = field(default_factory=set["Member"])
    patience: float | None = None
    #: Whether nodes that failed a moment ago are tried all the same.
    anew: bool = False

    def failure(self) -> ClientError:
        """What to tell: of several troubles one that says most, and where the others are."""
        told = min(self.troubles.values(), key=lambda trouble: trouble.code == "no_node")
        others = [
            f"{member.connection.url} ({trouble.code})"
            for member, trouble in self.troubles.items()
            if trouble is not told
        ]
        if not others:
            return told
        message = f"{told.message}; nor could others be used: {', '.join(others)}"
        return type(told)(told.code, message, rule=told.rule, **told.details)


class Members:
    """The nodes that were named, then `fallbacks`, which must be of the chain `chain_id`."""

    def __init__(
        self,
        named: Sequence[str],
        fallbacks: Sequence[str] = (),
        chain_id: str = "",
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """WrongUse where a named node's address is none, or there is no node at all."""
        self._transport = transport
        self._all: list[Member] = []
        self._fallbacks_of = chain_id
        #: The chain of whoever was asked first, "" until then.
        self.chain_id = ""
        self._seen = 0
        for url in named:
            self._add(url, named=True)
        for url in fallbacks:
            try:
                self._add(url, named=False)
            except WrongUse:
                continue  # what others wrote into the genesis is no mistake of the user's
        if not self._all:
            raise WrongUse("bad_node", "no node is named")

    def _add(self, url: str, *, named: bool) -> None:
        connection = Connection(url, self._transport)
        if connection.url in self:
            connection.close()
        else:
            self._all.append(Member(connection, named))

    def close(self) -> None:
        for member in self._all:
            member.connection.close()

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, url: object) -> bool:
        return any(member.connection.url == url for member in self._all)

    @property
    def first(self) -> Connection:
        """The node that is asked first at present."""
        return self._all[0].connection

    @property
    def alone(self) -> bool:
        return len(self._all) == 1

    def saw(self, height: int) -> None:
        """Remember how high the state was that an answer told of (CLIENT-22)."""
        if height <= MAX_INTEGER:
            self._seen = max(self._seen, height)

    def demote(self, url: str) -> None:
        """Ask the node at `url` last from now on."""
        self._all = sorted(self._all, key=lambda member: member.connection.url == url)

    def note(self, member: Member, response: httpx.Response) -> None:
        """Take over the height that an answer tells: for all, and as this node's own."""
        told = response.headers.get(HEIGHT_HEADER, "")
        if not (told.isascii() and told.isdecimal() and len(told) <= 16):
            return
        self.saw(int(told))
        if member.health is not None and member.health.height < int(told):
            member.health = msgspec.structs.replace(member.health, height=int(told))

    def failed(self, member: Member, why: ClientError, attempt: Attempt) -> None:
        """Remember that a node was of no use, and ask it last."""
        member.health, member.trouble, member.since = None, why, time.monotonic()
        attempt.troubles[member] = why
        if why.code in _FINAL and why.details.get("status") not in _COME_BACK:
            attempt.over.add(member)
        self.demote(member.connection.url)

    def give_up(self, attempt: Attempt) -> ClientError:
        """What to raise where no node was of use."""
        told = attempt.failure()
        if any(why.code == "behind" for why in attempt.troubles.values()):
            # Whoever told of that height may have lied: it is refused once, not for ever.
            known = [member.health.height for member in self._all if member.health]
            self._seen = max(known, default=0)
        return told

    # ---- which node ------------------------------------------------------------------------

    def fit(self, attempt: Attempt, *, fresh: bool) -> Iterator[Member]:
        """The nodes to ask, in order: those that stand well, those that catch up, the others.

        With `fresh` none that is behind what was seen already.
        """
        if self.alone:
            yield self._all[0]
            return
        behind: list[Member] = []
        poor: list[Member] = []
        for member in tuple(self._all):
            health = self._standing(member, attempt)
            if fresh and health is not None and health.height < self._seen:
                health = self._standing(member, attempt, anew=True)
            if health is None:
                continue
            if fresh and health.height < self._seen:
                behind.append(member)
            elif health.error is not None or health.catching_up:
                poor.append(member)
            else:
                yield member
        yield from self._caught_up(behind, attempt)
        yield from poor

    def _caught_up(self, behind: list[Member], attempt: Attempt) -> Iterator[Member]:
        """Those of `behind` that reach what was seen, as they do, for a limited time."""
        if behind and attempt.patience is None:
            attempt.patience = time.monotonic() + CATCH_UP_SECONDS
        while behind and attempt.patience is not None:
            for member in tuple(behind):
                health = self._standing(member, attempt, anew=True)
                if health is None:
                    behind.remove(member)
                elif health.height >= self._seen:
                    behind.remove(member)
                    yield member
                elif health.error is not None or time.monotonic() >= attempt.patience:
                    behind.remove(member)
                    attempt.troubles[member] = NothingSent(
                        "behind",
                        f"the node at {member.connection.url} stands at height {health.height},"
                        f" and height {self._seen} was seen already; older state is not read",
                    )
            if behind:
                time.sleep(CATCH_UP_PAUSE)

    def _standing(
        self, member: Member, attempt: Attempt, *, anew: bool = False
    ) -> replies.Health | None:
        """What a node's health says, or said a moment ago; None where it is of no use."""
        if member in attempt.over:
            return None
        recent = time.monotonic() - member.since < STANDING_SECONDS and not anew
        if member.foreign or (recent and member.trouble is not None and not attempt.anew):
            assert member.trouble is not None
            attempt.troubles[member] = member.trouble
            if member.foreign:
                attempt.over.add(member)
            return None
        if recent and member.health is not None:
            return member.health
        try:
            health = read_health(member.connection)
        except NodeUnavailable as gone:
            self.failed(member, gone, attempt)
            return None
        expected = self.chain_id or ("" if member.named else self._fallbacks_of)
        if expected and health.chain_id != expected:
            member.foreign = True
            why = f"the node at {member.connection.url} serves {health.chain_id}, not {expected}"
            self.failed(member, NothingSent("wrong_chain", why), attempt)
            return None
        self.chain_id = health.chain_id
        member.health, member.trouble, member.since = health, None, time.monotonic()
        return health


def read_health(connection: Connection) -> replies.Health:
    """A node's health; one that halted has its failure in `error`. NodeUnavailable else."""
    response = connection.get("/health", silence=HEALTH_SECONDS)
    if response.status_code not in (200, 503):
        told = failure(response)
        raise NodeUnavailable("bad_reply", told.message, status=response.status_code)
    return decode_reply(response.content, replies.Health, read_json)
