"""Whether linked communities may be asked about a request too: the member's own choice, each by its name.

Guards: it is never the default; those that the recap named are asked and no others, also where a link comes
later; what crosses, and what does not, is said before the yes.
"""

from handlers import across
from handlers import draft as drafts
from handlers.desk import Desk
from handlers.question import Choice, Question, Reply
from schema.ids import LinkId, RequestId
from schema.records import Link, Member, Request

_ALSO = frozenset({"skip", "back"})
_CHOICES = (Choice("no", "choice.linked_no"), Choice("yes", "choice.linked_yes"))


def _request(desk: Desk, member: Member, draft: drafts.Draft) -> Request:
    """What would be asked."""
    return drafts.onto(desk, drafts.blank(desk, member, RequestId("")), draft, None)


async def choice(desk: Desk, member: Member, draft: drafts.Draft) -> tuple[Choice, ...]:
    """The choice, where there is a linked community that this could be put to; or to take it back."""
    may = drafts.linked(draft) or await across.to_ask(desk, _request(desk, member, draft))
    return (Choice("linked", "choice.change_linked"),) if may else ()


async def question(desk: Desk, member: Member, draft: drafts.Draft) -> Question | None:
    """Whether those that it could be put to may be asked too."""
    found = await across.to_ask(desk, _request(desk, member, draft))
    if not found:
        # None is there any more: that they are not asked can still be said.
        return Question(desk.words(member, "talk.linked_none"), _CHOICES[:1], also=_ALSO)
    named = await across.names(desk, member, [one.id for one in found])
    return Question(desk.words(member, "talk.linked", collectives=named), _CHOICES, also=_ALSO)


async def taken(desk: Desk, member: Member, draft: drafts.Draft, reply: Reply) -> list[str]:
    """What the answer puts into the draft; the recap then names each, a link that came meanwhile as well."""
    if reply.name != "yes":
        return []
    return [one.id for one in await across.to_ask(desk, _request(desk, member, draft))]


async def still(desk: Desk, member: Member, draft: drafts.Draft) -> list[str]:
    """Of those in the draft the ones that may get what it asks by now; that others may not is said."""
    request = _request(desk, member, draft)
    chosen = [LinkId(one) for one in drafts.texts(draft, "linked")]
    found = [await desk.records.get(Link, one) for one in chosen]
    kept = [one.id for one in found if one is not None and across.is_within(desk, one, request)]
    left_out = await across.names(desk, member, [one for one in chosen if one not in kept])
    if left_out:
        desk.say(member.id, "talk.linked_not", collectives=left_out)
    return [str(one) for one in kept]


async def line(desk: Desk, member: Member, draft: drafts.Draft) -> str:
    """Which may be asked too, by name, and what crosses; nothing where none may."""
    found = await across.names(desk, member, drafts.linked(draft))
    return desk.words(member, "talk.recap_linked", collectives=found) if found else ""
