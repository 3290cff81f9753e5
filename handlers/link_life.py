"""The life of a link with another collective, from its first step to its end: ours, and the other side's.

Guards: nothing is sent that the rules do not let cross, and each envelope's counter is kept with it; what
comes counts only from the desk that the stewards named, in the encrypted room of the two; strangers can ask,
few of them and seldom, and the desk goes nowhere before a steward wants it to; a link that is over leaves
neither keys nor record.
"""

from dataclasses import replace

from handlers import heard_across, link_terms, topics
from handlers.across import ask_anew, carry
from handlers.desk import Desk
from handlers.link_terms import quoted
from handlers.steward_room import StewardRoom
from schema.effects import JoinRoom, LeaveRoom, OpenLinkRoom, SendAcross
from schema.events import FromLink, Invited, LinkRoom
from schema.ids import LinkId, LinkInvitationId, MatrixId, RoomId
from schema.records import Link, LinkInvitation, LinkKeys
from schema.states import LinkState, MakingState
from schema.wire import VERSION, Body, Hello, KeyChange, NewTerms, Pause, Terms
from service.core import links, terms
from service.core.handshake import commitment, party, six_words
from service.core.links import Agree, Rotate, SetTerms

Steps = tuple[LinkKeys, Hello, KeyChange]


async def with_desk(desk: Desk, other: MatrixId) -> Link | None:
    """The link with that front desk, if there is one."""
    return next((link for link in await desk.records.find(Link) if link.desk == other), None)


async def invitation_of(desk: Desk, other: MatrixId) -> LinkInvitation | None:
    """That it asked for a link."""
    return await desk.records.get(LinkInvitation, desk.turn.identify(other))


# ---- our side


async def propose(desk: Desk, other: MatrixId, greeting: str, chosen: Terms) -> None:
    """Ask that front desk for a link: the room is made first, and our first step crosses when it is there."""
    id = LinkId(desk.turn.new_id())
    us, them = party(id, desk.community.desk), party(id, other)
    keys, hello, change = _steps(desk, id, us, (1, 1), "link", greeting, allowed(desk, chosen))
    link, _ = links.propose(id, us, them, hello, change, desk.now)
    await desk.records.put(keys)
    await settle(desk, replace(link, desk=other, chosen=chosen))
    desk.turn.do(OpenLinkRoom(id, other))


async def agree(desk: Desk, link: Link, greeting: str, chosen: Terms) -> None:
    """Take up what the other side proposes: our two steps cross."""
    said, numbers = allowed(desk, chosen), links.next_keys(link)
    keys, hello, change = _steps(desk, link.id, link.us, numbers, "link", greeting, said)
    link = replace(link, chosen=chosen, greeting="")
    link, sent = links.advance(link, Agree(hello, change), desk.now)
    await desk.records.put(keys)
    await settle(desk, await carry(desk, link, sent))


async def rotate(desk: Desk, link: Link) -> Link:
    """Make new keys: at a steward's wish, in answer to the other side's, or after a restore."""
    theirs = link.making.their_hello if link.making is not None else None
    restored = link.state is LinkState.RESYNC if theirs is None else theirs.reason == "restored"
    reason = "restored" if restored else "rotate"
    said, numbers = allowed(desk, link.chosen or link.terms), links.next_keys(link)
    keys, hello, change = _steps(desk, link.id, link.us, numbers, reason, "", said)
    link, sent = links.advance(link, Rotate(hello, change), desk.now)
    await desk.records.put(keys)
    return await carry(desk, link, sent)


async def set_terms(desk: Desk, link: Link, chosen: Terms) -> Link:
    """Our terms are these from now on, as far as the community allows them, and cross at once."""
    link, sent = links.advance(link, SetTerms(allowed(desk, chosen)), desk.now)
    link = links.knows_end(replace(link, chosen=chosen), desk.now)
    return await settle(desk, await carry(desk, link, sent))


async def set_up(desk: Desk) -> None:
    """Hold each link's terms against how the community is set up now; what it allows less of crosses so."""
    for link in await desk.records.find(Link):
        chosen = link.chosen or link.terms
        said = allowed(desk, chosen)
        unsaid = link.state is LinkState.LINKING and link.making is not None and not link.making.our_hello
        if said == link.terms or unsaid:
            continue
        await set_terms(desk, link, chosen)
        if different := link_terms.changes(desk, link.terms, said, ours=True):
            await _say(
                desk,
                "link.set_up",
                name=called(desk, link),
                desk_there=link.desk,
                changes=different,
                holds=holds(desk, replace(link, terms=said)),
            )


