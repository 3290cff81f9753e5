"""Words that can mean a concern or a check-in: with a time behind them a check-in, else which is asked.

Guards: what is about somebody's wrong is never taken for anything else, and nothing else for that; where only
one of the two can be meant, nothing is asked.
"""

from handlers import checkin, checkin_draft, checkin_list, concern
from handlers.desk import Desk
from handlers.question import Choice, Question
from handlers.words import normal
from schema.records import Member, Prompt

KIND = "either"

_BEGIN = (Choice("concern", "choice.concern"), Choice("new_checkin", "choice.either_checkin"))
_OWN = (Choice("own_concerns", "choice.either_concerns"), Choice("checkins", "choice.either_checkins"))
"""Each is the name of a command."""


async def typed(desk: Desk, member: Member, body: str) -> bool:
    """Take such words, alone or with a time behind them; False for anything else."""
    said = normal(body)
    if said in desk.spoken(member, "spell.own_either"):
        await _list(desk, member)
        return True
    if said in desk.spoken(member, "spell.either"):
        if concern.offered(desk):
            _ask(desk, member, "begin")
        else:
            await checkin_draft.start(desk, member)
        return True
    return await checkin_draft.typed(desk, member, body, words="spell.either", doubtful=True)


async def _list(desk: Desk, member: Member) -> None:
    if not await checkin.of(desk, member.id):
        await concern.mine(desk, member)
    elif await concern.of(desk, member.id):
        _ask(desk, member, "own")
    else:
        await checkin_list.mine(desk, member)


def _ask(desk: Desk, member: Member, which: str) -> None:
    desk.put_behind(member.id)
    desk.ask(member.id, KIND, subject=which)


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """Which of the two is meant."""
    return Question(desk.words(member, "either.question"), _OWN if prompt.subject == "own" else _BEGIN)
