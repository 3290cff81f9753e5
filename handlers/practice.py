"""The guide for peers, and a practice: an ask, both consents and a room's end, played with the service alone.

Guards: nobody else has a part in a practice, and nothing of it is kept: it lies in the open question, and
goes with it; each of its messages says that it is one.
"""

from datetime import timedelta

from handlers import offer as offers
from handlers import topics
from handlers.consent import FEARS, WISHES
from handlers.desk import Desk
from handlers.question import Choice, Question, Reply
from schema.records import Member, Prompt

_LENGTH = timedelta(hours=1)
_ALSO = frozenset({"skip", "back"})

_CHOICES = {
    "ask": (
        Choice("yes", "choice.ask_yes"),
        Choice("no", "choice.ask_no"),
        Choice("rest", "choice.ask_rest"),
    ),
    "note": (Choice("yes", "choice.note_yes"), Choice("no", "choice.note_no")),
    "consent": (Choice("yes", "choice.practice_they_yes"), Choice("no", "choice.practice_they_no")),
    "room": (Choice("yes", "choice.practice_close"),),
}
"""The steps, in their order, and what can be answered to each."""

_SAID = {
    "ask": ("practice.ask", "ask.intro", "ask.topics", "ask.length", "ask.terms"),
    "note": ("practice.note", "note.words", "note.terms"),
    "consent": ("practice.consent",),
    "room": ("practice.room", "room.opened"),
}
"""What is said at each step."""

_STEPS = tuple(_CHOICES)


async def guide(desk: Desk, member: Member) -> None:
    """The community's short guide for peers, or ours where it wrote none."""
    desk.say_text(member.id, guide_text(desk, member), notice=False)
    if desk.now_is(member.id).prompt is not None:
        desk.look_away(member.id)
        desk.say(member.id, "places.back")


def guide_text(desk: Desk, member: Member) -> str:
    """The guide's words."""
    return desk.community_of(member).guide or desk.words(member, "guide.text")


async def start(desk: Desk, member: Member) -> None:
    """Begin a practice."""
    desk.put_behind(member.id)
    desk.ask(member.id, "practice", draft={"step": "ask"})


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The step as it would be in earnest, and that it is not."""
    step = str(prompt.draft["step"])
    lines = [_said(desk, member, key) for key in _SAID[step]]
    if step == "consent":
        lines += await _of_them(desk, member)
    return Question("\n".join(lines), _CHOICES[step], also=_ALSO)


async def _of_them(desk: Desk, member: Member) -> tuple[str, ...]:
    """What whoever asks is shown of the member."""
    offer = await offers.of(desk, member)
    card = desk.words(member, "consent.card", card=offer.card) if offer and offer.card else ""
    fear = desk.words(member, FEARS[offer.fear if offer else "unsaid"])
    return (
        _said(desk, member, "consent.intro"),
        card or desk.words(member, "consent.no_card"),
        desk.words(member, "consent.fear", fear=fear),
    )


def _said(desk: Desk, member: Member, key: str) -> str:
    """One of the sentences that are said in earnest, with values that are nobody's."""
    return desk.words(
        member,
        key,
        wish=desk.words(member, WISHES["listening"]),
        topics=topics.names(desk, member, desk.community.topics[:1]) or desk.words(member, "practice.topic"),
        length=_LENGTH,
        how=desk.words(member, "way.writing").capitalize(),
        agreed=desk.words(member, "agreed.length", how=desk.words(member, "way.writing"), length=_LENGTH),
        note=desk.words(member, "practice.words"),
        sees=desk.words(member, "note.sees"),
        reading=desk.timings.reading,
        after=desk.after_reading(member),
        address=member.matrix_id,
        keeper=desk.community.keeper,
        who_runs=desk.community_of(member).who_runs,
        until=desk.now + desk.timings.consent_open,
        ends=desk.now + _LENGTH,
    )


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Go to the next step, or say how it would have ended."""
    step = str(prompt.draft["step"])
    at = _STEPS.index(step)
    match reply.name:
        case "back" if at:
            desk.ask(member.id, "practice", draft={"step": _STEPS[at - 1]})
        case "back" | "skip":
            desk.say(member.id, "practice.done")
        case "yes" if step == "room":
            desk.say_text(
                member.id, f"{_said(desk, member, 'room.closed')}\n{_said(desk, member, 'practice.done')}"
            )
        case "yes":
            desk.ask(member.id, "practice", draft={"step": _STEPS[at + 1]})
        case name:
            key = {"ask": "ask.no", "note": "note.no", "consent": "pairing.not_this_time"}[step]
            said = _said(desk, member, "practice.rest" if name == "rest" else key)
            desk.say_text(member.id, f"{said}\n{_said(desk, member, 'practice.done')}")
