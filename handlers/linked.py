"""Whether linked communities may be asked about a request too: the member's own choice, each by its name.

Guards: it is never the default; those that the recap named are asked and no others, also where a link comes
later; what crosses, and what does not, is said before the yes.
"""

from handlers import across
from handlers import draft as drafts
from handlers.desk import Desk
from handlers.question import Choice, Question, Reply
from schema.records import Member
from service.core.matching import MUTUAL

_ALSO = frozenset({"skip", "back"})
_CHOICES = (Choice("no", "choice.linked_no"), Choice("yes", "choice.linked_yes"))


async def choice(desk: Desk, draft: drafts.Draft) -> tuple[Choice, ...]:
    """The choice, where there is a linked community that could have somebody; or to take it back."""
    here_alone = draft.get("wish") == MUTUAL or draft.get("again_only")
    may = not here_alone and (draft.get("linked") or await across.to_ask(desk))
    return (Choice("linked", "choice.change_linked"),) if may else ()


async def question(desk: Desk, member: Member) -> Question | None:
    """Whether those that there are may be asked too."""
    found = await across.names(desk, member, [one.id for one in await across.to_ask(desk)])
    if not found:
        # None is there any more: that they are not asked can still be said.
        return Question(desk.words(member, "talk.linked_none"), _CHOICES[:1], also=_ALSO)
    text = desk.words(member, "talk.linked", collectives=found)
    return Question(text, _CHOICES, also=_ALSO)


async def taken(desk: Desk, reply: Reply) -> list[str]:
    """What the answer puts into the draft; the recap then names each, a link that came meanwhile as well."""
    return [one.id for one in await across.to_ask(desk)] if reply.name == "yes" else []


async def line(desk: Desk, member: Member, draft: drafts.Draft) -> str:
    """Which may be asked too, by name, and what crosses; nothing where none may."""
    found = await across.names(desk, member, drafts.linked(draft))
    return desk.words(member, "talk.recap_linked", collectives=found) if found else ""
