"""A member's own words to themselves for hard days: kept, sent back when they ask, changed, deleted.

Guards: nobody else is ever sent them; nothing is kept or deleted before a yes; where the member wants it they
are one word away from each check-in.
"""

from dataclasses import replace

from handlers.answer import own_words
from handlers.desk import Desk
from handlers.question import Choice, Question, Reply
from schema.ids import MemberId
from schema.records import Member, OwnPlan, Prompt

LONGEST = 2000
"""Characters of a plan."""

_ALSO = frozenset({"skip", "back"})
_SHOWN = (
    Choice("talk", "choice.talk"),
    Choice("places", "choice.places"),
    Choice("change", "choice.own_plan_change"),
    Choice("menu", "choice.menu"),
)
_RECAP = (
    Choice("yes", "choice.own_plan_keep"),
    Choice("words", "choice.own_plan_words"),
    Choice("no", "choice.own_plan_drop"),
)
_AT_CHECK_INS = (Choice("yes", "choice.own_plan_offer"), Choice("no", "choice.own_plan_no_offer"))
_DELETE = (Choice("no", "choice.own_plan_stay"), Choice("yes", "choice.own_plan_delete_yes"))
"""What cannot be taken back does not stand first."""


async def of(desk: Desk, member: MemberId) -> OwnPlan | None:
    """The member's words to themselves, where there are any."""
    return await desk.records.get(OwnPlan, member)


async def choice(desk: Desk, member: Member) -> tuple[Choice, ...]:
    """The answer "my plan" beside a check-in's own, where the member wants it; it is the command's name."""
    plan = await of(desk, member.id)
    return (Choice("own_plan", "choice.own_plan"),) if plan is not None and plan.at_check_ins else ()


async def start(desk: Desk, member: Member) -> None:
    """Send the member their words, or ask for them where there are none."""
    desk.put_behind(member.id)
    if await of(desk, member.id) is None:
        desk.ask(member.id, "own_plan", draft={"step": "words"})
    else:
        desk.ask(member.id, "my_plan")


async def show(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The words with what can follow, or the question of a step."""
    plan = await of(desk, member.id)
    if prompt.kind == "own_plan":
        return _show_step(desk, member, prompt)
    if plan is None:
        return None
    match prompt.kind:
        case "my_plan":
            return Question(desk.words(member, "ownplan.shown", words=plan.words), _SHOWN)
        case "change_plan":
            offer = "choice.own_plan_off" if plan.at_check_ins else "choice.own_plan_on"
            choices = (
                Choice("words", "choice.own_plan_words"),
                Choice("check_ins", offer),
                Choice("delete", "choice.own_plan_delete"),
                Choice("leave", "choice.own_plan_stay"),
            )
            return Question(desk.words(member, "ownplan.change"), choices, also=_ALSO)
    return Question(desk.words(member, "ownplan.delete"), _DELETE, binding=True, also=_ALSO)


def _show_step(desk: Desk, member: Member, prompt: Prompt) -> Question:
    match prompt.draft["step"]:
        case "words":
            text = desk.words(member, "ownplan.words", n=LONGEST, keep=desk.timings.request_open)
            return Question(text, free=True, also=_ALSO)
        case "check_ins":
            return Question(desk.words(member, "ownplan.check_ins"), _AT_CHECK_INS, also=_ALSO)
    words = str(prompt.draft["words"])
    text = desk.words(member, "ownplan.recap", words=words, keep=desk.timings.chat)
    return Question(text, _RECAP, binding=True, also=_ALSO)


async def answer(desk: Desk, member: Member, prompt: Prompt, reply: Reply) -> None:
    """Take the words, the yes to them, and what is to be changed."""
    plan = await of(desk, member.id)
    if prompt.kind == "own_plan":
        await _answer_step(desk, member, prompt, reply, plan)
    elif plan is None:
        desk.say(member.id, "ownplan.none")
    elif reply.name == "words":
        desk.ask(member.id, "own_plan", draft={"step": "words"})
    elif reply.name == "check_ins":
        await _offer(desk, plan, wanted=not plan.at_check_ins)
    elif reply.name == "delete":
        desk.ask(member.id, "delete_plan")
    elif prompt.kind == "delete_plan" and reply.name == "yes":
        await forget(desk, member.id)
        desk.say(member.id, "ownplan.deleted")
    elif reply.name == "back":
        desk.ask(member.id, "my_plan")
    else:
        desk.say(member.id, "ownplan.unchanged")


async def _answer_step(
    desk: Desk, member: Member, prompt: Prompt, reply: Reply, plan: OwnPlan | None
) -> None:
    step = prompt.draft["step"]
    if step == "check_ins":
        if plan is not None:
            await _offer(desk, plan, wanted=reply.name == "yes")
    elif reply.text:
        words = own_words(reply.text, LONGEST)
        if words is None:
            desk.say(member.id, "talk.too_long", n=len(reply.text), longest=LONGEST)
        desk.ask(member.id, "own_plan", draft={"step": "recap" if words else "words", "words": words or ""})
    elif step == "recap" and reply.name == "yes":
        old = plan or OwnPlan(member.id, "", desk.now)
        await desk.records.put(replace(old, words=str(prompt.draft["words"]), kept_at=desk.now))
        desk.say(member.id, "ownplan.kept")
        if plan is None:
            desk.ask(member.id, "own_plan", draft={"step": "check_ins"})
    elif step == "recap" and reply.name in ("words", "back"):
        desk.ask(member.id, "own_plan", draft={"step": "words"})
    else:
        desk.say(member.id, "ownplan.unchanged" if plan is not None else "ownplan.nothing_kept")


async def _offer(desk: Desk, plan: OwnPlan, *, wanted: bool) -> None:
    """Have it stand among the answers of the member's check-ins, or not."""
    await desk.records.put(replace(plan, at_check_ins=wanted))
    desk.say(plan.id, "ownplan.at_check_ins" if wanted else "ownplan.not_at_check_ins")


async def forget(desk: Desk, member: MemberId) -> None:
    """Erase it."""
    await desk.records.delete(OwnPlan, member)
