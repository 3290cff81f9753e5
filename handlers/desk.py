"""What every conversation shares: whom it speaks with in a turn, the open question and those that wait.

Guards: one question is open per member, and what comes by itself waits behind it; one event sends one member
one message, so one push, but that what can be taken back stands in its own, after a quiet one.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from handlers.question import DRAFTS, GIVES_WAY, NOT_KEPT, PASSING, SHORT, WITHDRAWN, Choice, Question
from handlers.words import split
from schema.community import Community, OwnWords
from schema.effects import Effect, SendText, Tell, Withdraw
from schema.ids import MatrixId, MemberId, OutboxId
from schema.records import Consent, Member, Prompt, Put
from service.core import chats
from service.core.change import replace
from service.core.pairing import recent
from service.core.sizes import parts
from service.turn import Turn

Mark = tuple[OutboxId, datetime | None]
"""By what a message can be found again, and after which instant it is not sent any more."""
Show = Callable[[Member, Prompt], Awaitable[Question | None]]
"""Gives the question of a prompt, or None where it is not a question any more."""
Sign = Callable[[Member, Prompt], Awaitable[Mark | None]]
"""Hears that a question is put; what its message is marked with, if with anything."""

_FOUND_AGAIN = 5
"""In how many messages one question is remembered: so often it was put, and how its answer led on."""

_TOGETHER = 5
"""Choices in a group at most; an empty line stands between two groups, which are of like size."""


@dataclass
class Desk:
    """One turn at the front desk. Members are changed here, in one place, and written when it closes."""

    turn: Turn
    _members: dict[MemberId, Member | None] = field(default_factory=dict)
    _said: dict[MemberId, list[tuple[str, bool]]] = field(default_factory=dict)
    _changed: set[MemberId] = field(default_factory=set)
    _opened: set[MemberId] = field(default_factory=set)
    _touched: dict[MemberId, None] = field(default_factory=dict)
    _came: set[tuple[MemberId, str]] = field(default_factory=set)
    _back: set[MemberId] = field(default_factory=set)
    _missed: set[MemberId] = field(default_factory=set)
    _short: dict[MemberId, str] = field(default_factory=dict)
    _marks: dict[MemberId, Mark] = field(default_factory=dict)
    _wrote: MemberId | None = None
    _answered: str = ""

    def __post_init__(self) -> None:
        self.now = self.turn.now
        self.records = self.turn.records
        self.community = self.turn.community
        self.timings = self.turn.community.timings
        self.languages = tuple(self.community.languages or self.turn.words.languages)
        """The languages to choose from; the first is spoken to whoever has not chosen."""

    async def member(self, id: MemberId) -> Member | None:
        """The member as this turn left them so far; None where they were never here, or are forgotten."""
        if not id:
            return None
        if id not in self._members:
            found = await self.records.get(Member, id)
            if found is not None and found.language not in self.languages:
                # It is not offered any more.
                found = replace(found, language=self.languages[0])
            if found is not None and found.zone:
                # A tz database can name it otherwise than the one of the day on which they chose it.
                found = replace(found, zone=self.turn.words.zone_here(found.zone) or None)
            self._members[id] = found
        if self._members[id] is not None:
            self._touched[id] = None
        return self._members[id]

    def newcomer(self, matrix_id: MatrixId) -> Member:
        """Somebody of whom nothing is kept, as they would be; it is not written."""
        id = self.turn.identify(matrix_id)
        return Member(id, matrix_id, self.now, language=self.languages[0])

    def keep(self, member: Member) -> None:
        """Have the changed member written at the end of the turn."""
        self._members[member.id] = member
        self._changed.add(member.id)
        self._touched[member.id] = None

    def now_is(self, id: MemberId) -> Member:
        """The member, who was loaded in this turn before."""
        member = self._members[id]
        if member is None:
            raise KeyError("member")
        return member

    async def forget(self, id: MemberId) -> None:
        """Erase the member's own record; what was said to them in this turn still goes out."""
        self.speak(id)
        await self.records.delete(Member, id)
        self._members[id] = None
        self._changed.discard(id)
        self._opened.discard(id)
        self._touched.pop(id, None)

    # What is said

    def words(self, member: Member, key: str, /, **values: object) -> str:
        """Sentence `key` in the member's language: instants, lengths and lists as people say them."""
        said = {name: self._value(member, value) for name, value in values.items()}
        return self.turn.words.text(member.language, key, **said)

    def spoken(self, member: Member, key: str) -> Sequence[str]:
        """Every word that means sentence `key` where the member types it, as `normal` leaves it."""
        return self.turn.words.spoken(member.language, key)

    def community_of(self, member: Member) -> Community:
        """The community in its own words, as it wrote them in the member's language."""
        there = self.community.own_words.get(member.language, OwnWords())
        return replace(
            self.community,
            name=there.name or self.community.name,
            limits=there.limits or self.community.limits,
            who_runs=there.who_runs or self.community.who_runs,
            guide=there.guide or self.community.guide,
            questions=there.questions or self.community.questions,
            agreement=there.agreement or self.community.agreement,
        )

    def after_reading(self, member: Member) -> str:
        """What becomes of a closed room of ours that can be read no more: our homeserver may keep it."""
        return self.words(member, "room.after_removed" if self.community.purges else "room.after_stays")

    def quoted(self, member: Member, text: str) -> str:
        """A person's own words in quotation marks, or that there are none."""
        return self.words(member, "words.quoted", text=text) if text else self.words(member, "words.none")

    def _value(self, member: Member, value: object) -> object:
        words = self.turn.words
        if isinstance(value, datetime):
            return words.when(value, member.zone or self.community.zone, self.now, member.language)
        if isinstance(value, date):
            return words.day(value, member.language)
        if isinstance(value, timedelta):
            return words.duration(value, member.language)
        if isinstance(value, tuple | list):
            return words.listing([str(item) for item in value], member.language)
        return value

    def say(self, id: MemberId, key: str, /, *, notice: bool = True, **values: object) -> None:
        """Say a sentence to a member loaded in this turn; it notifies only with `notice=False`."""
        self.say_text(id, self.words(self.now_is(id), key, **values), notice=notice)

    def say_text(self, id: MemberId, text: str, *, notice: bool = True) -> None:
        """Say what was put together already."""
        self._said.setdefault(id, []).append((text, notice))

    def refuse(self, id: MemberId, key: str, /, **values: object) -> None:
        """Say why words could not be read as an answer, and how to leave, which holds whatever they were."""
        self.say_text(id, self.words(self.now_is(id), key, **values))
        self.say(id, "odd.not_read")
        self._missed.add(id)

    def count_missed(self, id: MemberId, before: Prompt) -> None:
        """The words that answered `before` were refused in this turn, if they were: it is open once more."""
        prompt = self.now_is(id).prompt if id in self._missed else None
        if prompt is not None and prompt.kind == before.kind:
            self.keep(replace(self.now_is(id), prompt=replace(prompt, missed=before.missed + 1)))

    def say_first(self, id: MemberId, text: str) -> None:
        """Say this before all else that is said to the member in this turn."""
        self._said.setdefault(id, []).insert(0, (text, False))

    async def apply(self, effects: Iterable[Effect | Tell]) -> None:
        """Carry on what core asked for: say its sentences, have the rest delivered."""
        for effect in effects:
            if not isinstance(effect, Tell):
                self.turn.do(effect)
            elif await self.member(effect.member) is not None:
                self.say(effect.member, effect.words, notice=effect.notice, **dict(effect.values))

    def speak(self, id: MemberId) -> None:
        """Send what was said to the member so far as one message, which notifies if any part of it does.

        What is too large for one, as everything held about somebody can be, goes on in quiet ones.
        """
        said = self._said.pop(id, [])
        member = self._members.get(id)
        if said and member is not None and member.room is not None:
            remembered = chats.speak(member, self.now, self.timings.chat)
            if remembered is not member:
                self.keep(remembered)
            quiet = all(notice for _, notice in said)
            bodies = list(parts("\n\n".join(text for text, _ in said)))
            for number, body in enumerate(bodies):
                message = SendText(member.room, member.matrix_id, body, quiet or number > 0)
                if number == len(bodies) - 1 and id in self._marks:
                    mark, until = self._marks.pop(id)
                    message = replace(message, mark=mark, until=until)
                self.turn.do(message)

    def seldom(self, id: MemberId, line: str, every: timedelta) -> bool:
        """Whether fixed line `line` may be said now; it then may not again before `every` has passed."""
        member = self.now_is(id)
        last = member.lines.get(line)
        if last is not None and self.now - last < every:
            return False
        self.keep(replace(member, lines={**member.lines, line: self.now}))
        return True

    # What is asked

    def ask(
        self,
        id: MemberId,
        kind: str,
        *,
        subject: str = "",
        draft: dict[str, str | int | bool | list[str] | None] | None = None,
        until: datetime | None = None,
    ) -> None:
        """Put a question that the member's own message brought, in place of what is open.

        What is not answered lapses: a draft as a request does; what stops, erases or names somebody after a
        short while.
        """
        member = self.now_is(id)
        if kind in DRAFTS:
            until = self.now + self.timings.request_open
        elif kind in SHORT:
            until = self.now + self.timings.idle
        prompt = Prompt(kind, self.now, subject, draft or {}, until=until, brought=self._brought(id))
        self.keep(replace(member, prompt=prompt))
        self._opened.add(id)

    def ask_on(
        self,
        id: MemberId,
        before: Prompt,
        draft: dict[str, str | int | bool | list[str] | None],
        *,
        until: datetime | None,
    ) -> None:
        """Put the next step of the question `before`; the messages of both go together."""
        self.ask(id, before.kind, subject=before.subject, draft=draft, until=until)
        asked = self.now_is(id)
        if asked.prompt is not None:
            self.keep(replace(asked, prompt=replace(asked.prompt, said=before.said)))

    def queue(
        self,
        id: MemberId,
        kind: str,
        *,
        subject: str = "",
        draft: dict[str, str | int | bool | list[str] | None] | None = None,
        until: datetime | None = None,
    ) -> None:
        """Put a question that comes by itself: at once where nothing is open, else behind it."""
        member = self.now_is(id)
        prompt = Prompt(kind, self.now, subject, draft or {}, True, until)
        self.keep(replace(member, waiting=(*member.waiting, prompt)))
        self._came.add((id, subject))

    def set_aside(self, id: MemberId, prompt: Prompt) -> None:
        """The member puts `prompt`, which was open, off: it waits until they write `back`."""
        member = self.now_is(id)
        self.keep(replace(member, waiting=(*member.waiting, replace(prompt, aside=True))))

    def comes_up(self, id: MemberId, subject: str) -> None:
        """A question about `subject` that waits may be put now, if nothing is open any more."""
        self._came.add((id, subject))

    def writes(self, id: MemberId) -> None:
        """This turn is the member's own: what waits may be put to them at its end."""
        self._wrote = id

    def answered(self, word: str) -> None:
        """The member's message, a number or a word, answered what was open."""
        self._answered = word

    def _brought(self, id: MemberId) -> str:
        return self._answered if id == self._wrote else ""

    def ask_again(
        self, id: MemberId, *, repeated: bool = False, anew: bool = False, short: bool = False, says: str = ""
    ) -> None:
        """Put the open question once more; `repeated` to be sure that the answer is meant for it.

        `anew`: whatever stood there before it, an answer is meant for this one from now on. `short`: it
        stands right above, so that only its choices are said again; a yes agrees to the words there. `says`:
        the same, with these words before them.
        """
        member = self.now_is(id)
        if member.prompt is not None:
            anew = anew or repeated
            again = replace(
                member.prompt,
                asked_at=self.now if anew else member.prompt.asked_at,
                aside=False,
                instead="" if anew else member.prompt.instead,
                repeated=member.prompt.repeated or repeated,
            )
            self.keep(replace(member, prompt=again))
        self._opened.add(id)
        if short or says:
            self._short[id] = says or self.words(member, "odd.above")

    def look_away(self, id: MemberId) -> None:
        """Something else is said: the open question stays so, and `back` brings it again."""
        member = self.now_is(id)
        if member.prompt is not None:
            self.keep(replace(member, prompt=replace(member.prompt, aside=True)))

    def take_back(self, id: MemberId) -> None:
        """Whatever was put away may be put to the member again at the end of this turn."""
        self._back.add(id)

    def unseen(self, id: MemberId) -> None:
        """What was asked did not reach the member: it is put again before any answer counts."""
        member = self.now_is(id)
        prompt = member.prompt
        if prompt is not None:
            kept = prompt.by_itself or prompt.kind not in NOT_KEPT
            again = (replace(prompt, aside=False),) if kept else ()
            self.keep(replace(member, prompt=None, waiting=(*again, *member.waiting)))

    def put_away(self, id: MemberId) -> None:
        """Nothing is open any more."""
        self.keep(replace(self.now_is(id), prompt=None))
        self._opened.discard(id)

    def put_behind(self, id: MemberId) -> None:
        """The open question waits, first in line, where it is one that is worth coming back to."""
        member = self.now_is(id)
        prompt = member.prompt
        if prompt is None:
            return
        waiting = member.waiting
        if prompt.kind not in NOT_KEPT:
            # Of what they began and began anew the last is kept: a row does not grow with every `talk`.
            waiting = tuple(one for one in waiting if one.by_itself or one.kind != prompt.kind)
            waiting = (replace(prompt, aside=True), *waiting)
        self.keep(replace(member, prompt=None, waiting=waiting))
        self._opened.discard(id)

    def questions(self, id: MemberId, kind: str) -> Sequence[Prompt]:
        """The member's questions of this kind, open or waiting."""
        member = self.now_is(id)
        return [one for one in (member.prompt, *member.waiting) if one is not None and one.kind == kind]

    def end_question(self, id: MemberId, prompt: Prompt) -> None:
        """Put one question, open or waiting, away for good."""
        member = self.now_is(id)
        left = None if member.prompt is prompt else member.prompt
        waiting = tuple(one for one in member.waiting if one is not prompt)
        self.keep(replace(member, prompt=left, waiting=waiting))

    @staticmethod
    def waits_behind(kind: str) -> bool:
        """Whether a question of this kind waits behind another; or else one word brings it anew."""
        return kind not in NOT_KEPT

    def drop(self, member: Member, subject: str) -> None:
        """Take back every question about `subject`, open or waiting, with the messages that it stands in."""
        for one in (member.prompt, *member.waiting):
            if one is not None and one.subject == subject:
                for put in one.said:
                    self.turn.do(Withdraw(put.room, put.mark, put.at))
        prompt = member.prompt if member.prompt is None or member.prompt.subject != subject else None
        waiting = tuple(one for one in member.waiting if one.subject != subject)
        if prompt is not member.prompt or len(waiting) != len(member.waiting):
            self.keep(replace(member, prompt=prompt, waiting=waiting))

    def busy(self, member: Member) -> bool:
        """Whether a question that is open, or was put away for a moment, makes a new one wait."""
        shown = any(one.by_itself and self._blocks(one) for one in member.waiting)
        return shown or self._blocks(member.prompt)

    def _blocks(self, prompt: Prompt | None) -> bool:
        if prompt is None or prompt.kind in PASSING | GIVES_WAY or self.over(prompt):
            return False
        # An ask that is not answered lets another go first, as a draft does: silence keeps nobody waiting,
        # and whoever withdraws and asks again cannot tell it from a no.
        lasts = prompt.by_itself and prompt.kind not in ("ask", "vouch", "be_buddy", "agree_words")
        return lasts or self.now - prompt.asked_at < self.timings.idle

    def waits(self, id: MemberId) -> bool:
        """Whether a question waits that the member has not put away."""
        return any(not one.aside and not self.over(one) for one in self.now_is(id).waiting)

    def over(self, prompt: Prompt) -> bool:
        """Whether its time to be answered is past."""
        return prompt.until is not None and prompt.until <= self.now

    async def settle(self, show: Show, sign: Sign) -> None:
        """Put the questions that were opened or came up, then write the members and send what was said."""
        for id in list(self._touched):
            await self._settle(id, show, sign)
        for id in list(self._touched):
            self.speak(id)
        for id in sorted(self._changed):
            await self.records.put(self._with_hour(self.now_is(id)))

    def let_lapse(self, member: Member) -> None:
        """Erase the questions whose time is past, with what was answered so far."""
        prompt = member.prompt if member.prompt is None or not self.over(member.prompt) else None
        waiting = tuple(one for one in member.waiting if not self.over(one))
        cards, asked = recent(member.cards, self.now), recent(member.asked, self.now)
        self.keep(replace(member, prompt=prompt, waiting=waiting, cards=cards, asked=asked))

    async def sweep(self, member: Member) -> None:
        """Have what is old in the member's chats taken back, where the hour for that has come."""
        swept, orders = chats.sweep(member, self.now, self.timings.chat)
        if orders:
            self.keep(swept)
            await self.apply(orders)

    @staticmethod
    def _with_hour(member: Member) -> Member:
        """The member, due when the first of their questions that hold words of theirs lapses, or when what is
        old in their chats is taken back.
        """
        prompts = member.waiting if member.prompt is None else (member.prompt, *member.waiting)
        hours = [one.until for one in prompts if one.draft and one.until is not None]
        hours += [] if member.sweep_at is None else [member.sweep_at]
        counted = (*member.cards[:1], *member.asked[:1])
        hours += [chats.own_hour(member.id, at + chats.EVERY) for at in counted]
        return replace(member, due_at=min(hours, default=None))

    async def _settle(self, id: MemberId, show: Show, sign: Sign) -> None:
        member = self.now_is(id)
        if id in self._opened and member.prompt is not None:
            question = await show(member, member.prompt)
            if question is not None:
                member = self.now_is(id)
                if id in self._short:
                    question = replace(question, text=self._short[id])
                elif member.prompt is not None and question.terms:
                    shown = replace(member.prompt, consent=self._terms(member, question))
                    self.keep(replace(member, prompt=shown))
                await self._say_question(member, member.prompt, question, sign, notice=False)
                return
            self.put_away(id)
        if self.now_is(id).room is None:
            return
        for prompt in self.now_is(id).waiting:
            if self._blocks(self.now_is(id).prompt):
                return
            comes = id in self._back or (id == self._wrote and not prompt.aside)
            if (comes or (id, prompt.subject) in self._came) and await self._put(id, prompt, show, sign):
                return
        if id in self._back:
            # What waited has come to nothing meanwhile.
            self.ask(id, "menu")
            question = await show(self.now_is(id), Prompt("menu", self.now))
            if question is not None:
                self.say_text(id, self.render(self.now_is(id), question), notice=False)

    async def _put(self, id: MemberId, prompt: Prompt, show: Show, sign: Sign) -> bool:
        """Put a question that waited, if it still is one; what lay idle waits behind it."""
        question = None if self.over(prompt) else await show(self.now_is(id), prompt)
        member = self.now_is(id)
        rest = tuple(one for one in member.waiting if one is not prompt)
        if question is None:
            self.keep(replace(member, waiting=rest))
            return False
        old = member.prompt
        open_till_now = old is not None and not self.over(old)
        if old is not None and open_till_now and old.kind not in NOT_KEPT:
            rest = (*rest, old)
        if old is not None and open_till_now and old.kind in GIVES_WAY:
            self.say(id, "practice.gives_way")
        shown = replace(
            prompt,
            asked_at=self.now,
            until=question.until or prompt.until,
            instead=old.kind if old is not None and open_till_now and id != self._wrote else "",
            aside=False,
            brought=self._brought(id),
            consent=self._terms(member, question),
        )
        self.keep(replace(member, prompt=shown, waiting=rest))
        await self._say_question(member, shown, question, sign, notice=question.quiet)
        return True

    async def _say_question(
        self, member: Member, prompt: Prompt | None, question: Question, sign: Sign, *, notice: bool
    ) -> None:
        mark = None if prompt is None else await sign(member, prompt) or self._remember(member, prompt)
        if mark is not None:
            # It may be taken back: what was said before it stands by itself, and leaves the sound to it.
            self._said[member.id] = [(text, True) for text, _ in self._said.get(member.id, [])]
            self.speak(member.id)
            self._marks[member.id] = mark
        self.say_text(member.id, self.render(member, question), notice=notice)

    def _remember(self, member: Member, prompt: Prompt) -> Mark | None:
        """Keep by what the message of the question that is put now is found, if it may be taken back."""
        now_is = self.now_is(member.id)
        if prompt.kind not in WITHDRAWN or now_is.prompt is None or now_is.room is None:
            return None
        put = Put(now_is.room, OutboxId(self.turn.new_id()), self.now)
        said = (*now_is.prompt.said, put)[-_FOUND_AGAIN:]
        self.keep(replace(now_is, prompt=replace(now_is.prompt, said=said)))
        return put.mark, None

    def _terms(self, member: Member, question: Question) -> Consent | None:
        """What a yes to the question, as it is put now, would agree to."""
        if not question.terms:
            return None
        return Consent(question.terms, self.turn.words.version(member.language))

    def given(self, prompt: Prompt) -> Consent | None:
        """The consent that a yes to `prompt` gives now, in the words in which it was asked for."""
        return None if prompt.consent is None else replace(prompt.consent, given_at=self.now)

    def render(self, member: Member, question: Question) -> str:
        """The question as it is sent: its sentences, then one numbered choice a line, five together."""
        lines = [question.text]
        count = len(question.choices)
        groups = -(-count // _TOGETHER)
        firsts = {count * group // groups + 1 for group in range(groups)} if groups > 1 else set()
        for number, choice in enumerate(question.choices, 1):
            if number in firsts:
                lines.append("")
            lines.append(f"{number}. {self.labels(member, choice)[0]}")
        return "\n".join(lines)

    def labels(self, member: Member, choice: Choice) -> Sequence[str]:
        """The choice's own sentence, then the words that mean it too."""
        return split(choice.text or self.words(member, choice.key))
