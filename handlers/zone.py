"""The member's time zone, by the name of their city.

Guards: a zone is never guessed: it is the only one of its name or the one that the member chose; every hour
that they named before moves with them.
"""

from dataclasses import replace

from handlers.desk import Choice, Desk, Question, Reply
from schema.records import Member, Offer, Prompt
from service.core import cities

_MOST = 9
"""Cities in one list; where more fit, a longer name is asked for."""

_ALSO = frozenset({"skip", "back"})


def of(desk: Desk, member: Member) -> str:
    """The IANA zone in which the member is told hours: their own, else the community's."""
    return member.zone or desk.community.zone


async def start(desk: Desk, member: Member) -> None:
    """Ask in which city's time the member lives."""
    desk.put_behind(member.id)
    desk.ask(member.id, "zone")


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The question for the city, or which one of several."""
    return question(desk, member, listed(prompt.draft.get("cities")))


def question(desk: Desk, member: Member, found: list[str]) -> Question:
    """Ask for the city; where several of a name were `found`, which of them. Another name does too."""
    choices = tuple(
        Choice(zone, text=desk.turn.words.city(zone, member.language, country=True)) for zone in found
    )
    now = desk.turn.words.city(of(desk, member), member.language)
    text = desk.words(member, "zone.which") if found else desk.words(member, "zone.question", city=now)
    return Question(text, choices, free=True, also=_ALSO)


def listed(value: object) -> list[str]:
    """A draft's list of texts; none where it has none."""
    return value if isinstance(value, list) else []


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Keep the zone, or ask on."""
    if reply.name in ("skip", "back"):
        city = desk.turn.words.city(of(desk, member), member.language)
        desk.say(member.id, "zone.kept", city=city)
        return
    zone, found = taken(desk, member, reply)
    if not zone:
        desk.ask(member.id, "zone", draft={"cities": found})
        return
    await keep(desk, member, zone)
    city = desk.turn.words.city(zone, member.language, country=True)
    desk.say(member.id, "zone.done", city=city, now=desk.now)


def taken(desk: Desk, member: Member, reply: Reply) -> tuple[str, list[str]]:
    """The zone that the answer means, else those to choose from; what does not do is said."""
    if reply.name:
        return reply.name, []
    found = list(cities.find(reply.text, desk.turn.words.zones(member.language)))
    if len(found) == 1:
        return found[0], []
    if len(found) > _MOST:
        desk.say(member.id, "zone.too_many", n=len(found))
        return "", []
    if not found:
        desk.say(member.id, "zone.none")
    return "", found


async def keep(desk: Desk, member: Member, zone: str) -> None:
    """The member lives in `zone` from now on, and so do the hours of their offer."""
    desk.keep(replace(desk.now_is(member.id), zone=zone))
    for offer in await desk.records.find(Offer, member=member.id):
        await desk.records.put(replace(offer, zone=zone))
