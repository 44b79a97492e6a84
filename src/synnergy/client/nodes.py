"""Several nodes of one chain, asked in turn until one answers (CLIENT-21, CLIENT-23)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import httpx

from synnergy.client.connection import (
    ELSEWHERE,
    READ_SECONDS,
    Connection,
    Query,
    failure,
)
from synnergy.client.failures import ClientError, NodeUnavailable, NothingSent, WrongUse
from synnergy.client.members import Attempt, Member, Members, read_health

T = TypeVar("T")

#: Seconds before the second, third and fourth attempt.
PAUSES = (0.1, 0.4, 1.2)
#: Where there are other nodes, one may be silent for so many seconds before they are asked.
SILENCE_SECONDS = 10.0

#: The code of a node that accepts nothing before it has caught up.
CATCHING_UP = "catching_up"
#: Codes that say that another transaction of the sender's came first; this one had no effect.
STALE_NONCE = ("replayed", "nonce_too_high")


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
        self._members = Members(named, fallbacks, chain_id, transport)
        self._guests: list[Connection] = []

    def close(self) -> None:
        self._members.close()
        for guest in self._guests:
            guest.close()

    @property
    def url(self) -> str:
        """The address of the node that is asked first at present."""
        return self._members.first.url

    @property
    def alone(self) -> bool:
        return self._members.alone

    def saw(self, height: int) -> None:
        """Remember how high the state was that an answer told of (CLIENT-22)."""
        self._members.saw(height)

    def demote(self, url: str) -> None:
        """Ask the node at `url` last from now on."""
        self._members.demote(url)

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
        attempt = Attempt()
        for pause in (*PAUSES, None):
            spare: list[tuple[int, T | ClientError]] = []
            for member in self._members.fit(attempt, fresh=settled is None):
                try:
                    response, found = self._exchange(member, send, read)
                except ClientError as unusable:
                    self._members.failed(member, unusable, attempt)
                    if settled is None and not isinstance(unusable, NodeUnavailable):
                        break  # it took nothing now, and may in a while
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
                raise self._members.give_up(attempt)
            attempt.anew = True
            time.sleep(pause)
        raise AssertionError("unreachable")

    def _exchange(
        self,
        member: Member,
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
        self._members.note(member, response)
        return response, found

    def _elsewhere(
        self,
        told: ClientError,
        send: Callable[[Connection, float], httpx.Response],
        read: Callable[[httpx.Response], T],
    ) -> T | ClientError:
        """What the node says that an answer names, if it serves this chain; else that answer."""
        url = told.details.get("endpoint")
        if not isinstance(url, str) or url in self._members:
            return told
        try:
            guest = Connection(url, self._transport)
        except WrongUse:
            return told
        self._guests.append(guest)
        try:
            if read_health(guest).chain_id != (self._members.chain_id or self._own_chain()):
                return told
            response = send(guest, SILENCE_SECONDS)
            return read(response) if response.status_code == 200 else told
        except NodeUnavailable:
            return told

    def _own_chain(self) -> str:
        return read_health(self._members.first).chain_id

    def hand_over(self, path: str, envelope: bytes, query: Query, wait: float) -> httpx.Response:
        """The answer of the node that accepted an envelope: 200, 202, or 409 if it dropped it.

        The same bytes go to another node only where the one before took nothing or halted: they
        are one transaction, however often they are handed over. ClientError where it is refused,
        NothingSent, and other NodeUnavailable where a node may have taken it (CLIENT-4).
        """
        attempt = Attempt()
        doubt: ClientError | None = None
        silence = READ_SECONDS if self.alone else wait + SILENCE_SECONDS
        for pause in (*PAUSES, None):
            for member in self._members.fit(attempt, fresh=True):
                try:
                    response = member.connection.post(path, envelope, query, silence)
                except NodeUnavailable as gone:
                    self._members.failed(member, gone, attempt)
                    if isinstance(gone, NothingSent):
                        continue
                    raise
                if response.status_code in (200, 202, 409):
                    self._members.note(member, response)
                    return response
                refusal = failure(response)
                if response.status_code >= 429:
                    self._members.failed(member, refusal, attempt)
                if response.status_code == 429:
                    break
                if response.status_code == 503:
                    if refusal.code != CATCHING_UP:
                        doubt = refusal
                    continue
                self._members.note(member, response)
                # Perhaps it was replayed because the node before had taken it.
                raise doubt if doubt is not None and refusal.code in STALE_NONCE else refusal
            if pause is None or len(attempt.over) == len(self._members):
                raise doubt or _nothing_taken(self._members.give_up(attempt))
            attempt.anew = True
            time.sleep(pause)
        raise AssertionError("unreachable")


def at_hand(response: httpx.Response) -> bool:
    """Whether a node has what was asked for, which another may have else (CLIENT-23)."""
    return response.status_code not in (404, 409)


def _rank(response: httpx.Response, found: object) -> int:
    """How little an unsettled answer says: something, "not yet", a hint where it is, nothing."""
    if response.status_code in (200, 409):
        return 0 if response.status_code == 200 else 1
    return 2 if isinstance(found, ClientError) and found.code == ELSEWHERE else 3


def _nothing_taken(why: ClientError) -> ClientError:
    """`why`, where nothing was handed over to anyone."""
    if isinstance(why, NodeUnavailable) and not isinstance(why, NothingSent):
        return NothingSent(why.code, why.message, rule=why.rule)
    return why


def _value(found: T | ClientError) -> T:
    if isinstance(found, ClientError):
        raise found
    return found
