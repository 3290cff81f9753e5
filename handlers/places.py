"""The community's places of help, each with the day on which somebody last made sure of it.

Guards: they are shown on request alone, never for what somebody wrote; a steward's day counts beside the
configuration's, and the later of the two is said.
"""

from dataclasses import replace
from datetime import date

from handlers.desk import Desk
from handlers.steward_room import stewardship
from schema.community import Place, PlaceTexts
from schema.records import Member, Stewardship
from service.core import steward

_FOR = {"adults": "places.for_adults", "young": "places.for_young"}
_POLICE = {"yes": "places.police_yes", "no": "places.police_no", "not known": "places.police_unknown"}


def checked(place: Place, kept: Stewardship) -> date | str:
    """The day on which the place was last checked; where none can be read, as the community wrote it."""
    day = steward.checked_on(place, kept.checked)
    return place.checked_on if day is None else day


def spoken(place: Place, language: str) -> Place:
    """The place as the community wrote it in `language`."""
    there = place.texts.get(language, PlaceTexts())
    return replace(
        place,
        name=there.name or place.name,
        contact=there.contact or place.contact,
        hours=there.hours or place.hours,
        languages=there.languages or place.languages,
    )


async def entries(desk: Desk, member: Member) -> list[str]:
    """The community's own places of help, each with what a person needs to know before they call."""
    kept = await stewardship(desk)
    found = [_entry(desk, member, place, checked(place, kept)) for place in desk.community.places]
    return [desk.words(member, "places.intro" if found else "places.none"), *found]


def _entry(desk: Desk, member: Member, place: Place, day: date | str) -> str:
    place = spoken(place, member.language)
    said = desk.words(
        member,
        "places.entry",
        name=place.name,
        contact=place.contact,
        hours=place.hours,
        languages=place.languages,
        police=desk.words(member, _POLICE[place.may_send_police]),
        checked=day,
    )
    if place.ages not in _FOR:
        return said
    return f"{said}\n{desk.words(member, _FOR[place.ages], age=desk.community.adult_from)}"


async def start(desk: Desk, member: Member) -> None:
    """Say the community's places of help; the question that is open stays so."""
    desk.say_text(member.id, "\n\n".join(await entries(desk, member)), notice=False)
    if desk.now_is(member.id).prompt is not None:
        desk.look_away(member.id)
        desk.say(member.id, "places.back")
