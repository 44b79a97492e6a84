"""Several nodes of one chain, asked in turn until one answers (CLIENT-21 … CLIENT-23).

With one node alone nothing is asked of it but what was to be asked. With several, a node's health
is looked at first: which chain it serves, how high it is, whether it halted or is catching up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import httpx
import msgspec

from synnergy.client import replies
from synnergy.client.connection import (
    ELSEWHERE,
    READ_SECONDS,
    Connection,
    Query,
    failure,
)
from synnergy.client.failures import ClientError, NodeUnavailable, NothingSent, WrongUse
from synnergy.wire.types import MAX_INTEGER

T = TypeVar("T")

#: Seconds before the second, third and fourth attempt.
PAUSES = (0.1, 0.4, 1.2)
#: Where there are other nodes, one may be silent for so many seconds before they are asked.
SILENCE_SECONDS = 10.0
HEALTH_SECONDS = 3.0
#: What a node's health said is believed for so many seconds.
STANDING_SECONDS = 5.0
#: How long a node that is behind what was seen already is waited for, and how often it is asked.
CATCH_UP_SECONDS = 10.0
CATCH_UP_PAUSE = 0.2
#: At most so high stands the state that an answer was read from (API-14).
HEIGHT_HEADER = "Synnergy-Height"

#: Codes that say that another transaction of the sender's came first; this one had no effect.
STALE_NONCE = ("replayed", "nonce_too_high")
#: The code of a node that takes no more at present.
BUSY = "busy"
#: Codes after which a node is not asked again for the same request.
_FINAL = ("no_node", "bad_reply", "internal", "wrong_chain")
#: Statuses of something before a node, or of a node, that ask to come back.
_COME_BACK = (502, 503, 504)


@dataclass(slots=True, eq=False)
class _Member:
    """A node, what its health last said or why it was of no use, and when."""

    connection: Connection
    named: bool
    health: replies.Health | None = None
    trouble: ClientError | None = None
    since: float = 0.0
    #: It serves another chain, and is never asked again.
    foreign: bool = False


@dataclass(slots=True)
class _Attempt:
    """What one request met with so far."""

    troubles: dict[_Member, ClientError] = field(default_factory=dict["_Member", ClientError])
    #: Those that are not asked again for this request.
    over: set[_Member] = field(default_factory=set["_Member"])
    patience: float | None = None
    #: Whether nodes that failed a moment ago are tried all the same.
    anew: bool = False

    def failure(self) -> ClientError:
        """What to tell: of several troubles one that says most, and where the others are."""
        met = list(self.troubles.items())
        member, told = next(
            ((member, trouble) for member, trouble in met if trouble.code != "no_node"), met[0]
        )
        rest = [
            f"{other.connection.url} ({why.code})" for other, why in met if other is not member
        ]
        if not rest:
            return told
        message = f"{told.message}; nor could others be used: {', '.join(rest)}"
        return type(told)(told.code, message, rule=told.rule, **told.details)


class Nodes:
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
        self._members: list[_Member] = []
        self._guests: list[Connection] = []
        self._chain_id = chain_id
        self._pinned = ""
        self._seen = 0
        for url in named:
            self._add(url, named=True)
        for url in fallbacks:
            try:
                self._add(url, named=False)
            except WrongUse:
                continue  # what others wrote into the genesis is no mistake of the user's
        if not self._members:
            raise WrongUse("bad_node", "no node is named")

    def _add(self, url: str, *, named: bool) -> None:
        connection = Connection(url, self._transport)
        if any(member.connection.url == connection.url for member in self._members):
            connection.close()
        else:
            self._members.append(_Member(connection, named))

    def close(self) -> None:
        for connection in (*(member.connection for member in self._members), *self._guests):
            connection.close()

    @property
    def url(self) -> str:
        """The node that is asked first at present."""
        return self._members[0].connection.url

    @property
    def alone(self) -> bool:
        return len(self._members) == 1

    def saw(self, height: int) -> None:
        """Remember how high the state was that an answer told of (CLIENT-22)."""
        if height <= MAX_INTEGER:
            self._seen = max(self._seen, height)

    def demote(self, url: str) -> None:
        """Ask the node at `url` last from now on."""
        self._members = sorted(self._members, key=lambda member: member.connection.url == url)

    def ask(
        self,
        send: Callable[[Connection, float], httpx.Response],
        read: Callable[[httpx.Response], T],
        settled: Callable[[httpx.Response], bool] | None = None,
        *,
        signed: bool = False,
    ) -> T:
        """What `read` makes of the first answer; ClientError where no node gives a usable one.

        `send` is given a connection and how many seconds the node may be silent. With `settled`
        all nodes are asked until that says yes, else the best of what they said counts; a node
        that they name is asked too, unless the request is `signed` (CLIENT-23).
        """
        attempt = _Attempt()
        for pause in (*PAUSES, None):
            spare: list[tuple[int, T | ClientError]] = []
            for member in self._fit(attempt, fresh=settled is None):
                try:
                    response, found = self._exchange(member, send, read)
                except ClientError as unusable:
                    self._failed(member, unusable, attempt)
                    if unusable.code == BUSY and settled is None:
                        break
                    continue
                if settled is None or settled(response):
                    return _value(found)
                spare.append((_rank(response, found), found))
            if spare:
                best = min(spare, key=lambda said: said[0])[1]
                if isinstance(best, ClientError) and not signed:
                    best = self._elsewhere(best, send, read)
                return _value(best)
            if pause is None or len(attempt.over) == len(self._members):
                raise self._give_up(attempt)
            attempt.anew = True
            time.sleep(pause)
        raise AssertionError("unreachable")

    def _exchange(
        self,
        member: _Member,
        send: Callable[[Connection, float], httpx.Response],
        read: Callable[[httpx.Response], T],
    ) -> tuple[httpx.Response, T | ClientError]:
        """An answer and what it means; raises where another node is to be asked instead."""
        response = send(member.connection, READ_SECONDS if self.alone else SILENCE_SECONDS)
        if response.status_code == 200:
            found = read(response)
        else:
            found = failure(response)
            if response.status_code == 429 or isinstance(found, NodeUnavailable):
                raise found
        self._note(member, response)
        return response, found

    def _elsewhere(
        self,
        told: ClientError,
        send: Callable[[Connection, float], httpx.Response],
        read: Callable[[httpx.Response], T],
    ) -> T | ClientError:
        """What the node says that an answer names, if it serves this chain; else that answer."""
        url = told.details.get("endpoint")
        if not isinstance(url, str) or any(url == one.connection.url for one in self._members):
            return told
        try:
            guest = Connection(url, self._transport)
        except WrongUse:
            return told
        self._guests.append(guest)
        try:
            if read_health(guest).chain_id != (self._pinned or self._own_chain()):
                return told
            response = send(guest, SILENCE_SECONDS)
            return read(response) if response.status_code == 200 else told
        except NodeUnavailable:
            return told

    def _own_chain(self) -> str:
        return read_health(self._members[0].connection).chain_id

    def hand_over(self, path: str, envelope: bytes, query: Query, wait: float) -> httpx.Response:
        """The answer of the node that accepted an envelope: 200, 202, or 409 if it dropped it.

        The same bytes go to another node only where the one before took nothing or halted: they
        are one transaction, however often they are handed over. ClientError where it is refused,
        NothingSent, and other NodeUnavailable where a node may have taken it (CLIENT-4).
        """
        attempt = _Attempt()
        doubt: ClientError | None = None
        silence = READ_SECONDS if self.alone else wait + SILENCE_SECONDS
        for pause in (*PAUSES, None):
            for member in self._fit(attempt, fresh=True):
                try:
                    response = member.connection.post(path, envelope, query, silence)
                except NodeUnavailable as gone:
                    self._failed(member, gone, attempt)
                    if isinstance(gone, NothingSent):
                        continue
                    raise
                if response.status_code in (200, 202, 409):
                    self._note(member, response)
                    return response
                refusal = failure(response)
                if response.status_code >= 429:
                    self._failed(member, refusal, attempt)
                if response.status_code == 429:
                    break
                if response.status_code == 503:
                    doubt = refusal
                    continue
                self._note(member, response)
                # Perhaps it was replayed because the node before had taken it.
                raise doubt if doubt is not None and refusal.code in STALE_NONCE else refusal
            if pause is None or len(attempt.over) == len(self._members):
                raise doubt or _nothing_taken(self._give_up(attempt))
            attempt.anew = True
            time.sleep(pause)
        raise AssertionError("unreachable")

    def _note(self, member: _Member, response: httpx.Response) -> None:
        """Take over the height that an answer tells: for all, and as this node's own."""
        told = response.headers.get(HEIGHT_HEADER, "")
        if not (told.isascii() and told.isdecimal() and len(told) <= 16):
            return
        self.saw(int(told))
        if member.health is not None and member.health.height < int(told):
            member.health = msgspec.structs.replace(member.health, height=int(told))

    def _failed(self, member: _Member, why: ClientError, attempt: _Attempt) -> None:
        member.health, member.trouble, member.since = None, why, time.monotonic()
        attempt.troubles[member] = why
        if why.code in _FINAL and why.details.get("status") not in _COME_BACK:
            attempt.over.add(member)
        self.demote(member.connection.url)

    def _give_up(self, attempt: _Attempt) -> ClientError:
        told = attempt.failure()
        if any(why.code == "behind" for why in attempt.troubles.values()):
            # Whoever told of that height may have lied: it is refused once, not for ever.
            known = [member.health.height for member in self._members if member.health]
            self._seen = max(known, default=0)
        return told

    # ---- which node ------------------------------------------------------------------------

    def _fit(self, attempt: _Attempt, *, fresh: bool) -> Iterator[_Member]:
        """The nodes to ask, in order: those that stand well, those that catch up, the others.

        With `fresh` none that is behind what was seen already.
        """
        if self.alone:
            yield self._members[0]
            return
        behind: list[_Member] = []
        poor: list[_Member] = []
        for member in tuple(self._members):
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

    def _caught_up(self, behind: list[_Member], attempt: _Attempt) -> Iterator[_Member]:
        """Those of `behind` that reach what was seen, as they do, for a limited time."""
        if attempt.patience is None:
            attempt.patience = time.monotonic() + CATCH_UP_SECONDS
        while behind:
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
        self, member: _Member, attempt: _Attempt, *, anew: bool = False
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
            self._failed(member, gone, attempt)
            return None
        expected = self._pinned or ("" if member.named else self._chain_id)
        if expected and health.chain_id != expected:
            member.foreign = True
            why = f"the node at {member.connection.url} serves {health.chain_id}, not {expected}"
            self._failed(member, NothingSent("wrong_chain", why), attempt)
            return None
        self._pinned = health.chain_id
        member.health, member.trouble, member.since = health, None, time.monotonic()
        return health


