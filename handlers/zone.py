"""The member's time zone, by the name of their city.

Guards: a zone is never guessed: it is the only one of its name or the one that the member chose; every hour
that they named before moves with them.
"""

from dataclasses import replace
from zoneinfo import ZoneInfo

from handlers.answer import behind
from handlers.desk import Desk
from handlers.question import Choice, Question, Reply
from schema.records import CheckIn, Member, Offer, Prompt
from schema.states import CheckInState
from service.core import checkins, cities

_MOST = 12
"""Choices in one list; where more cities fit, they are put together by what their clocks show."""
_SHOWN = 3
"""Cities that are named of those whose clocks show the same."""

_ALSO = frozenset({"skip", "back"})


def of(desk: Desk, member: Member) -> str:
    """The IANA zone in which the member is told hours: their own, else the community's."""
    return member.zone or desk.community.zone


async def start(desk: Desk, member: Member) -> None:
    """Ask in which city's time the member lives."""
    desk.put_behind(member.id)
    desk.ask(member.id, "zone")


async def typed(desk: Desk, member: Member, body: str) -> bool:
    """Take the city that stands behind the words for it, "my zone is Lagos"; False: none is known there."""
    text = behind(desk, member, "spell.my_zone", body)
    if not text or not cities.find(text, desk.turn.words.zones()).zones:
        return False
    zone, found = taken(desk, member, Reply(text=text))
    if zone:
        await _live_in(desk, member, zone)
    else:
        desk.put_behind(member.id)
        desk.ask(member.id, "zone", draft={"cities": found})
    return True


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The question for the city, or which one of several."""
    return question(desk, member, listed(prompt.draft.get("cities")))


def question(desk: Desk, member: Member, found: list[str]) -> Question:
    """Ask for the city; where several of a name were `found`, which of them. Another name does too."""
    choices = tuple(Choice(zone, text=_choice(desk, member, zone)) for zone in found)
    now = desk.turn.words.city(of(desk, member), member.language)
    text = desk.words(member, "zone.which") if found else desk.words(member, "zone.question", city=now)
    return Question(text, choices, free=True, reads=True, also=_ALSO)


def _choice(desk: Desk, member: Member, zones: str) -> str:
    """A city with its land and what its clock shows now, by which a person knows their own; or several."""
    words = desk.turn.words
    found = zones.split()
    local = desk.now.astimezone(ZoneInfo(found[0]))
    hour = words.clock(local.hour * 60 + local.minute, member.language)
    if len(found) == 1:
        city = words.city(found[0], member.language, country=True)
        return desk.words(member, "zone.choice", city=city, hour=hour)
    cities_there = [words.city(zone, member.language) for zone in found]
    if len(found) > _SHOWN:
        return desk.words(member, "zone.choice_more", cities=", ".join(cities_there[:_SHOWN]), hour=hour)
    return desk.words(member, "zone.choice", city=", ".join(cities_there), hour=hour)


def listed(value: object) -> list[str]:
    """A draft's list of texts; none where it has none."""
    return value if isinstance(value, list) else []


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Keep the zone, or ask on."""
    if reply.name in ("skip", "back"):
        city = desk.turn.words.city(of(desk, member), member.language)
        desk.say(member.id, "zone.kept", city=city)
        if reply.name == "skip":
            await stay(desk, member)
        return
    zone, found = taken(desk, member, reply)
    if not zone:
        desk.ask(member.id, "zone", draft={"cities": found})
        return
    await _live_in(desk, member, zone)


async def _live_in(desk: Desk, member: Member, zone: str) -> None:
    """Keep the zone, and say what the clock there shows."""
    city = desk.turn.words.city(zone, member.language, country=True)
    local = desk.now.astimezone(ZoneInfo(zone))
    day = desk.turn.words.weekday(local.weekday(), member.language)
    hour = desk.turn.words.clock(local.hour * 60 + local.minute, member.language)
    desk.say(member.id, "zone.done", city=city, day=day, hour=hour)
    await keep(desk, member, zone)


def taken(desk: Desk, member: Member, reply: Reply) -> tuple[str, list[str]]:
    """The zone that the answer means, else those to choose from; what does not do is said.

    Other conversations ask with `question`, take the answer with this, and `keep` the zone.
    """
    if reply.name:
        zones = reply.name.split()
        return ("", zones) if len(zones) > 1 else (reply.name, [])
    words = desk.turn.words
    found = cities.find(reply.text, words.zones())
    if found.certain:
        return found.zones[0], []
    if not found.zones:
        desk.refuse(member.id, "zone.none")
    if len(found.zones) <= _MOST:
        return "", list(found.zones)
    # A land as wide as that has a few clocks and many cities: first by what a clock there shows.
    clocks = cities.by_clock(found.zones, desk.now, words.usual_zones())
    if len(clocks) > _MOST:
        desk.refuse(member.id, "zone.too_many", n=len(found.zones))
        return "", []
    return "", [" ".join(clock) for clock in clocks]


async def stay(desk: Desk, member: Member) -> None:
    """The member lives by the clock that the question named: they said so, and are not asked again."""
    if member.zone is None:
        await keep(desk, member, of(desk, member))


async def keep(desk: Desk, member: Member, zone: str) -> None:
    """The member lives in `zone` from now on, and so do the hours of their offer and of their check-ins."""
    desk.keep(replace(desk.now_is(member.id), zone=zone))
    moved: list[CheckIn] = []
    for old in await desk.records.find(CheckIn, member=member.id):
        one, _ = checkins.advance(old, checkins.Move(zone), desk.now)
        if one.state is CheckInState.OVER:
            await desk.records.delete(CheckIn, one.id)
        else:
            await desk.records.put(one)
            moved.append(one)
        if old.wall is not None and one.at is None:
            hour = desk.turn.words.clock(old.wall.hour * 60 + old.wall.minute, member.language)
            desk.say(member.id, "zone.checkin_past", day=old.wall.date(), hour=hour)
    if coming := [one.at for one in moved if one.at is not None and one.state is not CheckInState.PAUSED]:
        desk.say(member.id, "zone.checkins", at=min(coming))
    for offer in await desk.records.find(Offer, member=member.id):
        await desk.records.put(replace(offer, zone=zone))
