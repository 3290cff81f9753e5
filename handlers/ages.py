"""Adults, young people, or both kept apart: said once, shown at each recap, and never checked.

Guards: that it cannot be checked is said wherever it counts; whoever is outside is told the places that are
for them; a group is only ever what its member said, is not changed while anybody counts on it, and once a
month at most after that.
"""

from dataclasses import replace

from handlers import places
from handlers import request as requests
from handlers.desk import Desk
from handlers.question import Choice, Question, Reply
from schema.records import Member, Offer, Prompt
from schema.states import OfferState
from service.core import ages

_ALSO = frozenset({"back"})

_MOST_NAMED = 3
"""Places named in a recap, which is long enough; `help now` has them all."""

GROUPS = {ages.ADULTS: "ages.group_adults", ages.YOUNG: "ages.group_young"}
"""What each group is called to its member."""


def unsaid(desk: Desk, member: Member) -> bool:
    """Whether the member has to say in which group they are before they ask or offer."""
    return not of(desk, member)


def of(desk: Desk, member: Member) -> str:
    """The group in which the member asks and offers; nothing where they have to say it first."""
    return ages.group(desk.community.ages, member.age_group)


def question(desk: Desk, member: Member) -> Question:
    """In which group are they; with why it is asked, what is kept, and who learns of it."""
    age = desk.community.adult_from
    choices = (
        Choice(ages.ADULTS, text=desk.words(member, "choice.ages_adults", age=age)),
        Choice(ages.YOUNG, text=desk.words(member, "choice.ages_young", age=age)),
    )
    return Question(desk.words(member, "ages.question", age=age), choices, also=_ALSO)


def take(desk: Desk, member: Member, reply: Reply) -> None:
    """Keep what the member said."""
    desk.keep(replace(desk.now_is(member.id), age_group=reply.name, age_since=None))


def line(desk: Desk, member: Member) -> str:
    """Who this is for, that it cannot be checked, and where whoever is outside can turn to."""
    community = desk.community
    age = community.adult_from
    if community.ages == ages.BOTH:
        adult = member.age_group == ages.ADULTS
        return desk.words(member, "ages.only_adults" if adult else "ages.only_young", age=age)
    said = desk.words(member, "ages.adults" if community.ages == ages.ADULTS else "ages.young", age=age)
    others = ages.YOUNG if community.ages == ages.ADULTS else ages.ADULTS
    named = [place for place in community.places if place.ages == others][:_MOST_NAMED]
    if named:
        elsewhere = [places.spoken(place, member.language).name for place in named]
        return f"{said} {desk.words(member, 'ages.elsewhere', places=elsewhere)}"
    return f"{said} {desk.words(member, 'ages.help_now')}"


# Changing it


async def start(desk: Desk, member: Member) -> None:
    """Ask for the group anew, where nothing stands that was begun in the other."""
    if desk.community.ages != ages.BOTH:
        desk.say_text(member.id, line(desk, member), notice=False)
    elif not await _hindered(desk, member, notice=False):
        desk.put_behind(member.id)
        desk.ask(member.id, "ages")


async def _hindered(desk: Desk, member: Member, *, notice: bool) -> bool:
    """Say what stands in the way of a change, if anything does: what is open, or a month that is not over."""
    if await requests.engaged(desk, member.id):
        desk.say(member.id, "ages.later", notice=notice)
        return True
    if (until := ages.stays_until(member, desk.now)) is None:
        return False
    group = desk.words(member, GROUPS[member.age_group], age=desk.community.adult_from)
    desk.say(member.id, "ages.wait", notice=notice, group=group, until=until)
    return True


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The question, asked by itself."""
    return question(desk, member) if desk.community.ages == ages.BOTH else None


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Keep the group; what was asked of the member in the other counts as silence."""
    if reply.name == "back" or reply.name == member.age_group:
        desk.say(member.id, "ages.kept")
        return
    if await _hindered(desk, member, notice=True):
        return
    await requests.clear_asks(desk, member.id)
    take(desk, member, reply)
    for offer in await desk.records.find(Offer, member=member.id, state=OfferState.OPEN):
        await desk.records.put(replace(offer, age_group=reply.name))
        desk.keep(ages.take_part(desk.now_is(member.id), desk.community.ages, desk.now))
    group = desk.words(member, GROUPS[reply.name], age=desk.community.adult_from)
    desk.say(member.id, "ages.done", group=group)
