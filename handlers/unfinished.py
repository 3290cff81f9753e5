"""What a member began and did not finish: named where they look what stands, and not lost by its own word.

Guards: the word that begins something never throws away what was answered of it before; what waits is named
by what it is about, and never by what was written.
"""

from handlers.desk import Desk
from handlers.question import PASSING, Choice, Question
from schema.records import Member, Prompt
from service.core.change import replace

_BEGINS = {
    "talk": "talk",
    "offer": "offer",
    "concern": "concern",
    "own_plan": "own_plan",
    "buddies": "buddy",
    "new_checkin": "new_checkin",
}
"""The kind of question that a command begins."""

KINDS = frozenset(_BEGINS.values())

_FIRST = {
    "talk": ("ages", "recap", "wish"),
    "offer": ("ages", "length"),
    "concern": ("about",),
    "own_plan": ("words",),
    "buddy": ("address",),
    "new_checkin": ("zone", "when"),
}
"""Steps at which nothing was answered yet."""

_CHOICES = (Choice("go_on", "choice.unfinished_go_on"), Choice("anew", "choice.unfinished_anew"))

_ABOUT = {
    kind: about
    for about, kinds in {
        "open.request": ("talk", "again"),
        "open.offer": ("offer", "offered", "renew"),
        "open.ask": ("ask", "smaller", "note", "more"),
        "open.consent": ("consent",),
        "open.room": ("extend", "pass", "stays", "left", "absent", "which", "backup"),
        "open.after": ("after", "afterwards"),
        "open.apart": ("apart", "kept"),
        "open.concern": ("concern", "concerns", "own_concern", "answered"),
        "open.reads": ("to_read", "reads", "answers", "pauses", "weighs", "lift"),
        "open.paused": ("paused", "objects"),
        "open.buddy": ("buddy", "new_words", "buddies", "buddy_ended", "tell_buddy"),
        "open.be_buddy": ("be_buddy", "agree_words"),
        "open.plan": ("own_plan", "my_plan", "change_plan", "delete_plan"),
        "open.checkin": (
            *("checkin", "checkin_on", "new_checkin", "checkins", "own_checkin"),
            *("pause_checkin", "end_checkin"),
        ),
        "open.zone": ("zone",),
        "open.ages": ("ages",),
        "open.language": ("language",),
        "open.voucher": ("voucher",),
        "open.vouch": ("vouch",),
        "open.practice": ("practice",),
        "open.held": ("held", "consents", "take_back", "forget", "clear"),
    }.items()
    for kind in kinds
}
"""What each kind of question is about; the menu, and what `stop` asks, are about nothing of their own."""

_WAITS_TOO = frozenset({"zone", "ages", "language", "after"})
"""Questions that hold nothing up and wait for an answer all the same, where they are open."""


def about(desk: Desk, member: Member, kind: str) -> str:
    """What a question of this kind is about, as it stands in a sentence."""
    return desk.words(member, _ABOUT[kind])


def waits(desk: Desk, member: Member) -> str:
    """What waits for the member's answer, named, and how they see it; empty where nothing does."""
    open_now = member.prompt
    found = [one.kind for one in member.waiting if not desk.over(one)]
    if (
        open_now is not None
        and not desk.over(open_now)
        and (open_now.kind not in PASSING or open_now.kind in _WAITS_TOO)
    ):
        found.insert(0, open_now.kind)
    named = list(dict.fromkeys(about(desk, member, kind) for kind in found if kind in _ABOUT))
    return desk.words(member, "status.question", n=len(named), what=named) if named else ""


def _found(desk: Desk, member: Member, command: str) -> Prompt | None:
    """What was begun with `command` before, where something of it was answered."""
    kind = _BEGINS[command]
    prompts = member.waiting if member.prompt is None else (member.prompt, *member.waiting)
    return next((one for one in prompts if one.kind == kind and not desk.over(one) and _answered(one)), None)


def _answered(prompt: Prompt) -> bool:
    draft = prompt.draft
    if draft.get("standing") or draft.get("of"):
        # What stands already is changed by a word of its own.
        return False
    return bool(draft.get("said")) or draft.get("step") not in _FIRST[prompt.kind]


def asks(desk: Desk, member: Member, command: str) -> bool:
    """Ask whether to go on with what was begun with `command` before; False where nothing was."""
    if _found(desk, member, command) is None:
        return False
    desk.put_behind(member.id)
    desk.ask(member.id, "unfinished", subject=command)
    return True


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """Go on with it, or begin anew."""
    if _found(desk, member, prompt.subject) is None:
        return None
    text = desk.words(member, "unfinished.question", what=about(desk, member, _BEGINS[prompt.subject]))
    return Question(text, _CHOICES)


def go_on(desk: Desk, member: Member, command: str) -> None:
    """Put the question at which the member was."""
    now = desk.now_is(member.id)
    found = _found(desk, now, command)
    if found is not None:
        others = tuple(one for one in now.waiting if one is not found)
        desk.keep(replace(now, waiting=(found, *others)))
    desk.take_back(member.id)


def drop(desk: Desk, member: Member, command: str) -> None:
    """Erase what was begun with `command`."""
    found = _found(desk, desk.now_is(member.id), command)
    if found is not None:
        desk.end_question(member.id, found)
