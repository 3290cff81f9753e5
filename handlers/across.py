"""Putting something across a link: the one way by which anything about a member goes to another collective.

Guards: nothing is put across that the link's state does not let cross, and each envelope's counter is kept
with it; an envelope lives no longer than what it is about; of a request the tags alone cross, to those that
its member was named; the note goes to whoever gave an answer, the address after both consents.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

from handlers import topics
from handlers.desk import Desk
from schema import wire
from schema.effects import SendAcross
from schema.ids import AskAcrossId, LinkId, MatrixId, MemberId, RequestId, RoomId
from schema.records import Across, Ask, AskAcross, Link, LinkKeys, Meeting, Member, MoreTime, Request
from schema.states import AskState, LinkState, RequestState
from schema.wire import Body
from service.core import links, matching, terms
from service.core.links import Sent
from service.core.terms import Agreed


async def carry(
    desk: Desk, link: Link, sent: Sent, *, last: bool = False, life: timedelta = links.LONGEST
) -> Link:
    """Have these cross, once the other desk is there to read them; the link after they were stamped."""
    room = link.room
    if room is None or not link.here:
        return link
    keys = await desk.records.find(LinkKeys, link=link.id)
    for number, body in sent:
        link, content = desk.turn.crossing.seal(link, number, body, keys, life, desk.now)
        desk.turn.do(SendAcross(link.id, room, link.desk, content, desk.now + life, last))
    return link


async def say(desk: Desk, id: LinkId, body: Body, until: datetime | None = None) -> bool:
    """Have `body` cross that link, good until `until` (as long as anything, where none is given).

    False where it cannot: there is no such link any more, it is paused, or their desk is not there.
    """
    link = await desk.records.get(Link, id)
    if link is None or not link.epochs or not links.may_cross(link, body):
        return False
    life = links.LONGEST if until is None else min(until - desk.now, links.LONGEST)
    if life <= timedelta(0) or link.room is None or not link.here:
        return False
    await desk.records.put(await carry(desk, link, ((link.epochs[0].number, body),), life=life))
    return True


# Which there are, and what they are called


async def to_ask(desk: Desk, request: Request) -> list[Link]:
    """The links over which the request could be put to others now; always in one order."""
    found = await desk.records.find(Link, state=LinkState.LIVE)
    return [one for one in found if await is_within(desk, one, request)]


async def is_within(desk: Desk, link: Link, request: Request) -> bool:
    """Whether both sides' terms let the request cross, now or at another hour, and paused or not."""
    if link.their_terms is None or not is_for(desk, link, request.age_group):
        return False
    body = await _tags(desk, request, links.agreed(link), AskAcrossId("0" * 32))
    return body is not None and links.allows(link, body, desk.now, topics.known(desk.community))


def is_for(desk: Desk, link: Link, ages: str) -> bool:
    """Whether this community is still for that age group, by the line that the other collective was told.

    A configuration can change while a link stands, and its terms stay as they were made.
    """
    now = terms.ours(desk.community, desk.languages, desk.now)
    return ages in now.ages and now.adult_from == link.terms.adult_from


async def called(desk: Desk, member: Member, id: LinkId) -> str:
    """What the collective of that link calls itself, in quotation marks; also once the link is no more."""
    link = await desk.records.get(Link, id)
    if link is None:
        return desk.words(member, "guest.some_community")
    return desk.quoted(member, terms.line(link.name))


async def names(desk: Desk, member: Member, ids: Sequence[LinkId]) -> list[str]:
    """What the collectives of those links call themselves; without those that are no more."""
    return [await called(desk, member, one) for one in ids if await desk.records.get(Link, one) is not None]


# What our member asks


def of_theirs(ask: Ask) -> Across | None:
    """By what a linked collective knows an ask, where it is a yes of one of its members to ours."""
    return None if ask.member else ask.across


