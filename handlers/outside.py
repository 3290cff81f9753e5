"""Whoever may not write: one kind answer and the places of help, once an hour.

Guards: nothing is kept of them; nothing that is open ends because somebody left, and whoever was a member can
still be told, forgotten and helped: only nothing new begins.
"""

from dataclasses import replace

from handlers import places
from handlers.answer import read_answer
from handlers.desk import Desk
from handlers.question import Question
from schema.effects import SendText
from schema.ids import MatrixId, RoomId
from schema.records import Member, Prompt
from schema.states import Belongs
from service.core.sizes import parts

BEGINNINGS = frozenset(
    {"talk", "linked", "offer", "again", "backup", "company", "voucher", "new_checkin", "buddy"}
)
"""What begins something: commands, and questions whose answers go on with it."""


async def answer(desk: Desk, room: RoomId, matrix_id: MatrixId, belongs: Belongs) -> None:
    """Tell somebody of whom nothing is kept, in every language, where they were not told within the hour."""
    if belongs is Belongs.OUTSIDE:
        quiet = False
        said: list[str] = []
        for language in desk.languages:
            nobody = replace(desk.newcomer(matrix_id), language=language)
            said += [_why(desk, nobody), *await places.entries(desk, nobody)]
        for body in parts("\n\n".join(said)):
            desk.turn.do(SendText(room, matrix_id, body, quiet))
            quiet = True


async def words(desk: Desk, member: Member) -> str:
    """Why nothing begins for them here, what they can do, and the places."""
    return "\n\n".join((_why(desk, member), *await places.entries(desk, member)))


def _why(desk: Desk, member: Member) -> str:
    key = "outside.room" if desk.community.members == "room" else "outside.server"
    return desk.words(member, key, community=desk.community_of(member).name, server=desk.community.server)


def begins(
    desk: Desk,
    member: Member,
    prompt: Prompt | None,
    question: Question | None,
    command: str | None,
    body: str,
) -> bool:
    """Whether the message would begin something, or go on with a draft that nobody else knows of."""
    reply = None if question is None else read_answer(desk, member, question, body)
    if prompt is not None and question is not None and prompt.kind in BEGINNINGS:
        own_words = question.free and command is None
        return own_words or (reply is not None and reply.name not in ("stop", "no", "menu", "places"))
    return (command if reply is None else reply.name) in BEGINNINGS
