"""What crosses a link with another collective, and what came of it: our steps, and the other side's.

Guards: nothing is sent that the rules do not let cross, and each envelope's counter is kept with it; what
comes counts only from the desk that the stewards named, in the encrypted room of the two; strangers can ask,
few of them and seldom, and the desk goes nowhere before a steward wants it to; a link that is over leaves
neither keys nor record.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from handlers import crossed
from handlers.across import carry
from handlers.desk import Desk
from handlers.steward_room import StewardRoom
from schema.effects import JoinRoom, LeaveRoom, OpenLinkRoom, SendAcross
from schema.events import FromLink, Invited, LinkRoom
from schema.ids import LinkId, LinkInvitationId, MatrixId, RoomId
from schema.records import Link, LinkInvitation, LinkKeys, Stewardship
from schema.states import LinkState, MakingState
from schema.wire import VERSION, Hello, KeyChange, NewTerms, Pause, Terms
from service.core import links, steward, terms
from service.core.handshake import commitment, party, six_words
from service.core.links import Agree, Rotate

Steps = tuple[LinkKeys, Hello, KeyChange]

_NOBODYS = Stewardship(steward.ID)
"""For sentences that are put together for the room, whatever is open in it."""


async def with_desk(desk: Desk, other: MatrixId) -> Link | None:
    """The link with that front desk, if there is one."""
    return next((link for link in await desk.records.find(Link) if link.desk == other), None)


async def invitation_of(desk: Desk, other: MatrixId) -> LinkInvitation | None:
    """That it asked for a link."""
    return await desk.records.get(LinkInvitation, desk.turn.identify(other))


# ---- our side


async def propose(desk: Desk, other: MatrixId, greeting: str) -> None:
    """Ask that front desk for a link: the room is made first, and our first step crosses when it is there."""
    id = LinkId(desk.turn.new_id())
    us, them = party(id, desk.community.desk), party(id, other)
    keys, hello, change = _steps(desk, id, us, (1, 1), "link", greeting)
    link, _ = links.propose(id, us, them, hello, change, desk.now)
    await desk.records.put(keys)
    await settle(desk, replace(link, desk=other))
    desk.turn.do(OpenLinkRoom(id, other))


async def agree(desk: Desk, link: Link, greeting: str) -> None:
    """Take up what the other side proposes: our two steps cross."""
    keys, hello, change = _steps(desk, link.id, link.us, links.next_keys(link), "link", greeting)
    link, sent = links.advance(link, Agree(hello, change), desk.now)
    await desk.records.put(keys)
    await settle(desk, await carry(desk, link, sent))


async def rotate(desk: Desk, link: Link) -> Link:
    """Make new keys: at a steward's wish, in answer to the other side's, or after a restore."""
    theirs = link.making.their_hello if link.making is not None else None
    restored = link.state is LinkState.RESYNC if theirs is None else theirs.reason == "restored"
    reason = "restored" if restored else "rotate"
    keys, hello, change = _steps(desk, link.id, link.us, links.next_keys(link), reason, "")
    link, sent = links.advance(link, Rotate(hello, change), desk.now)
    await desk.records.put(keys)
    return await carry(desk, link, sent)


def _steps(
    desk: Desk, link: LinkId, us: str, number_and_round: tuple[int, int], reason: str, greeting: str
) -> Steps:
    """New keys, and our two steps to them."""
    number, round = number_and_round
    keys, change = desk.turn.crossing.keys(link, number, round, desk.turn.random)
    hello = Hello.model_validate(
        {
            "epoch": number,
            "round": round,
            "reason": reason,
            "versions": (VERSION,),
            "commitment": commitment(link, us, change),
            "name": terms.line(desk.community.name) or "Alongside",
            "greeting": greeting,
            "terms": own_terms(desk),
        }
    )
    return keys, hello, change


def own_terms(desk: Desk) -> Terms:
    """What this community allows, from how it is set up."""
    return terms.ours(desk.community, desk.languages, desk.now)


async def settle(desk: Desk, link: Link, *, leaves: bool = True) -> Link:
    """Keep the link as it is now, with new keys where it wants them, and none that it does not need.

    One that is over is deleted; its room is left, or, without `leaves`, once the last word has crossed.
    """
    while links.wants_keys(link) is not None:
        link = await rotate(desk, link)
    held = frozenset() if link.state in links.OVER else links.keys_held(link)
    for keys in await desk.records.find(LinkKeys, link=link.id):
        if (keys.number, keys.round) not in held:
            await desk.records.delete(LinkKeys, keys.id)
    if link.state in links.OVER:
        await desk.records.delete(Link, link.id)
        await crossed.over(desk, link.id)
        desk.turn.crossing.forget(link.id)
        if leaves and link.room is not None:
            desk.turn.do(LeaveRoom(link.room))
    else:
        await desk.records.put(replace(link, due_at=links.due_at(link)))
    return link


# ---- what comes


async def invited(desk: Desk, event: Invited) -> None:
    """Another front desk asks for a link: it is told, or taken up where our stewards named that desk."""
    if not event.encrypted or not desk.community.stewards or event.sender == desk.community.desk:
        desk.turn.do(LeaveRoom(event.room))
        return
    link = await with_desk(desk, event.sender)
    if link is not None and not (_unanswered(link) and links.gives_way(desk.community.desk, event.sender)):
        desk.turn.do(LeaveRoom(event.room))
        return
    known = await invitation_of(desk, event.sender)
    if known is None and link is None:
        kept = [one.desk for one in await desk.records.find(LinkInvitation)]
        if not links.is_told(kept, event.sender):
            desk.turn.do(LeaveRoom(event.room))
            return
        await _say(desk, "link.asked", desk_there=event.sender, until=desk.now + links.ASKED_FOR)
    if known is not None and known.room not in (None, event.room):
        desk.turn.do(LeaveRoom(RoomId(str(known.room))))
    if link is not None:
        # Both asked at once, and ours gives way: what our stewards wanted is there.
        await settle(desk, replace(link, state=LinkState.CUT, making=None))
    wanted = link is not None or (known is not None and known.wanted)
    until = desk.now + links.ASKED_FOR if known is None or wanted else known.due_at
    id = LinkInvitationId(desk.turn.identify(event.sender))
    await desk.records.put(LinkInvitation(id, event.sender, event.room, until, wanted))
    if wanted:
        desk.turn.do(JoinRoom(event.room))


def _unanswered(link: Link) -> bool:
    return link.state is LinkState.LINKING and link.making is not None and link.making.their_hello is None


async def room(desk: Desk, event: LinkRoom) -> None:
    """The other desk came into the room of the two, or is gone; a room that nobody wanted is left."""
    link = await _of_room(desk, event.room, event.desk)
    if link is None:
        asked = await invitation_of(desk, event.desk)
        if event.here and (asked is None or not asked.wanted or asked.room != event.room):
            desk.turn.do(LeaveRoom(event.room))
        return
    link = replace(link, room=event.room, here=event.here)
    if not event.here:
        await _say(desk, "link.gone", name=called(link), desk_there=link.desk)
    else:
        # What was said before it was there, or while our own desk did not know the room, did not arrive.
        link = await carry(desk, link, links.steps_again(link))
    await settle(desk, link)


async def _of_room(desk: Desk, room: RoomId, other: MatrixId) -> Link | None:
    """The link whose room it is; before the making of a room was reported, by the desk that came into it."""
    link = await with_desk(desk, other)
    return link if link is not None and link.room in (None, room) else None


async def came(desk: Desk, event: FromLink) -> None:
    """Take what came, or refuse it without harm."""
    if not event.counts:
        return
    link = await with_desk(desk, event.sender)
    if link is None:
        await _proposed(desk, event)
    elif link.room == event.room:
        keys = await desk.records.find(LinkKeys, link=link.id)
        taken = desk.turn.crossing.take(event.content, link, keys, desk.now)
        after = taken.link or link
        if taken.body is not None:
            after = replace(after, heard_at=desk.now)
        after = await settle(desk, await carry(desk, after, taken.crosses))
        await _tell(desk, link, after)
        if taken.body is not None and after.state not in links.OVER:
            await crossed.came(desk, after, taken.body)
        if isinstance(taken.body, Pause) and link.paused_there is not after.paused_there:
            key = "link.paused_there" if after.paused_there else "link.resumed_there"
            await _say(desk, key, name=called(after))
        if isinstance(taken.body, NewTerms) and link.their_terms != after.their_terms:
            await _say(desk, "link.new_terms", name=called(after), terms=_terms(desk, after.their_terms))


async def _proposed(desk: Desk, event: FromLink) -> None:
    """The first step of a link that another side proposes, where our stewards let it come in."""
    asked = await invitation_of(desk, event.sender)
    if asked is None or not asked.wanted or asked.room != event.room:
        return
    opening = desk.turn.crossing.proposal(event.content, desk.now)
    if opening is None or not isinstance(opening.body, Hello):
        return
    us, them = party(opening.link, desk.community.desk), party(opening.link, event.sender)
    if opening.audience != us or await desk.records.get(Link, opening.link) is not None:
        return
    link = links.proposed(opening.link, us, them, opening.body, own_terms(desk), desk.now)
    if link is None:
        return
    link = replace(link, desk=event.sender, room=event.room, here=True, heard_at=desk.now)
    await desk.records.put(replace(asked, room=None, wanted=False))
    await settle(desk, link)
    await _say(
        desk,
        "link.hello",
        name=called(link),
        desk_there=link.desk,
        greeting=quoted(desk, opening.body.greeting),
        terms=_terms(desk, link.their_terms),
    )


async def _tell(desk: Desk, before: Link, after: Link) -> None:
    """Say what changed for the stewards."""
    made, was = after.making, before.making
    runs = (LinkState.LIVE, LinkState.PAUSED)
    if before.state is not after.state and (key := _NOW.get(after.state)) is not None:
        # A pause and its end are told as such.
        if not (before.state in runs and after.state in runs):
            await _say(desk, key, name=called(after), desk_there=after.desk)
    elif after.making is None and was is not None and was.state is MakingState.CONFIRMED and after.epochs:
        await _say(desk, "link.renewed", name=called(after))
    if made is None or made.state is not MakingState.SHOWN or made.epoch is None:
        return
    if was is None or was.epoch is None or was.epoch.made != made.epoch.made:
        await _say(
            desk, "link.words", name=called(after), desk_there=after.desk, words=words_of(made.epoch.made)
        )


_NOW = {
    LinkState.LIVE: "link.live",
    LinkState.PAUSED: "link.live",
    LinkState.RESYNC: "link.resync",
    LinkState.CUT: "link.cut_there",
    LinkState.EXPIRED: "link.expired",
}


# ---- what comes of what was sent, and of time


async def opened(desk: Desk, effect: OpenLinkRoom, room: RoomId | None) -> None:
    """The room is there, and the other desk invited."""
    link = await desk.records.get(Link, effect.link)
    if link is None:
        if room is not None:
            desk.turn.do(LeaveRoom(room))
    elif link.room is None:
        await settle(desk, replace(link, room=room))


async def not_opened(desk: Desk, effect: OpenLinkRoom, reason: str) -> None:
    """The other homeserver was not reached, or refused: nothing of the link is left."""
    link = await desk.records.get(Link, effect.link)
    if link is None or link.room is not None:
        return
    await settle(desk, replace(link, state=LinkState.CUT, making=None))
    server = effect.desk.partition(":")[2]
    key = "link.not_reached" if reason == "deadline" else "link.not_invited"
    await _say(desk, key, desk_there=effect.desk, server=server)


async def sent(desk: Desk, effect: SendAcross) -> None:
    """Nothing follows the last word: the room is left."""
    if effect.last:
        desk.turn.do(LeaveRoom(effect.room))


async def due(desk: Desk, link: Link) -> None:
    """Something of the link is over by itself, or our own database is an older one."""
    after = link
    if link.state not in links.OVER:
        after, _ = links.advance(link, links.Lapse(), desk.now)
    after = await settle(desk, after)
    if after.state in links.OVER:
        await _say(desk, "link.expired", name=called(link), desk_there=link.desk)
    elif link.state is LinkState.RESYNC and link.making is None:
        await _say(desk, "link.resync", name=called(link))
    elif link.making is not None and after.making is None:
        await _say(desk, "link.unfinished", name=called(link), desk_there=link.desk)


async def forget(desk: Desk, asked: LinkInvitation) -> None:
    """Nobody wanted it: the invitation is declined, and forgotten."""
    await desk.records.delete(LinkInvitation, asked.id)
    if asked.room is not None:
        desk.turn.do(LeaveRoom(asked.room))


# ---- in words


def called(link: Link) -> str:
    """What the other collective calls itself; until it said so, its desk."""
    return f"{link.name} ({link.desk})" if link.name else str(link.desk)


def words_of(made: str) -> str:
    """The six words, as they are read out."""
    return ", ".join(six_words(made))


def quoted(desk: Desk, text: str) -> str:
    """Words of the other side, marked as theirs and on one line."""
    room = StewardRoom(desk, _NOBODYS)
    return desk.quoted(room.reader, " ".join(text.split()))


def _terms(desk: Desk, said: Terms | None) -> str:
    return "" if said is None else described(desk, said)


def _marked(text: str) -> str:
    """Words of the other side of more than one line, each of them marked as theirs."""
    return "\n" + "\n".join(f"> {line}" for line in text.split("\n") if line.strip())


_AGES = {"adults": "link.ages_adults", "young": "link.ages_young"}


def described(desk: Desk, said: Terms) -> str:
    """Terms in sentences, as the stewards' room reads them."""
    room = StewardRoom(desk, _NOBODYS)
    until = datetime.fromtimestamp(said.until, UTC)
    ages = [room.words(_AGES[one], years=said.adult_from) for one in said.ages]
    lines = [
        room.words("link.terms_topics", topics=list(said.topics)) if said.topics else "",
        room.words("link.terms_languages", languages=_tongues(desk, said.languages)),
        room.words("link.terms_ages", ages=ages) if ages else "",
        (
            room.words("link.terms_asks", n=said.asks_a_day)
            if said.sends or said.takes
            else room.words("link.terms_off")
        ),
        room.words("link.terms_until", until=until),
        room.words("link.terms_reports", reports=quoted(desk, said.reports)) if said.reports else "",
        room.words("link.terms_agreement", agreement=_marked(said.agreement)) if said.agreement else "",
    ]
    return "\n".join(line for line in lines if line)


def _tongues(desk: Desk, codes: Sequence[str]) -> list[str]:
    known = desk.turn.words.languages
    return [desk.turn.words.tongue(code, desk.languages[0]) if code in known else code for code in codes]


async def _say(desk: Desk, key: str, /, **values: object) -> None:
    """Say a sentence in the stewards' room, which notifies."""
    room = await StewardRoom.of(desk)
    room.say(key, notice=False, **values)
    await room.close()