async def ask(desk: Desk, request: Request, *, enough: bool) -> None:
    """Put the request to each linked collective that its member was named, once, where it may be asked now.

    Own people come first: where there are `enough`, from the second round on. Not before whoever the member
    would talk with again: a community of which one is asked for is asked at once.
    """
    if not goes_to(request):
        return
    named = {one.link for one in request.again_of}
    await _take_back_what_holds_no_more(desk, request)
    puts = {one.link: one for one in await desk.records.find(AskAcross, request=request.id)}
    for id in goes_to(request):
        link = await desk.records.get(Link, id)
        waits = enough and request.round == 0 and id not in named
        put = puts.get(id)
        again = put is not None and put.anew
        if link is not None and link.state is LinkState.LIVE and (again or (put is None and not waits)):
            await _ask(desk, request, link, put)


async def ask_anew(desk: Desk, link: Link) -> None:
    """What was asked there is put there once more, under its name: one of the two sides was restored.

    A side that has it still drops it; where it may not cross now it does in a later round.
    """
    for put in await desk.records.find(AskAcross, link=link.id):
        request = await desk.records.get(Request, put.request)
        if request is None or request.state is not RequestState.LOOKING or link.id not in goes_to(request):
            continue
        again = replace(put, anew=True)
        await desk.records.put(again)
        stands = await desk.records.get(Link, link.id)
        if stands is not None and stands.state is LinkState.LIVE and await _holds(desk, request, again):
            await _ask(desk, request, stands, again)


def goes_to(request: Request) -> tuple[LinkId, ...]:
    """The links that it may cross: for anybody there, or for whoever its member would talk with again."""
    return tuple(dict.fromkeys((*request.linked, *(one.link for one in request.again_of))))


async def _again(desk: Desk, request: Request, link: LinkId) -> tuple[str, ...]:
    """Of the rooms that the request names over that link those of which its member still would talk again."""
    own = await desk.records.find(Meeting, member=request.member)
    would = [one for one in own if one.again and one.due_at > desk.now]
    said = {(one.across.link, one.across.answer) for one in would if one.across is not None}
    return tuple(one.answer for one in request.again_of if one.link == link and (link, one.answer) in said)


async def seeks_again(desk: Desk, request: Request) -> bool:
    """Whether there is anybody of a linked community with whom its member still would talk again."""
    for link in {one.link for one in request.again_of}:
        if await _again(desk, request, link):
            return True
    return False


def asks_anybody(request: Request, link: LinkId) -> bool:
    """Whether it is for anybody there, and not alone for whoever its member would talk with again."""
    return link in request.linked and not request.again_only


async def no_more_again(desk: Desk, member: MemberId) -> None:
    """The member does not say any more that they would talk again with somebody of a linked community."""
    for request in await desk.records.find(Request, member=member):
        await _take_back_what_holds_no_more(desk, request)


async def _take_back_what_holds_no_more(desk: Desk, request: Request) -> None:
    for put in await desk.records.find(AskAcross, request=request.id):
        await _holds(desk, request, put)


async def _holds(desk: Desk, request: Request, put: AskAcross) -> bool:
    """Whether what was put there is still what its member would; where it is not, it is taken back.

    What they said of talking again may hold no more: nobody is to be asked for, or told, because of it.
    """
    if not set(put.again) - set(await _again(desk, request, put.link)):
        return True
    await _take_back_one(desk, request, put)
    return False


async def _take_back_one(desk: Desk, request: Request, put: AskAcross) -> None:
    """Take it back there, but where somebody's yes to it is with the asker."""
    asks = await desk.records.find(Ask, request=request.id, state=AskState.CHOSEN)
    if any(one.across is not None and one.across.request == put.id for one in asks):
        return
    others = await desk.records.find(AskAcross, request=request.id)
    await withdraw_request(desk, request, but={one.id for one in others if one.id != put.id})


