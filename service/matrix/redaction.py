"""Taking back what was said in a member's direct chat: the desk's messages, and the member's where it may;
or one message of the desk's.

Guards: only messages of the two, sent before the hour that was given, and never state; each is redacted once,
whatever answer was lost; what is said to members goes before, so a homeserver that has had enough is left
alone for a while; it ends, however long the chat is. Source: spec v1.18 "Redactions".
"""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from schema.errors import HomeserverRefused, Malformed, Throttled
from schema.ids import EventId, MatrixId, OutboxId, RoomId
from service.matrix import border, messages
from service.matrix.messages import ALONGSIDE_ID
from service.matrix.transport import JSON, Transport, client_path

Outcome = Literal["", "ours", "partly", "outside"]
"""What it came to: all of it; all but the member's own messages, which the chat does not let us take back;
all but some that the homeserver refused; nothing, since we are not in the room any more."""

_SAID = ["m.room.encrypted", "m.room.message", "m.sticker", "m.reaction"]
_PAGE = 100
_PAGES = 500
"""Pages read at one try, at most."""
_CLOCKS = timedelta(hours=1)
"""How far the homeserver's clock may be behind ours."""
_GENTLY = 60.0
"""Seconds for which a homeserver that has had enough is left alone, at least: answers to members go first."""


@dataclass
class _Progress:
    """How far an order has come: where in the chat, what was refused, whether the member's may be tried."""

    at: str | None = None
    refused: set[EventId] = field(default_factory=set)
    theirs: bool = True


class Redaction:
    """Redacts as the account `user_id`; what a try did not reach is for the next one, from where it was."""

    def __init__(self, transport: Transport, user_id: MatrixId) -> None:
        self._transport = transport
        self._user_id = user_id
        self._progress: dict[tuple[RoomId, datetime], _Progress] = {}

    async def redact(
        self,
        room: RoomId,
        member: MatrixId,
        before: datetime,
        since: datetime | None = None,
        *,
        theirs: bool = False,
    ) -> Outcome:
        """Take back what the desk, and with `theirs` the member, said in `room` before `before`.

        Both are the homeserver's times. What lies before `since` was taken back by an earlier order, and is
        not looked through again. To be called again with the same arguments after a WorldError.
        """
        progress = self._progress.setdefault((room, before), _Progress(theirs=theirs))
        whose = [self._user_id, member] if theirs else [self._user_id]
        try:
            for _ in range(_PAGES):
                page = await self._page(room, whose, progress)
                for event in border.items(page, "chunk"):
                    await self._take_back(room, member, event, before, progress)
                following = border.following(page, "end", progress.at)
                over = since is not None and any(
                    self._is_older(each, since) for each in border.items(page, "chunk")
                )
                if over or following is None:
                    break
                progress.at = following
        except Throttled as throttled:
            raise _gently(throttled) from None
        except HomeserverRefused as refused:
            if refused.status not in (403, 404):
                raise
            del self._progress[room, before]
            return "outside"
        del self._progress[room, before]
        if progress.refused:
            return "partly"
        return "ours" if theirs and not progress.theirs else ""

    async def withdraw(self, room: RoomId, mark: OutboxId, sent_at: datetime) -> None:
        """Take back our message in `room` that bears `mark` in clear, and was sent at `sent_at` or later.

        One that is not found, or whose room we have left, needs nothing. To be called again with the same
        arguments after a WorldError; HomeserverRefused where the homeserver will not have it taken back.
        """
        progress = _Progress(theirs=False)
        for _ in range(_PAGES):
            try:
                page = await self._page(room, [self._user_id], progress)
            except HomeserverRefused as refused:
                if refused.status not in (403, 404):
                    raise
                return
            for event in border.items(page, "chunk"):
                found = border.part({"event": event}, "event")
                bears = border.part(found, "content").get(ALONGSIDE_ID) == mark
                if bears and found.get("sender") == self._user_id:
                    try:
                        await self._redact(room, border.event_id(found.get("event_id")))
                    except Throttled as throttled:
                        raise _gently(throttled) from None
                    return
            following = border.following(page, "end", progress.at)
            over = any(self._is_older(each, sent_at - _CLOCKS) for each in border.items(page, "chunk"))
            if over or following is None:
                return
            progress.at = following

    async def _page(self, room: RoomId, whose: Collection[MatrixId], progress: _Progress) -> JSON:
        wanted = {"types": _SAID, "senders": list(whose), "lazy_load_members": True}
        query = {"dir": "b", "limit": str(_PAGE), "filter": json.dumps(wanted, separators=(",", ":"))}
        place = client_path("rooms", room, "messages")
        if progress.at is not None:
            try:
                return await self._transport.request(
                    "read chat back", "GET", place, query=query | {"from": progress.at}
                )
            except HomeserverRefused as refused:
                if refused.status != 400:
                    raise
                # The homeserver no longer knows where we were: from the newest message again.
                progress.at = None
        return await self._transport.request("read chat back", "GET", place, query=query)

    async def _take_back(
        self, room: RoomId, member: MatrixId, event: object, before: datetime, progress: _Progress
    ) -> None:
        """Redact one event, where it is one of theirs that is to go and still has content."""
        if not isinstance(event, dict) or "state_key" in event or event.get("type") not in _SAID:
            return
        own = event.get("sender") == self._user_id
        if not own and (event.get("sender") != member or not progress.theirs):
            return
        if not event.get("content") or messages.sent_at(event) >= before:
            return
        try:
            event_id = border.event_id(event.get("event_id"))
        except Malformed:
            return
        try:
            await self._redact(room, event_id)
        except HomeserverRefused as refused:
            if refused.status not in (400, 403, 404):
                raise
            if own:
                progress.refused.add(event_id)
            else:
                # The chat's power levels are the same for all of the member's messages.
                progress.theirs = False

    async def _redact(self, room: RoomId, event_id: EventId) -> None:
        # One transaction id for one event, so that an answer that was lost makes no second redaction.
        transaction = hashlib.sha256(f"redact {room} {event_id}".encode()).hexdigest()[:32]
        place = client_path("rooms", room, "redact", event_id, transaction)
        await self._transport.request("take back", "PUT", place, body={})

    def _is_older(self, event: object, since: datetime) -> bool:
        """Whether one of our own was sent before `since`: only our own homeserver's time is believed."""
        is_ours = isinstance(event, dict) and event.get("sender") == self._user_id
        return is_ours and messages.sent_at(border.mapping(event)) < since


def _gently(throttled: Throttled) -> Throttled:
    return Throttled(max(throttled.retry_after, _GENTLY))
