"""What a member's message is taken for: an answer to the open question, a command, a line; tried in order.

Guards: the first that it fits takes it, in the order of `_IN_ORDER`; a message typed before the question was
read, or sent twice by mistake, is no consent to it, and one that quotes something answers nothing binding.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from handlers import (
    apart,
    checkin,
    checkin_draft,
    checkin_list,
    conversations,
    either,
    language,
    line,
    menu,
    odd,
    offering,
    outside,
    rest,
    smaller,
    telling,
    whom,
    zone,
)
from handlers.answer import behind, read_answer
from handlers.desk import Desk
from handlers.question import PASSING, Question, Reply
from handlers.words import normal
from schema.events import Message
from schema.records import Member, Prompt
from schema.states import Belongs

_STAYS = frozenset(
    {
        *("more", "after", "again", "renew", "unfinished"),
        *("checkins", "own_checkin", "concerns", "to_read", "reads", "weighs"),
    }
)
"""What is asked once, and mostly by itself, and lists to choose from: an odd word puts none of it away, and
its numbers stay so.
"""

_SOMETHING = "*"
"""Stands for a word that is not kept; `normal` leaves no such word."""


@dataclass(frozen=True)
class _Heard:
    """A message beside what it is read against: the open question, and the command that it names, if any.

    `prompt` without `question` is one that is no question any more; `first`: it is their first message.
    """

    event: Message
    member: Member
    body: str
    prompt: Prompt | None
    question: Question | None
    command: str | None
    first: bool

    @property
    def outsider(self) -> bool:
        """Whether nothing may begin for whoever wrote it."""
        return self.event.belongs is not Belongs.MEMBER

    @property
    def in_between(self) -> bool:
        """Whether a question is open that an odd word does not put away."""
        if self.prompt is None or self.question is None:
            return False
        return self.prompt.kind not in PASSING or self.prompt.kind in _STAYS


async def take(desk: Desk, member: Member, event: Message, *, first: bool) -> bool:
    """Take the message as an answer, a command or a person's own words; False where it fits nothing."""
    body = own_part(event)
    if (typed := apart.named(desk, member, body)) is not None:
        # Whatever is open: it stays so.
        await apart.name(desk, member, typed)
        return True
    prompt = member.prompt
    if prompt is not None and desk.over(prompt):
        desk.put_away(member.id)
        prompt = None
    question = None if prompt is None else await _question(desk, member, prompt)
    heard = _Heard(event, member, body, prompt, question, find_command(desk, member, body), first)
    for taken_as in _IN_ORDER:
        if await taken_as(desk, heard):
            return True
    return False


# What it can be; each is False where it is not that


async def _language(desk: Desk, heard: _Heard) -> bool:
    chosen = language.named(desk, heard.body)
    if not chosen:
        return False
    question = heard.question
    if question is not None and read_answer(desk, heard.member, question, heard.body) is not None:
        return False
    language.choose(desk, heard.member, chosen)
    return True


async def _not_for_outsiders(desk: Desk, heard: _Heard) -> bool:
    asked = (heard.prompt, heard.question, heard.command, heard.body)
    if not heard.outsider or not outside.begins(desk, heard.member, *asked):
        return False
    desk.say_text(heard.member.id, await outside.words(desk, heard.member), notice=False)
    return True


async def _about_whom(desk: Desk, heard: _Heard) -> bool:
    prompt, question = heard.prompt, heard.question
    if heard.command is not None or not whom.asks(desk, heard.member, prompt, question, heard.body):
        return False
    whom.answer(desk, heard.member, prompt, question)
    return True


async def _to_the_question(desk: Desk, heard: _Heard) -> bool:
    prompt, question, command = heard.prompt, heard.question, heard.command
    if prompt is None or question is None:
        return False
    member, body = heard.member, heard.body
    if prompt.aside and command == "back":
        desk.ask_again(member.id)
        return True
    reply = read_answer(desk, member, question, body)
    if reply is None and command in question.also:
        reply = Reply((command,))
    if reply is None and command is None and odd.leaves_open(desk, member, question, normal(body)):
        reply = Reply(("skip",))
    if reply is None and _are_own_words(question, command):
        if odd.hardly_meant(desk, member, prompt, question, command, normal(body)):
            odd.doubt_words(desk, member, prompt, body)
            return True
        reply = Reply(text=body)
    if odd.lets_go(prompt, question, reply, command):
        odd.needs_yes(desk, member, prompt, question)
        return True
    if reply is None:
        return False
    if odd.leads_out(prompt, question, reply):
        return await _either(desk, heard) or await _command(desk, replace(heard, command=reply.name))
    await _answer(desk, member, prompt, question, reply, heard.event)
    return True


