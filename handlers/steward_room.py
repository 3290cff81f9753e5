"""The steward room in one turn: who is in it, what is said there, the question that is open for one steward.

Guards: each steward has one question open at a time, which nobody else's message answers; one event says one
thing there; whoever has left the room, or is named no more, has nothing open.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from handlers.desk import Desk
from handlers.question import Question
from schema.effects import RedactStewards, TellStewards
from schema.ids import MatrixId, MemberId
from schema.records import Member, Pause, Prompt, Stewardship
from service.core import chats, steward
from service.core.sizes import parts

Draft = dict[str, str | int | bool | list[str] | None]


async def stewardship(desk: Desk) -> Stewardship:
    """What the stewards decided for all, as it is kept."""
    return await desk.records.get(Stewardship, steward.ID) or Stewardship(steward.ID)


@dataclass
class StewardRoom:
    """The room, and in a steward's own turn who wrote: `steward`, from `address`.

    `reader` is nobody: in their language, the community's first, and zone the room's sentences are put.
    """

    desk: Desk
    kept: Stewardship
    steward: MemberId = MemberId("")
    address: MatrixId = MatrixId("")
    _said: list[tuple[str, bool]] = field(default_factory=list)
    _asked: Prompt | None = None
    _instead: str = ""

    def __post_init__(self) -> None:
        self.reader = Member(MemberId(""), MatrixId(""), self.desk.now, language=self.desk.languages[0])

    @classmethod
    async def of(cls, desk: Desk, address: MatrixId = MatrixId("")) -> "StewardRoom":
        """The room as it is kept; `address` is the Matrix ID of the steward whose turn it is."""
        by = desk.turn.identify(address) if address else MemberId("")
        return cls(desk, await stewardship(desk), by, address)

    # What is kept

    @property
    def open(self) -> Prompt | None:
        """The question that awaits this steward's answer, if one does and is not over."""
        prompt = self.kept.questions.get(self.steward)
        return None if prompt is None or self.desk.over(prompt) else prompt

    def stay(self, here: tuple[MemberId, ...]) -> None:
        """Those who are in the room now; the others' questions go."""
        questions = {id: prompt for id, prompt in self.kept.questions.items() if id in here}
        self.kept = replace(self.kept, here=here, questions=questions)

    def pause(self, pause: Pause | None) -> None:
        """Nobody is asked from now on, or, with None, people are again."""
        self.kept = replace(self.kept, paused=pause)

    def check(self, checked: Mapping[str, date], flagged: tuple[str, ...]) -> None:
        """When places were checked, and of which the stewards know that they were not."""
        self.kept = replace(self.kept, checked=dict(checked), flagged=flagged)

    def lapse(self) -> None:
        """Erase the questions whose time is past, with what was answered so far."""
        left = {id: prompt for id, prompt in self.kept.questions.items() if not self.desk.over(prompt)}
        self.kept = replace(self.kept, questions=left)

    def put_away(self) -> None:
        """Nothing is open for this steward any more."""
        self.lapse()
        left = {id: prompt for id, prompt in self.kept.questions.items() if id != self.steward}
        self.kept = replace(self.kept, questions=left)

    def _due_at(self) -> datetime | None:
        """When a question lapses next, a place comes to count as not checked, or old words are taken back."""
        desk = self.desk
        hours = [prompt.until for prompt in self.kept.questions.values() if prompt.until is not None]
        hours += [] if self.kept.sweep_at is None else [self.kept.sweep_at]
        places = desk.community.places
        at = steward.next_unchecked(places, self.kept.checked, desk.now, desk.community.zone)
        return min([*hours, *([] if at is None else [at])], default=None)

    # What is said

    def words(self, key: str, /, **values: object) -> str:
        """Sentence `key`, as the room reads it."""
        return self.desk.words(self.reader, key, **values)

    def say(self, key: str, /, *, notice: bool = True, **values: object) -> None:
        """Say a sentence in the room; it notifies only with `notice=False`."""
        self.say_text(self.words(key, **values), notice=notice)

    def answer(self, key: str, /, *, notice: bool = True) -> None:
        """Say a sentence to the steward whose turn it is, since everybody in the room reads it."""
        self.say_text(f"{self.words('steward.to', who=self.address)}\n{self.words(key)}", notice=notice)

    def say_text(self, text: str, *, notice: bool = True) -> None:
        """Say what was put together already."""
        self._said.append((text, notice))

    def ask(self, kind: str, *, subject: str = "", draft: Draft | None = None) -> None:
        """Put a question to the steward whose turn it is, in place of what is open for them."""
        now = self.desk.now
        self._put(Prompt(kind, now, subject, draft or {}, until=now + self.desk.timings.idle))

    def ask_again(self, says: str = "") -> None:
        """Put the open question once more; `says`: these words, and of the question its choices alone."""
        self._instead = says
        if self.open is not None:
            self._put(replace(self.open, asked_at=self.desk.now, repeated=True))

    def _put(self, prompt: Prompt) -> None:
        self.put_away()
        self.kept = replace(self.kept, questions={**self.kept.questions, self.steward: prompt})
        self._asked = prompt

    @property
    def asked(self) -> Prompt | None:
        """The question that this turn puts, if it puts one."""
        return self._asked

    def put(self, question: Question) -> None:
        """Say the question, and whose answer it awaits, since everybody in the room reads it."""
        if self._instead:
            question = replace(question, text=self._instead)
        text = self.desk.render(self.reader, question)
        self.say_text(f"{self.words('steward.to', who=self.address)}\n{text}", notice=False)

    def sweep(self) -> None:
        """Have what is old in the room taken back, where the hour for that has come."""
        self.kept, order = chats.sweep_stewards(self.kept, self.desk.now, self.desk.timings.chat)
        if order is not None:
            self.desk.turn.do(order)

    def fail(self, order: RedactStewards) -> None:
        """What was to be taken back was not reached: it is tried again."""
        self.kept = chats.fail_stewards(self.kept, order, self.desk.now)

    async def close(self) -> None:
        """Write what changed; send what was said as one message, which notifies if any part of it does."""
        if self._said:
            self.kept = chats.speak_to_stewards(self.kept, self.desk.now, self.desk.timings.chat)
        kept = await self.desk.records.get(Stewardship, steward.ID)
        self.kept = replace(self.kept, due_at=self._due_at())
        if self.kept != kept:
            await self.desk.records.put(self.kept)
        if self._said:
            quiet = all(notice for _, notice in self._said)
            for body in parts("\n\n".join(text for text, _ in self._said)):
                self.desk.turn.do(TellStewards(body, quiet))
                quiet = True