def _steps(
    desk: Desk,
    link: LinkId,
    us: str,
    number_and_round: tuple[int, int],
    reason: str,
    greeting: str,
    said: Terms,
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
            "terms": said,
        }
    )
    return keys, hello, change


def own_terms(desk: Desk) -> Terms:
    """What this community allows whose stewards say nothing else."""
    return terms.ours(desk.community, desk.languages, desk.now)


def allowed(desk: Desk, chosen: Terms) -> Terms:
    """The terms that our stewards chose, as far as the community allows them as it is set up now."""
    return terms.within(chosen, desk.community, desk.languages)


async def settle(desk: Desk, link: Link, *, leaves: bool = True) -> Link:
    """Keep the link as it is now, with new keys where it wants them, and none that it does not need.

    One that is over is deleted; its room is left, or, without `leaves`, once the last word has crossed. Over
    one that carries again after a restore what was asked is put once more.
    """
    before = await desk.records.get(Link, link.id)
    while links.wants_keys(link) is not None:
        link = await rotate(desk, link)
    held = frozenset() if link.state in links.OVER else links.keys_held(link)
    for keys in await desk.records.find(LinkKeys, link=link.id):
        if (keys.number, keys.round) not in held:
            await desk.records.delete(LinkKeys, keys.id)
    if link.state in links.OVER:
        await desk.records.delete(Link, link.id)
        await heard_across.over(desk, link.id)
        desk.turn.crossing.forget(link.id)
        if leaves and link.room is not None:
            desk.turn.do(LeaveRoom(link.room))
    else:
        await desk.records.put(replace(link, due_at=links.due_at(link)))
        away = before is not None and before.state is LinkState.RESYNC
        if away and link.state in (LinkState.LIVE, LinkState.PAUSED):
            await ask_anew(desk, link)
            return await desk.records.get(Link, link.id) or link
    return link


# ---- what comes


async def invited(desk: Desk, event: Invited) -> None:
    """Another front desk asks for a link: it is told, or taken up where our stewards named that desk."""
    if not event.encrypted or not desk.community.stewards or event.sender == desk.community.desk:
        desk.turn.do(LeaveRoom(event.room))
        return
    link, known = await with_desk(desk, event.sender), await invitation_of(desk, event.sender)
    if known is None and link is None:
        kept = [one.desk for one in await desk.records.find(LinkInvitation)]
        if not links.is_told(kept, event.sender):
            desk.turn.do(LeaveRoom(event.room))
            return
        await _say(desk, "link.asked", desk_there=event.sender, until=desk.now + links.ASKED_FOR)
    if known is not None and known.room not in (None, event.room):
        desk.turn.do(LeaveRoom(RoomId(str(known.room))))
    id = LinkInvitationId(desk.turn.identify(event.sender))
    asked = known or LinkInvitation(id, event.sender, event.room, desk.now + links.ASKED_FOR)
    both = link is not None and unanswered(link)
    wanted = both and links.gives_way(desk.community.desk, event.sender)
    if link is not None and wanted:
        # Both asked at once, and ours gives way: what our stewards wanted is there.
        asked = with_ours(asked, link)
        await settle(desk, replace(link, state=LinkState.CUT, making=None))
    elif link is not None and both:
        again = await _ask_again(desk, link)
        key = "link.asked_meanwhile" if again is link else "link.both_asked"
        await settle(desk, await _told(desk, again, key, name=called(desk, link), desk_there=link.desk))
    elif link is not None:
        link = await _told(desk, link, "link.asked_meanwhile", name=called(desk, link), desk_there=link.desk)
        await settle(desk, link)
    wanted = wanted or (link is None and known is not None and known.wanted)
    # While there is a link with them it is kept for when that one is over, and told of then.
    until = desk.now + links.ASKED_FOR if link is not None or wanted else asked.due_at
    await desk.records.put(replace(asked, room=event.room, due_at=until, wanted=wanted))
    if wanted:
        desk.turn.do(JoinRoom(event.room))