def read_health(connection: Connection) -> replies.Health:
    """A node's health; one that halted has its failure in `error`. NodeUnavailable else."""
    response = connection.get("/health", silence=HEALTH_SECONDS)
    if response.status_code not in (200, 503):
        told = failure(response)
        raise NodeUnavailable("bad_reply", told.message, status=response.status_code)
    return decode_reply(response.content, replies.Health, msgspec.json.decode)


def at_hand(response: httpx.Response) -> bool:
    """Whether a node has what was asked for, which another may have else (CLIENT-23)."""
    return response.status_code not in (404, 409)


def _rank(response: httpx.Response, found: object) -> int:
    """How little an unsettled answer says: something, "not yet", a hint where it is, nothing."""
    if response.status_code in (200, 409):
        return 0 if response.status_code == 200 else 1
    return 2 if isinstance(found, ClientError) and found.code == ELSEWHERE else 3


def decode_reply(content: bytes, kind: type[T], decode: Callable[..., T]) -> T:
    """A typed answer; NodeUnavailable where it is none of that type."""
    try:
        return decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NodeUnavailable(
            "bad_reply", f"the node's answer is not a {kind.__name__}: {error}"
        ) from None


def _nothing_taken(why: ClientError) -> ClientError:
    """`why`, where nothing was handed over to anyone."""
    if isinstance(why, NodeUnavailable) and not isinstance(why, NothingSent):
        return NothingSent("no_node", why.message)
    return why


def _value(found: T | ClientError) -> T:
    if isinstance(found, ClientError):
        raise found
    return found
