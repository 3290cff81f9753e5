"""What every conversation shares: whom it speaks with in a turn, the open question, how a reply is read.

Guards: one question is open per member, and what comes by itself waits behind it; one event sends one member
one message, so one push; a number, a word or a choice counts only alone.
"""

import re
import unicodedata
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from handlers.words import normal, split
from schema.effects import Effect, SendText, Tell
from schema.ids import MemberId
from schema.records import Member, Prompt
from service.turn import Turn


@dataclass(frozen=True)
class Choice:
    """One numbered answer: `name` is ours, `words` the catalogue's sentence for it, or the text itself.

    In the catalogue the sentence may be followed by ` | word`: words that mean it too when sent alone.
    """

    name: str
    key: str = ""
    text: str = ""


@dataclass(frozen=True)
class Question:
    """A question as it is put: sentences, then numbered choices.

    `free` takes a person's own words, `many` several numbers. `binding` is a consent or cannot be undone: a
    reply that quotes something never answers it. `also` are names of commands that it takes as answers;
    `until` is when it lapses.
    """

    text: str
    choices: tuple[Choice, ...] = ()
    free: bool = False
    many: bool = False
    binding: bool = False
    also: frozenset[str] = frozenset()
    until: datetime | None = None


@dataclass(frozen=True)
class Reply:
    """What a member answered: the names of choices, or their own words where the question takes them."""

    names: tuple[str, ...] = ()
    text: str = ""

    @property
    def name(self) -> str:
        """The one choice, or the empty string where there is none."""
        return self.names[0] if self.names else ""