def with_ours(asked: LinkInvitation, link: Link) -> LinkInvitation:
    """Their ask with what our stewards wrote when they asked for `link`, which theirs takes the place of."""
    hello = None if link.making is None else link.making.our_hello
    return replace(asked, greeting="" if hello is None else hello.greeting, chosen=link.chosen)


async def _ask_again(desk: Desk, link: Link) -> Link:
    """Invite them once more, where both asked and ours goes on: they may have declined it before."""
    again = None if link.here else links.ask_again(link, desk.now)
    if again is None:
        return link
    desk.turn.do(OpenLinkRoom(link.id, link.desk))
    return again


def unanswered(link: Link) -> bool:
    """Whether we asked, and their program has said nothing yet."""
    return link.state is LinkState.LINKING and link.making is not None and link.making.their_hello is None


async def room(desk: Desk, event: LinkRoom) -> None:
    """The other desk came into the room of the two, or is gone; a room that nobody wanted is left."""
    link = await _of_room(desk, event.room, event.desk)
    if link is None:
        asked = await invitation_of(desk, event.desk)
        if not event.here:
            await not_joined(desk, event.room)
            desk.turn.do(LeaveRoom(event.room))
        elif asked is None or not asked.wanted or asked.room != event.room:
            desk.turn.do(LeaveRoom(event.room))
        return
    if not event.here and link.state is LinkState.LINKING:
        if link.here:
            await _parted(desk, link)
        return
    came_back = event.here and not link.here
    link = replace(link, room=event.room, here=event.here)
    if not event.here:
        link = await _told(desk, link, "link.gone", name=called(desk, link), desk_there=link.desk)
    else:
        # What was said before it was there, or while our own desk did not know the room, did not arrive.
        link = await carry(desk, link, links.steps_again(link))
    if came_back:
        link = await carry(desk, link, links.standing(link))
    await settle(desk, link)


async def _parted(desk: Desk, link: Link) -> None:
    """They left before the link stood: it is over here too, and our stewards read what that may mean."""
    shown = link.making is not None and link.making.epoch is not None
    await settle(desk, links.parted(link))
    key = "link.parted" if shown else "link.parted_early"
    text = link_terms.nobodys(desk).words(key, name=called(desk, link), desk_there=link.desk)
    await _say_text(desk, text + await asked_anew(desk, link.desk))


async def declined(desk: Desk, room: RoomId) -> bool:
    """Whoever was invited to that room is not there any more; whether it is one where we asked for a link.

    That one stays, since they can be invited again. Only its maker can ask anybody into it.
    """
    for link in await desk.records.find(Link):
        if link.room == room and unanswered(link) and not link.here:
            asked = await invitation_of(desk, link.desk)
            if asked is not None and asked.room is not None:
                # They want one, and had declined ours before we heard of that.
                await settle(desk, await _ask_again(desk, link))
            return True
    await not_joined(desk, room)
    return False


async def not_joined(desk: Desk, room: RoomId) -> None:
    """Whoever invited ours to that room is not there: what they asked is over, and our stewards can ask."""
    for asked in await desk.records.find(LinkInvitation):
        if asked.room == room:
            await desk.records.delete(LinkInvitation, asked.id)
            if asked.wanted:
                await _say(desk, "link.not_joined", desk_there=asked.desk)