def _are_own_words(question: Question, command: str | None) -> bool:
    """Whether the question takes what is none of its choices as it is, also where that names a command."""
    if not question.free or command is None:
        return question.free
    # Where numbers are the usual answer, or words are read as something, a command stays one.
    return not (question.reads or question.many or conversations.COMMANDS[command].everywhere)


async def _either(desk: Desk, heard: _Heard) -> bool:
    return await either.typed(desk, heard.member, heard.body)


async def _command(desk: Desk, heard: _Heard) -> bool:
    if heard.command is None:
        return False
    await conversations.COMMANDS[heard.command].run(desk, desk.now_is(heard.member.id))
    return True


async def _rest(desk: Desk, heard: _Heard) -> bool:
    rests = behind(desk, heard.member, "command.rest", heard.body)
    return bool(rests) and await rest.typed(desk, heard.member, rests)


async def _zone(desk: Desk, heard: _Heard) -> bool:
    return await zone.typed(desk, heard.member, heard.body)


async def _line(desk: Desk, heard: _Heard) -> bool:
    """A request or an offer in one line; what reads like a sentence begins none while something is open."""
    member = heard.member
    said = line.read(desk, member, heard.body)
    offers = offering.read(desk, member, heard.body)
    if (said is not None or offers is not None) and heard.outsider:
        desk.say_text(member.id, await outside.words(desk, member), notice=False)
        return True
    if said is not None and not (heard.in_between and said.sentence):
        await line.begin(desk, desk.now_is(member.id), said)
        return True
    if offers is not None:
        await conversations.offer_line(desk, desk.now_is(member.id), offers)
        return True
    return False


async def _about_checkins(desk: Desk, heard: _Heard) -> bool:
    return (
        await checkin_list.typed(desk, heard.member, heard.body)
        or await checkin_list.moved(desk, heard.member, heard.body)
        or await checkin_draft.typed(desk, heard.member, heard.body)
    )


async def _tell_buddy(desk: Desk, heard: _Heard) -> bool:
    return await telling.typed(desk, heard.member, heard.body)


async def _to_the_checkin(desk: Desk, heard: _Heard) -> bool:
    return await checkin.anything(desk, desk.now_is(heard.member.id))


async def _smaller_yes(desk: Desk, heard: _Heard) -> bool:
    return heard.prompt is not None and await smaller.written(desk, heard.member, heard.prompt, heard.body)


async def _rhythm_alone(desk: Desk, heard: _Heard) -> bool:
    if heard.in_between or heard.outsider:
        return False
    return await checkin_draft.alone(desk, heard.member, heard.body)


async def _no_choice(desk: Desk, heard: _Heard) -> bool:
    if heard.prompt is None or heard.question is None:
        return False
    return odd.no_choice(desk, heard.member, heard.prompt, heard.question, heard.body)


async def _no_answer(desk: Desk, heard: _Heard) -> bool:
    if not heard.in_between or heard.prompt is None or heard.question is None:
        return False
    odd.no_answer(desk, heard.member, heard.prompt, heard.question)
    return True


async def _before_what_waits(desk: Desk, heard: _Heard) -> bool:
    if heard.question is not None or not desk.waits(heard.member.id):
        return False
    desk.say(heard.member.id, "odd.unseen")
    desk.take_back(heard.member.id)
    return True


async def _courtesy(desk: Desk, heard: _Heard) -> bool:
    if heard.first or normal(heard.body) not in desk.spoken(heard.member, "spell.courtesy"):
        return False
    desk.say(heard.member.id, "odd.courtesy")
    await menu.status(desk, desk.now_is(heard.member.id))
    return True


async def _number_to_nothing(desk: Desk, heard: _Heard) -> bool:
    if heard.first or heard.question is not None or not normal(heard.body).isdigit():
        return False
    desk.ask(heard.member.id, "menu", subject="nothing_open")
    return True