PASSING = frozenset({"menu", "held", "again", "offered"})
"""Questions that hold nothing up: whatever comes by itself takes their place."""


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
    _wrote: MemberId | None = None

    def __post_init__(self) -> None:
        self.now = self.turn.now
        self.records = self.turn.records
        self.community = self.turn.community
        self.timings = self.turn.community.timings

    async def member(self, id: MemberId) -> Member | None:
        """The member as this turn left them so far; None where they were never here, or are forgotten."""
        if not id:
            return None
        if id not in self._members:
            self._members[id] = await self.records.get(Member, id)
        if self._members[id] is not None:
            self._touched[id] = None
        return self._members[id]

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

    def quoted(self, member: Member, text: str) -> str:
        """A person's own words in quotation marks, or that there are none."""
        return self.words(member, "words.quoted", text=text) if text else self.words(member, "words.none")

    def _value(self, member: Member, value: object) -> object:
        words = self.turn.words
        if isinstance(value, datetime):
            return words.when(value, member.zone or self.community.zone, self.now, member.language)
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
        """Send what was said to the member so far as one message, which notifies if any part of it does."""
        said = self._said.pop(id, [])
        member = self._members.get(id)
        if said and member is not None and member.room is not None:
            body = "\n\n".join(text for text, _ in said)
            self.turn.do(SendText(member.room, member.matrix_id, body, all(notice for _, notice in said)))

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
        """Put a question that the member's own message brought, in place of what is open."""
        member = self.now_is(id)
        prompt = Prompt(kind, self.now, subject, draft or {}, until=until)
        self.keep(replace(member, prompt=prompt))
        self._opened.add(id)

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

    def comes_up(self, id: MemberId, subject: str) -> None:
        """A question about `subject` that waits may be put now, if nothing is open any more."""
        self._came.add((id, subject))

    def writes(self, id: MemberId) -> None:
        """This turn is the member's own: what waits may be put to them at its end."""
        self._wrote = id

    def ask_again(self, id: MemberId) -> None:
        """Put the open question once more."""
        self._opened.add(id)

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
        waiting = member.waiting if prompt.kind in PASSING else (prompt, *member.waiting)
        self.keep(replace(member, prompt=None, waiting=waiting))
        self._opened.discard(id)

    def skip_waiting(self, id: MemberId) -> None:
        """Put the first question that waits away for good."""
        member = self.now_is(id)
        self.keep(replace(member, waiting=member.waiting[1:]))

    def drop(self, member: Member, subject: str) -> None:
        """Take back every question about `subject`, open or waiting."""
        prompt = member.prompt if member.prompt is None or member.prompt.subject != subject else None
        waiting = tuple(one for one in member.waiting if one.subject != subject)
        if prompt is not member.prompt or len(waiting) != len(member.waiting):
            self.keep(replace(member, prompt=prompt, waiting=waiting))

    def busy(self, member: Member) -> bool:
        """Whether a question that is open, or was put away for a moment, makes a new one wait."""
        shown = any(one.by_itself and not self._over(one) for one in member.waiting)
        return shown or self._blocks(member.prompt)

    def _blocks(self, prompt: Prompt | None) -> bool:
        if prompt is None or prompt.kind in PASSING or self._over(prompt):
            return False
        return prompt.by_itself or self.now - prompt.asked_at < self.timings.idle

    def _over(self, prompt: Prompt) -> bool:
        return prompt.until is not None and prompt.until <= self.now

    async def settle(self, show: Callable[[Member, Prompt], Awaitable[Question | None]]) -> None:
        """Put the questions that were opened or came up, then write the members and send what was said.

        `show` gives the question of a prompt, or None where it is not a question any more.
        """
        for id in list(self._touched):
            await self._settle(id, show)
        for id in list(self._touched):
            self.speak(id)
        for id in sorted(self._changed):
            await self.records.put(self.now_is(id))

    async def _settle(
        self, id: MemberId, show: Callable[[Member, Prompt], Awaitable[Question | None]]
    ) -> None:
        member = self.now_is(id)
        if id in self._opened and member.prompt is not None:
            question = await show(member, member.prompt)
            if question is not None:
                self.say_text(id, self.render(self.now_is(id), question), notice=False)
                return
            self.put_away(id)
        if self.now_is(id).room is None:
            return
        for prompt in self.now_is(id).waiting:
            if self._blocks(self.now_is(id).prompt):
                return
            if id == self._wrote or (id, prompt.subject) in self._came:
                await self._put(id, prompt, show)

    async def _put(
        self,
        id: MemberId,
        prompt: Prompt,
        show: Callable[[Member, Prompt], Awaitable[Question | None]],
    ) -> None:
        """Put a question that waited, if it still is one; a draft that lay idle waits behind it."""
        question = None if self._over(prompt) else await show(self.now_is(id), prompt)
        member = self.now_is(id)
        rest = tuple(one for one in member.waiting if one is not prompt)
        if question is None:
            self.keep(replace(member, waiting=rest))
            return
        old = member.prompt
        if old is not None and old.kind not in PASSING and not self._over(old):
            rest = (*rest, old)
        shown = replace(prompt, asked_at=self.now, until=question.until or prompt.until)
        self.keep(replace(member, prompt=shown, waiting=rest))
        self.say_text(id, self.render(member, question), notice=False)

    def render(self, member: Member, question: Question) -> str:
        """The question as it is sent: its sentences, then one numbered choice a line."""
        lines = [question.text]
        for number, choice in enumerate(question.choices, 1):
            lines.append(f"{number}. {self.labels(member, choice)[0]}")
        return "\n".join(lines)

    def labels(self, member: Member, choice: Choice) -> Sequence[str]:
        """The choice's own sentence, then the words that mean it too."""
        return split(choice.text or self.words(member, choice.key))

    def read(self, member: Member, question: Question, body: str) -> Reply | None:
        """The choice that `body` makes, or None where it makes none: the number or the word, sent alone."""
        if (name := self._one(member, question, normal(body))) is not None:
            return Reply((name,))
        if not question.many:
            return None
        parts = [part for part in re.split(r"[\s,;+&]+", normal(body)) if part]
        names = [self._one(member, question, part) for part in parts]
        if not names or not all(part.isdigit() for part in parts):
            return None
        found = tuple(dict.fromkeys(name for name in names if name is not None))
        return Reply(found) if len(found) == len(set(parts)) else None

    def _one(self, member: Member, question: Question, said: str) -> str | None:
        for number, choice in enumerate(question.choices, 1):
            if said == str(number) or said in map(normal, self.labels(member, choice)):
                return choice.name
        return None


def own_words(text: str, longest: int) -> str | None:
    """A person's own words as they may be shown to another: None where they are longer than `longest`.

    Line breaks stay; other control characters go, and those that turn the direction of text, since they
    could make a sentence of the service's look like something else.
    """
    kept = "".join(
        char
        for char in unicodedata.normalize("NFC", text)
        if char == "\n" or (unicodedata.category(char) not in ("Cc", "Cs") and char not in _TURNING)
    ).strip()
    return kept if len(kept) <= longest else None


_TURNING = frozenset(chr(point) for point in (*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
