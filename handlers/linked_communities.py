"""Whether linked communities may be asked about a request too: the member's own choice, each by its name.

Guards: it is never the default; those that the recap named are asked and no others, also where a link comes
later; what crosses, and what does not, is said before the yes; where others could be asked and are not, the
recap says so, by name, and by which words they are.
"""

from collections.abc import Sequence
from dataclasses import replace

from handlers import across, after, talking
from handlers import draft as drafts
from handlers.desk import Desk
from handlers.question import Choice, Question, Reply
from schema.ids import LinkId, RequestId
from schema.records import Link, Member, Request
from schema.states import LinkState
from service.core import links

_ALSO = frozenset({"skip", "back"})
_MOST = 8
"""Rooms that one ask can name."""
_NO = Choice("no", "choice.linked_no")


def _request(desk: Desk, member: Member, draft: drafts.Draft) -> Request:
    """What would be asked."""
    return drafts.onto(desk, drafts.blank(desk, member, RequestId("")), draft, None)


async def choice(desk: Desk, member: Member, draft: drafts.Draft) -> tuple[Choice, ...]:
    """The choice, where there is a linked community that this could be put to; or to take it back."""
    may = drafts.linked(draft) or await across.to_ask(desk, _request(desk, member, draft))
    return (_worded(desk, member, "linked", "choice.change_linked"),) if may else ()


def _worded(desk: Desk, member: Member, name: str, key: str) -> Choice:
    """The choice, which is also made by the words that ask for it elsewhere."""
    return Choice(name, text=f"{desk.words(member, key)} | {desk.words(member, 'command.linked')}")


async def question(desk: Desk, member: Member, draft: drafts.Draft) -> Question | None:
    """Whether those that it could be put to may be asked too."""
    found = await across.to_ask(desk, _request(desk, member, draft))
    if not found:
        # None is there any more: that they are not asked can still be said.
        return Question(desk.words(member, "talk.linked_none"), (_NO,), also=_ALSO)
    called = await across.names(desk, member, [one.id for one in found])
    choices = (_NO, _worded(desk, member, "yes", "choice.linked_yes"))
    return Question(desk.words(member, "talk.linked", collectives=called), choices, also=_ALSO)


async def taken(desk: Desk, member: Member, draft: drafts.Draft, reply: Reply) -> list[str]:
    """What the answer puts into the draft; the recap then names each, a link that came meanwhile as well."""
    if reply.name != "yes":
        return []
    return [one.id for one in await across.to_ask(desk, _request(desk, member, draft))]


async def named(desk: Desk, member: Member, draft: drafts.Draft) -> list[str]:
    """What the draft has once its member said in words that they want it: all that it could be put to."""
    found = [one.id for one in await across.to_ask(desk, _request(desk, member, draft))]
    return [*drafts.linked({**draft, "linked": [*found]})]


async def still(desk: Desk, member: Member, draft: drafts.Draft) -> list[str]:
    """Of those in the draft the ones that may get what it asks by now."""
    request = _request(desk, member, draft)
    found = [await desk.records.get(Link, one) for one in drafts.texts(draft, "linked")]
    return [str(one.id) for one in found if one is not None and await across.is_within(desk, one, request)]


# Whom they would talk with again


async def again_of(desk: Desk, member: Member, draft: drafts.Draft, *, now: bool = True) -> list[str]:
    """The rooms of the member's with whose other they would talk again, over links that could get this.

    With `now` those alone whose link is not paused, to choose from.
    """
    request, found = replace(_request(desk, member, draft), again_of=()), []
    for one in await after.would_again(desk, member.id):
        link = await desk.records.get(Link, one.link)
        stands = link is not None and (link.state is LinkState.LIVE or not now)
        if link is not None and stands and await across.is_within(desk, link, request):
            found.append(f"{one.link} {one.answer}")
    return found[:_MOST]


async def still_again_of(desk: Desk, member: Member, draft: drafts.Draft) -> list[str]:
    """Of the rooms in the draft those of which that holds by now."""
    found = await again_of(desk, member, draft, now=False)
    return [one for one in drafts.texts(draft, "again_of") if one in found]


