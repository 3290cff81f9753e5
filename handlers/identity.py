"""A member whose encryption was set up anew: asked in fixed words whether that was them.

Guards: until their yes nothing private is said to them, and nothing that they write counts but the answer;
what is said meanwhile is the same for everybody, since somebody else may be reading it.
"""

from dataclasses import replace
from datetime import timedelta

from handlers.answer import read_answer
from handlers.desk import Desk
from handlers.question import Choice, Question
from schema.effects import AcceptIdentity, SendText
from schema.events import Message
from schema.ids import MatrixId
from schema.records import Member

_LINE = "identity"
"""In `Member.lines`: when the question was last put. It goes with the answer."""


def _question(desk: Desk, member: Member) -> Question:
    choices = (Choice("yes", "choice.identity_yes"), Choice("no", "choice.identity_no"))
    return Question(desk.words(member, "identity.question"), choices, binding=True)


async def heard(desk: Desk, member: Member, event: Message) -> None:
    """Take the answer; whatever else they write gets the question, at most once a minute."""
    if member.room != event.room:
        member = replace(member, room=event.room)
        desk.keep(member)
    question = _question(desk, member)
    asked = member.lines.get(_LINE)
    counts = event.kind == "text" and not event.edits and event.quotes is None
    reply = read_answer(desk, member, question, event.body) if asked is not None and counts else None
    if asked is not None and reply is not None:
        if reply.name == "yes" and event.sent_at < asked + desk.timings.prompt_pause:
            # It was typed for what stood there before, so it is no yes to this.
            _say(desk, member, desk.render(member, question))
        elif reply.name == "yes":
            desk.turn.do(AcceptIdentity(member.matrix_id))
        else:
            _say(desk, member, desk.words(member, "identity.no"))
    elif desk.seldom(member.id, _LINE, timedelta(minutes=1)):
        _say(desk, member, desk.render(member, question))


def ask(desk: Desk, member: Member) -> None:
    """Something could not be said to them: put the question, once until they write."""
    if _LINE not in member.lines and desk.seldom(member.id, _LINE, timedelta(0)):
        _say(desk, member, desk.render(member, _question(desk, member)))


def _say(desk: Desk, member: Member, body: str) -> None:
    if member.room is not None:
        desk.turn.do(SendText(member.room, member.matrix_id, body, to_changed_identity=True))


async def accepted(desk: Desk, matrix_id: MatrixId) -> None:
    """Their word was taken: go on with what was open and with what waits."""
    member = await desk.member(desk.turn.identify(matrix_id))
    if member is None or _LINE not in member.lines:
        return
    desk.keep(replace(member, lines={line: at for line, at in member.lines.items() if line != _LINE}))
    desk.writes(member.id)
    desk.say(member.id, "identity.accepted", notice=False)
    if member.prompt is not None:
        desk.ask_again(member.id)