async def asked_anew(desk: Desk, other: MatrixId) -> str:
    """What is said, in a paragraph, of its asking anew once the link with it is over; empty if it did not.

    It was kept while the link was there. It is forgotten as late as one that comes now.
    """
    asked = await invitation_of(desk, other)
    if asked is None or asked.room is None or asked.wanted:
        return ""
    until = desk.now + links.ASKED_FOR
    await desk.records.put(replace(asked, due_at=until))
    return "\n\n" + link_terms.nobodys(desk).words("link.asked", desk_there=other, until=until)


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
        known = topics.known(desk.community)
        taken = desk.turn.crossing.take(event.content, link, keys, desk.now, known)
        after = taken.link or link
        if taken.body is not None:
            after = replace(after, heard_at=desk.now)
        after = await settle(desk, await carry(desk, after, taken.crosses))
        if unanswered(link) and not unanswered(after):
            # They take up ours: what they asked themselves before is given up with it.
            await _forget_asked(desk, link.desk)
        if after.state not in links.OVER:
            await _tell_change(desk, link, after, taken.body)
        await _tell(desk, link, after)
        if taken.body is not None and after.state not in links.OVER:
            await heard_across.came(desk, after, taken.body)


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
    said = own_terms(desk) if asked.chosen is None else allowed(desk, asked.chosen)
    link = links.proposed(opening.link, us, them, opening.body, said, desk.now)
    if link is None:
        return
    link = replace(link, desk=event.sender, room=event.room, here=True, heard_at=desk.now)
    link = replace(link, greeting=asked.greeting, chosen=asked.chosen)
    # Our stewards wanted it: where this link ends, another one is told of again.
    await desk.records.delete(LinkInvitation, asked.id)
    await settle(desk, link)
    text = link_terms.nobodys(desk).words(
        "link.hello",
        name=called(desk, link),
        desk_there=link.desk,
        greeting=quoted(desk, opening.body.greeting),
        terms=link_terms.described(desk, opening.body.terms, ours=False),
    )
    if link.greeting:
        text += " " + link_terms.nobodys(desk).words("link.hello_kept")
    await _say_text(desk, text)


async def _forget_asked(desk: Desk, other: MatrixId) -> None:
    asked = await invitation_of(desk, other)
    if asked is not None:
        await forget(desk, asked)


async def _tell_change(desk: Desk, before: Link, after: Link, body: Body | None) -> None:
    """Say what the other side answered, or changed, as far as that is not too often in a day."""
    if isinstance(body, Hello) and body.reason == "rotate" and before.making is None:
        told = await _told(desk, after, "link.rotated_there", name=called(desk, after))
        after = after if told is after else await settle(desk, told)
    was = before.their_terms
    values: dict[str, object] = {"name": called(desk, after), "desk_there": after.desk}
    if isinstance(body, Pause) and before.paused_there is not after.paused_there:
        key = "link.paused_there" if after.paused_there else "link.resumed_there"
    elif isinstance(body, Hello) and was is None:
        key = "link.answered"
        values["greeting"] = quoted(desk, body.greeting)
        values["terms"] = link_terms.described(desk, body.terms, ours=False)
        values["holds"] = holds(desk, after)
    elif isinstance(body, NewTerms | Hello) and was is not None and was != body.terms == after.their_terms:
        key = "link.new_terms"
        values["changes"] = link_terms.changes(desk, was, body.terms, ours=False)
        values["holds"] = holds(desk, after)
        if not values["changes"]:
            return
    else:
        return
    told = await _told(desk, after, key, **values)
    if told is not after:
        # Where what holds was said, so was until when.
        await settle(desk, links.knows_end(told, desk.now) if "holds" in values else told)


async def _told(desk: Desk, link: Link, key: str, /, **values: object) -> Link:
    """The link once the stewards were told of what its other side did; as it was where that is too often."""
    told = links.tell(link, desk.now)
    if told is None:
        return link
    room = await StewardRoom.of(desk)
    room.say(key, notice=False, **values)
    if links.tell(told, desk.now) is None:
        room.say("link.told_enough", notice=False, name=called(desk, link))
    await room.close()
    return told


async def _tell(desk: Desk, before: Link, after: Link) -> None:
    """Say what changed for the stewards."""
    made, was = after.making, before.making
    runs = (LinkState.LIVE, LinkState.PAUSED)
    if after.state in runs and before.state not in runs:
        # A link that was restored stood before; a pause and its end are told as such.
        await _say_text(desk, in_use(desk, after, first=before.state is not LinkState.RESYNC))
    elif before.state is not after.state and (key := _NOW.get(after.state)) is not None:
        text = link_terms.nobodys(desk).words(key, name=called(desk, after), desk_there=after.desk)
        anew = await asked_anew(desk, after.desk) if after.state in links.OVER else ""
        await _say_text(desk, text + anew)
    elif after.making is None and was is not None and was.state is MakingState.CONFIRMED and after.epochs:
        await _say_text(desk, in_use(desk, after, first=False))
    if made is None or made.state is not MakingState.SHOWN or made.epoch is None:
        return
    if was is None or was.epoch is None or was.epoch.made != made.epoch.made:
        await _say(
            desk,
            "link.words",
            name=called(desk, after),
            desk_there=after.desk,
            words=words_of(made.epoch.made),
        )