async def _ask(desk: Desk, request: Request, link: Link, known: AskAcross | None = None) -> None:
    if not is_for(desk, link, request.age_group):
        return
    name = AskAcrossId(desk.turn.new_id()) if known is None else known.id
    body = await _crosses(desk, request, link, name)
    ours = topics.known(desk.community)
    counted = None if body is None else links.may_ask(link, body, desk.now, ours)
    if body is None or counted is None:
        return
    # Or somebody there could be asked about two at once, of which one is over.
    for waits in await desk.records.find(AskAcross, link=link.id, request=RequestId("")):
        await take_back(desk, waits)
    if not await say(desk, link.id, body, request.until):
        return
    sent = await desk.records.get(Link, link.id) or link
    await desk.records.put(replace(sent, asked=counted.asked))
    # Where the community names no language none is said of it, as between two who are here.
    languages = tuple(one for one in request.languages if one in body.languages)
    until = datetime.fromtimestamp(body.until, UTC)
    put = AskAcross(name, link.id, request.id, None, languages, until, body.again, body.again_only)
    await desk.records.put(put)


async def languages(desk: Desk, request: Request, agreed: Agreed) -> tuple[str, ...]:
    """The languages that cross of a request: of its own those that both sides name.

    Where it has none, it is one: the first that this community would talk in, the one in which the member
    chose to be spoken to, or the first that is spoken here, whichever both sides name.
    """
    if request.languages:
        # Whoever is asked can then talk in any that crosses.
        return tuple(one for one in request.languages if one in agreed.languages)
    member = await desk.member(request.member)
    own = () if member is None else (member.language,)
    usual = (*desk.community.talk_in[:1], *own, *desk.languages[:1])
    return tuple(one for one in usual if one in agreed.languages)[:1]


async def tags_change(desk: Desk, before: Request, after: Request) -> bool:
    """Whether a linked collective that was asked would be asked something else now, or nothing."""
    for put in await desk.records.find(AskAcross, request=before.id):
        link = await desk.records.get(Link, put.link)
        if link is None:
            continue
        crossed = await _crosses(desk, before, link, put.id)
        if crossed != await _crosses(desk, after, link, put.id):
            return True
    return False


async def _crosses(desk: Desk, request: Request, link: Link, name: AskAcrossId) -> wire.Ask | None:
    """What crosses that link of a request; None where nothing does."""
    again, anybody = await _again(desk, request, link.id), asks_anybody(request, link.id)
    if not (again or anybody):
        return None
    return await _tags(desk, request, links.agreed(link), name, again, only=not anybody)


async def _tags(
    desk: Desk,
    request: Request,
    agreed: Agreed,
    name: AskAcrossId,
    again: Sequence[str] = (),
    *,
    only: bool = False,
) -> wire.Ask | None:
    """What crosses of a request: what its member approved for it, and no word of theirs.

    None where it is not for people of another collective, or holds what the wire has no place for.
    """
    local = request.wish in (matching.MUTUAL, "backup")
    if local or matching.later(request, desk.now) is not None:
        return None
    # The member's own time, and then the reply's: so a yes in its last minute can still lead to a room.
    wait = (request.answer or desk.timings.consent_open) + desk.timings.join
    until = min(request.until, desk.now + links.LONGEST)
    try:
        return wire.Ask.model_validate(
            {
                "request": name,
                "wish": request.wish,
                "topics": request.topics,
                "topics_only": request.topics_only,
                "languages": await languages(desk, request, agreed),
                "writing": True,
                "voice": request.voice,
                "minutes": _minutes(request.length),
                "wait": _minutes(wait),
                "ages": request.age_group,
                "reporters": request.reporters,
                "start": None,
                "until": int(until.timestamp()),
                "again": tuple(again),
                "again_only": only,
            }
        )
    except ValueError:
        return None