async def keep_to(desk: Desk, member: Member, draft: drafts.Draft) -> drafts.Draft:
    """The draft with those alone who may get what it asks by now; that others may not is said."""
    kept: drafts.Draft = {"linked": [*await still(desk, member, draft)]}
    kept["again_of"] = [*await still_again_of(desk, member, draft)]
    chosen = (*drafts.texts(draft, "linked"), *_links(drafts.texts(draft, "again_of")))
    left = (*drafts.texts(kept, "linked"), *_links(drafts.texts(kept, "again_of")))
    gone = [LinkId(one) for one in dict.fromkeys(chosen) if one not in left]
    if names := await across.names(desk, member, gone):
        desk.say(member.id, "talk.linked_not", collectives=names)
    return {**draft, **kept}


async def whom_choice(desk: Desk, member: Member, draft: drafts.Draft) -> tuple[Choice, ...]:
    """The choice of whom to ask first or alone, where there is anybody such; or to take it back."""
    may = bool(draft.get("again")) or bool(await again_of(desk, member, draft))
    return await after.first_choice(desk, member, may)


async def whom_question(desk: Desk, member: Member, draft: drafts.Draft) -> Question:
    """Whom to ask first, or alone; and what a linked community hears where it is somebody of there."""
    text, choices = desk.words(member, "talk.again"), after.FIRST
    if named := await _communities(desk, member, await again_of(desk, member, draft)):
        text = f"{text}\n{desk.words(member, 'talk.again_linked', collectives=named)}"
        choices = after.FIRST_LINKED
    return Question(text, choices, also=_ALSO)


async def whom_lines(desk: Desk, member: Member, draft: drafts.Draft) -> list[str]:
    """Who is asked first, or alone, here and in linked communities, and what those hear of it."""
    if not draft.get("again"):
        return []
    only = bool(draft.get("again_only"))
    named = await _communities(desk, member, await still_again_of(desk, member, draft))
    lines: list[str] = []
    if not named or await after.has_agreed(desk, member.id):
        lines.append(desk.words(member, "talk.recap_again_only" if only else "talk.recap_again"))
    if named:
        key = "talk.recap_again_only_linked" if only else "talk.recap_again_linked"
        lines.append(desk.words(member, key, collectives=named))
        lines.append(desk.words(member, "talk.recap_again_how"))
        if not drafts.linked(draft):
            over = _links(drafts.texts(draft, "again_of"))
            lines += await _spoken(desk, member, draft, over)
    return lines


async def _communities(desk: Desk, member: Member, rooms: Sequence[str]) -> list[str]:
    return await across.names(desk, member, _links(rooms))


def _links(rooms: Sequence[str]) -> list[LinkId]:
    return list(dict.fromkeys(LinkId(one.split(" ", 1)[0]) for one in rooms))


async def alone(desk: Desk, member: Member, draft: drafts.Draft) -> str:
    """That people here alone are asked, where others could be; nothing where none could."""
    if drafts.linked(draft) or drafts.again_of(draft):
        return ""
    found = await across.names(desk, member, [LinkId(one) for one in await named(desk, member, draft)])
    return desk.words(member, "talk.recap_here_alone", collectives=found) if found else ""


async def status(desk: Desk, member: Member, request: Request) -> list[str]:
    """Whether people of linked communities are asked for a request, by name; nothing where none could be."""
    if found := await across.names(desk, member, request.linked):
        return [desk.words(member, "status.linked", collectives=found)]
    could = [] if request.again_only or request.again_of else await across.to_ask(desk, request)
    found = await across.names(desk, member, [one.id for one in could])
    return [desk.words(member, "status.here_alone", collectives=found)] if found else []


async def line(desk: Desk, member: Member, draft: drafts.Draft) -> str:
    """Which may be asked too, by name, and what crosses; nothing where none may."""
    found = await across.names(desk, member, drafts.linked(draft))
    if not found:
        return ""
    said = desk.words(member, "talk.recap_linked", collectives=found)
    return " ".join((said, *await _spoken(desk, member, draft, drafts.linked(draft))))


async def _spoken(desk: Desk, member: Member, draft: drafts.Draft, over: Sequence[LinkId]) -> tuple[str, ...]:
    """The language that crosses, where no line of what would be asked names one."""
    request, found = _request(desk, member, draft), dict[str, None]()
    if not request.languages:
        for id in over:
            if (link := await desk.records.get(Link, id)) is not None:
                found |= dict.fromkeys(await across.languages(desk, request, links.agreed(link)))
    named = talking.named(desk, member, list(found))
    return (desk.words(member, "talk.recap_linked_in", languages=named),) if found else ()