_IN_ORDER: tuple[Callable[[Desk, _Heard], Awaitable[bool]], ...] = (
    _language,
    _not_for_outsiders,
    _about_whom,
    _to_the_question,
    _either,
    _command,
    _rest,
    _zone,
    _line,
    _about_checkins,
    _tell_buddy,
    _to_the_checkin,
    _smaller_yes,
    _rhythm_alone,
    _no_choice,
    _no_answer,
    _before_what_waits,
    _courtesy,
    _number_to_nothing,
)
"""What a message can be, in the order in which it is tried: the first that it fits takes it."""


# The open question, and its answer


async def _question(desk: Desk, member: Member, prompt: Prompt) -> Question | None:
    """The question that is open, as it stands now; one that is not a question any more is put away."""
    question = await odd.show(desk, member, prompt)
    if question is None:
        desk.put_away(member.id)
    return question


async def _answer(
    desk: Desk, member: Member, prompt: Prompt, question: Question, reply: Reply, event: Message
) -> None:
    if question.binding and event.quotes is not None:
        desk.say(member.id, "odd.quote")
        desk.ask_again(member.id, short=odd.stands_above(desk, member, prompt, question))
        return
    if question.binding and (doubt := _doubt(desk, prompt, question, reply, event)):
        desk.say(member.id, doubt)
        short = doubt != "odd.long_ago" and odd.stands_above(desk, member, prompt, question)
        desk.ask_again(member.id, repeated=True, short=short)
        return
    desk.put_away(member.id)
    # Of an answer to a check-in nothing is kept, but that a number that follows at once may be the same.
    said = _SOMETHING if prompt.kind == checkin.KIND else normal(own_part(event))
    desk.answered(said if reply.names else "")
    await conversations.CONVERSATIONS[prompt.kind].answer(desk, desk.now_is(member.id), prompt, reply)
    desk.count_missed(member.id, prompt)


def _doubt(desk: Desk, prompt: Prompt, question: Question, reply: Reply, event: Message) -> str:
    """Why it is not certain that a message answers this binding question, as the sentence to say; or empty.

    A message typed before the question was read, or a second time by mistake, is no consent to it. Whatever
    is not a yes gives nothing and counts at once, but for a number that may be meant for the question before.
    """
    since = desk.now - prompt.asked_at
    word = normal(own_part(event))
    number = word.isdigit()
    same = word == prompt.brought or (number and prompt.brought == _SOMETHING)
    twice = same and since < desk.timings.prompt_pause
    before = prompt.instead and since < desk.timings.idle
    if not reply.consents:
        if number and not prompt.repeated and (twice or before):
            return "odd.too_soon" if since < desk.timings.prompt_pause else "odd.instead"
        return ""
    if twice or _too_soon(desk, prompt, event):
        return "odd.too_soon"
    if before and (number or prompt.instead not in PASSING):
        return "odd.instead"
    if question.until is None and since > desk.timings.idle:
        return "odd.long_ago"
    return ""


def _too_soon(desk: Desk, prompt: Prompt, event: Message) -> bool:
    """Whether the question cannot have been read: within seconds where it came by itself, else not yet there.

    Our own clock decides, since waiting a moment then always helps; the sender's, which may be wrong, counts
    once.
    """
    read = prompt.asked_at + (desk.timings.prompt_pause if prompt.by_itself else timedelta(0))
    return desk.now < read or (event.sent_at < read and not prompt.repeated)


def find_command(desk: Desk, member: Member, body: str) -> str | None:
    """Our name for the command that a message is, as its writer's language has it; or None."""
    said, commands = normal(body), desk.turn.words.commands(member.language)
    polite = (said.removesuffix(f" {word}") for word in desk.spoken(member, "spell.polite"))
    typed = (said, *map(normal, polite))
    key = next((commands[one] for one in typed if one in commands), None)
    if key is None:
        # A phone writes "check in" where a keyboard has "check-in".
        unjoined = {one.replace("-", " "): meant for one, meant in commands.items() if "-" in one}
        key = next((unjoined[one] for one in typed if one in unjoined), None)
    return None if key is None else conversations.NAMES[key]


def own_part(event: Message) -> str:
    """What they typed themselves: older clients repeat the quoted message before it, each line after "> "."""
    lines = event.body.strip().split("\n")
    if event.quotes is not None:
        while lines and lines[0].startswith("> "):
            lines.pop(0)
    return "\n".join(lines).strip()