_NOW = {
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
    elif link.room is None or (link.room != room and unanswered(link)):
        # Another one where they were asked again, and the first was left when they declined it; or where they
        # came into the room of an earlier link, which is being left, before this one was there.
        await settle(desk, replace(link, room=room, here=False))


async def not_opened(desk: Desk, effect: OpenLinkRoom, reason: str) -> None:
    """The other homeserver was not reached, or refused: nothing of the link is left."""
    link = await desk.records.get(Link, effect.link)
    if link is None or link.here or not unanswered(link):
        return
    await settle(desk, replace(link, state=LinkState.CUT, making=None))
    asked = await invitation_of(desk, link.desk)
    if asked is not None and asked.room is not None:
        # They asked too, and got through to us.
        await desk.records.put(replace(with_ours(asked, link), wanted=True))
        desk.turn.do(JoinRoom(asked.room))
        await _say(desk, "link.joining", desk_there=link.desk)
        return
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
        after, sent = links.advance(link, links.Lapse(), desk.now)
        after = await carry(desk, after, sent)
    after = await settle(desk, after)
    if after.state in links.OVER:
        text = link_terms.nobodys(desk).words("link.expired", name=called(desk, link), desk_there=link.desk)
        await _say_text(desk, text + await asked_anew(desk, link.desk))
    elif link.state is LinkState.RESYNC and link.making is None:
        await _say(desk, "link.resync", name=called(desk, link))
    elif link.making is not None and after.making is None:
        await _say(desk, "link.unfinished", name=called(desk, link), desk_there=link.desk)
    if (until := links.ends_soon(after, desk.now)) is not None:
        theirs = after.their_terms is not None and after.their_terms.until < after.terms.until
        name = called(desk, link)
        if theirs or after.told_until is not None:
            # Theirs to bring about: where they move their end back and forth it is ours each second time.
            key = "link.ends_soon_theirs" if theirs else "link.ends_soon"
            after = await _told(desk, after, key, name=name, desk_there=link.desk, until=until)
        else:
            await _say(desk, "link.ends_soon", name=name, desk_there=link.desk, until=until)
        # Told or one too many: that end is not due again.
        await settle(desk, links.knows_end(after, desk.now))


async def forget(desk: Desk, asked: LinkInvitation) -> None:
    """Nobody wanted it: the invitation is declined, and forgotten."""
    await desk.records.delete(LinkInvitation, asked.id)
    if asked.room is not None:
        desk.turn.do(LeaveRoom(asked.room))


# ---- in words


def called(desk: Desk, link: Link) -> str:
    """What the other collective calls itself, in quotation marks; until it said so, its desk."""
    return f"{quoted(desk, link.name)} ({link.desk})" if link.name else str(link.desk)


def words_of(made: str) -> str:
    """The six words, as they are read out."""
    return ", ".join(six_words(made))


def holds(desk: Desk, link: Link, *, shown: bool = False) -> str:
    """What holds of our terms and theirs, as a paragraph, below ours where those are `shown`.

    It is empty before theirs are known.
    """
    if link.their_terms is None:
        return ""
    return "\n\n" + link_terms.holding(desk, link.terms, link.their_terms, shown=shown)


def in_use(desk: Desk, link: Link, *, first: bool) -> str:
    """That both sides confirmed its keys, the `first` or new ones; and where it is paused, that it is."""
    room, name = link_terms.nobodys(desk), called(desk, link)
    if first:
        text = room.words("link.live", name=name, desk_there=link.desk, holds=holds(desk, link))
    else:
        text = room.words("link.renewed", name=name)
    if link.state is not LinkState.PAUSED:
        return text
    key = "link.is_paused_here" if link.paused_here else "link.is_paused_there"
    return f"{text} {room.words(key, name=name, desk_there=link.desk)}"


async def _say(desk: Desk, key: str, /, **values: object) -> None:
    """Say a sentence in the stewards' room, which notifies."""
    await _say_text(desk, link_terms.nobodys(desk).words(key, **values))


async def _say_text(desk: Desk, text: str) -> None:
    room = await StewardRoom.of(desk)
    room.say_text(text, notice=False)
    await room.close()