def _minutes(length: timedelta) -> int:
    return max(1, int(length.total_seconds() // 60))


_LONGEST_NOTE = 6000
"""Bytes."""


async def note(desk: Desk, request: Request, across: Across, until: datetime) -> bool:
    """Have the note cross to the one who gave that answer; False where it cannot now, or is not to."""
    put = await desk.records.get(AskAcross, across.request)
    if put is None or put.request != request.id or not await _holds(desk, request, put):
        return False
    body = wire.Note.model_validate(
        {
            "request": across.request,
            "answer": across.answer,
            "note": terms.words(request.note, _LONGEST_NOTE),
            "how": tuple(one for one in request.how if one in get_args(wire.How)),
        }
    )
    return await say(desk, across.link, body, until)


async def introduce(
    desk: Desk,
    across: Across,
    user: MatrixId,
    until: datetime,
    room: RoomId | None = None,
    ends: datetime | None = None,
) -> bool:
    """Say who our member is, after both consents, later which room it is; False where that cannot cross."""
    try:
        body = wire.Introduce.model_validate(
            {
                "request": across.request,
                "answer": across.answer,
                "user": user,
                "room": room,
                "ends": None if ends is None else int(ends.timestamp()),
            }
        )
    except ValueError:
        # Old homeservers let an address hold what none may hold now.
        return False
    return await say(desk, across.link, body, until)


async def more(
    desk: Desk,
    across: Across,
    step: Literal["asked", "agreed"],
    wish: MoreTime,
    by: datetime,
    ends: datetime | None = None,
) -> bool:
    """Somebody would like more time in the room, or agrees to it; False where that cannot cross now.

    It is good until `by`, and so is a yes to what is asked. `ends`: when the room ends, where it is ours.
    """
    if not wish.name:
        # It was asked for by a release that gave wishes no name.
        return False
    body = wire.More(
        request=across.request,
        answer=across.answer,
        step=step,
        wish=wish.name,
        minutes=_minutes(wish.length),
        until=int(by.timestamp()) if step == "asked" else None,
        ends=None if ends is None else int(ends.timestamp()),
    )
    return await say(desk, across.link, body, by)


async def withdraw(desk: Desk, across: Across) -> None:
    """What there is between two members, by that answer, is not to be had any more; not where it was lost."""
    if across.answer:
        await say(desk, across.link, wire.Withdraw(request=across.request, answer=across.answer))


async def withdraw_request(desk: Desk, request: Request, but: Collection[str] = ()) -> None:
    """Nobody is to be asked about our member's request any more; what was said to it is forgotten here.

    What crossed under the names in `but` stays.
    """
    for one in await desk.records.find(AskAcross, request=request.id):
        if one.id in but:
            continue
        await take_back(desk, one)
    for ask in await desk.records.find(Ask, request=request.id):
        # Their desk tells them at their own hour.
        theirs = of_theirs(ask)
        if theirs is not None and theirs.request not in but:
            await desk.records.delete(Ask, ask.id)


async def take_back(desk: Desk, put: AskAcross) -> None:
    """Say that nobody is to be asked about it any more; where that cannot cross now it is tried again."""
    said = await say(desk, put.link, wire.Withdraw(request=put.id, answer=None))
    until = desk.now if put.until is None else put.until
    if said or until <= desk.now or await desk.records.get(Link, put.link) is None:
        await desk.records.delete(AskAcross, put.id)
        return
    at = min(desk.now + desk.timings.ask_again, until)
    await desk.records.put(replace(put, request=RequestId(""), languages=(), again=(), due_at=at))


Reached = Literal["purged", "asked", "cannot"]


async def close(
    desk: Desk,
    across: Across,
    step: Literal["ended", "removed", "gone"],
    met: bool,
    reached: Reached | None = None,
) -> None:
    """How the room of two that we opened stands, and whether the two `met` in it."""
    body = wire.Close(request=across.request, answer=across.answer, step=step, reached=reached, met=met)
    await say(desk, across.link, body)
