"""What reaches a buddy, in whatever order things happen, against a reference that sees only what people see.

The reference knows who wrote when, what each was asked, who said yes to being whose buddy, when the service
could not read and what it sent. It never looks at our records. This is promise 7 where there is a buddy;
where there is none it is part of the charter's model.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from schema.effects import SendForBuddy
from schema.events import Delivered, DirectChat, NotDelivered, Unreadable
from schema.ids import EventId
from schema.records import Buddy
from service.core.buddies import READ_WITHIN
from tests.handlers.story import START, Story
from tests.handlers.test_checkin import FIRST, standing
from tests.model.test_charter_model import run

NAMES = ("ana", "ben", "cleo")
HALF = timedelta(hours=3)


def _own(name: str) -> str:
    return f"Please look in on {name} at the blue door."


def _new(name: str) -> str:
    return f"Please ring {name} at the green bell."


@dataclass
class Seen:
    """One member, as everybody could see them: their last sign of life, and what stands between them."""

    alive: datetime = START
    question: str = ""
    named: set[str] = field(default_factory=set)
    """Whom they ever named."""
    buddy: str = ""
    """Who said yes to them, and has not ended it."""
    words: str = ""
    """What that buddy said yes to last."""
    warned: datetime | None = None
    told: int = 0


class BuddyModel(RuleBasedStateMachine):
    """Members name one another, are silent, write, end it; the service is deaf at times; sends fail."""

    def __init__(self) -> None:
        super().__init__()
        self.story = Story()
        self.seen = {name: Seen() for name in NAMES}
        self.outages: list[datetime] = [START - timedelta(days=300)]
        self.read = 0
        self.sent = 0
        self.word: str = ""

    @initialize()
    def everybody_comes(self) -> None:
        """Three members, each with a check-in a day."""
        for name in NAMES:
            run(self.story.comes(name))
            run(standing(self.story, name))
        self._look()
        self.names("ana", "ben", agrees=True, count="1")

    def _writes(self, name: str, words: str) -> None:
        run(self.story.wait(timedelta(seconds=20)))
        self._look()
        seen = self.seen[name]
        chosen = self._chosen(name, words)
        self.word = chosen
        seen.alive = self.story.now
        seen.warned, seen.told = None, 0
        if chosen == "Yes, I am their buddy":
            asker = next(one for one in NAMES if self.story.address(one) in seen.question)
            self.seen[asker].buddy = name
            self.seen[asker].words = _own(asker)
        if chosen == "Yes, these instead":
            event("new words")
            asker = next(one for one in NAMES if self.story.address(one) in seen.question)
            self.seen[asker].words = _new(asker)
        if words == "end buddy" or chosen.startswith(("End", "Yes, erase", "Yes, keep", "Yes, forget")):
            # Whatever of theirs ended by this is seen in what they read next.
            event(f"ends: {chosen or words}")
        run(self.story.say(name, words, after=0))
        self._look()
        self.word = ""

    def _chosen(self, name: str, words: str) -> str:
        lines = self.seen[name].question.split("\n")
        choices = [line.split(". ", 1)[1] for line in lines if line[:1].isdigit() and line[1:3] == ". "]
        if words.isdigit() and 1 <= int(words) <= len(choices):
            return choices[int(words) - 1]
        return next((one for one in choices if words == "yes" and one.startswith("Yes")), "")

    @rule(
        name=st.sampled_from(NAMES),
        words=st.sampled_from(
            [
                *("1", "1", "2", "3", "yes", "no", "skip", "back", "stop", "menu", "status", "here", "…"),
                *("my buddy", "my buddies", "tell my buddy", "end buddy", "my consents", "what do you hold"),
                *("forget me", "my plan"),
            ]
        ),
    )
    def writes(self, name: str, words: str) -> None:
        """A member writes a word or a number."""
        self._writes(name, words)

    @rule(
        name=st.sampled_from(NAMES),
        other=st.sampled_from(NAMES),
        agrees=st.booleans(),
        count=st.sampled_from("12"),
    )
    def names(self, name: str, other: str, agrees: bool, count: str) -> None:
        """A member names another, after a check-in or two and six hours; who is named says yes, or not."""
        self.seen[name].named.add(other)
        for words in (
            "menu",
            "my buddy",
            "name",
            self.story.address(other),
            _own(name),
            "skip",
            "skip",
            count,
        ):
            self._writes(name, words)
        for words in ("1", "1"):
            self._writes(name, words)
        if agrees:
            for words in ("back", "read", "2"):
                self._writes(other, words)

    @rule(name=st.sampled_from(("ana", "ana", *NAMES)), agrees=st.booleans())
    def changes_words(self, name: str, agrees: bool) -> None:
        """A member would have other words sent; their buddy says yes, or nothing."""
        for words in ("menu", "my buddy", "change", "1", _new(name), "yes"):
            self._writes(name, words)
        if agrees and (other := self.seen[name].buddy):
            for words in ("back", "read", "yes"):
                self._writes(other, words)

    @rule(name=st.sampled_from(NAMES), other=st.sampled_from(NAMES))
    def keeps_apart(self, name: str, other: str) -> None:
        """A member has another kept apart."""
        self.seen[name].named.add(other)
        for words in (f"keep apart {self.story.address(other)}", "yes"):
            self._writes(name, words)

    @rule(name=st.sampled_from(NAMES))
    def writes_something_unreadable(self, name: str) -> None:
        """Its key never came."""
        self.seen[name].alive = self.story.now
        self.seen[name].warned, self.seen[name].told = None, 0
        run(self.story.event(Unreadable(EventId("$"), self.story.chat(name), self.story.address(name), True)))
        self._look()

    @rule(name=st.sampled_from(NAMES), present=st.booleans())
    def goes_or_comes(self, name: str, present: bool) -> None:
        """A member leaves their chat, or opens it: a sign of life too."""
        chat, address = self.story.chat(name), self.story.address(name)
        self.seen[name].alive = self.story.now
        self.seen[name].warned, self.seen[name].told = None, 0
        run(self.story.event(DirectChat(EventId("$"), chat, address, present=present)))
        self._look()

    @rule(hours=st.integers(1, 30))
    def time_passes(self, hours: int) -> None:
        """Hours go by, with check-ins and silence."""
        run(self.story.wait(timedelta(hours=hours)))
        self._look()

    @rule(hours=st.integers(0, 7), fails=st.booleans(), word=st.sampled_from(("", "", "here", "…")))
    def a_check_in_is_not_answered(self, hours: int, fails: bool, word: str) -> None:
        """So many hours after the next one, and then Ana may write; what is said first may not arrive."""
        run(self.story.wait((FIRST - self.story.now) % timedelta(days=1)))
        self.sends_fail(fails)
        run(self.story.wait(timedelta(hours=hours)))
        self.sends_fail(False)
        self._look()
        if word:
            self._writes("ana", word)

    @rule(hours=st.integers(1, 6))
    def nothing_is_read(self, hours: int) -> None:
        """An outage."""
        self.story.read_since = None
        run(self.story.wait(timedelta(hours=hours)))
        self.story.read_since = self.story.now
        self.outages.append(self.story.now)
        self._look()

    @rule(fails=st.booleans())
    def sends_fail(self, fails: bool) -> None:
        """What is said for a buddy does not arrive, or does again."""
        self.story.lose = (
            (lambda effect: isinstance(effect, SendForBuddy)) if fails else (lambda effect: False)
        )

    @rule(waits=st.booleans())
    def the_words_wait(self, waits: bool) -> None:
        """What is to go to a buddy waits for the homeserver from now on; or what waited goes."""
        if waits:
            self.story.hold_words = True
        else:
            run(self.story.release())
        self._look()

    @invariant()
    def what_waits_is_still_wanted(self) -> None:
        """Nothing waits to go after a sign of life, or after an end."""
        for at, effect in self.story.held:
            event("words wait")
            who = next(name for name in NAMES if self.story.id(name) == effect.of)
            assert self.story.name_of(effect.member) == self.seen[who].buddy
            assert effect.step == "asked" or self.seen[who].alive < at

    @rule(data=st.data())
    def an_outcome_comes_twice(self, data: st.DataObject) -> None:
        """An old outcome is handed in again, and lets nothing go."""
        old = [effect for _, effect in self.story.effects if isinstance(effect, SendForBuddy)]
        if old:
            effect = data.draw(st.sampled_from(old))
            arrived = data.draw(st.booleans())
            run(self.story.event(Delivered(effect) if arrived else NotDelivered(effect, "deadline")))
            self._look()

    def _look(self) -> None:
        for line in self.story.log[self.read :]:
            if line.from_desk and line.name in NAMES:
                self._hears(line.name, line.body)
        self.read = len(self.story.log)
        for at, effect in self.story.effects[self.sent :]:
            if isinstance(effect, SendForBuddy):
                self._sends(at, effect)
        self.sent = len(self.story.effects)

    def _hears(self, name: str, body: str) -> None:
        seen = self.seen[name]
        if "\n1. " in body:
            seen.question = body
        if " is not your buddy any more." in body or body.startswith(("It has ended", "Done. What I held")):
            seen.buddy = ""
        if "Done. What I held about you is erased" in body:
            for one in self.seen.values():
                one.buddy = "" if one.buddy == name else one.buddy
        others = [one for one in NAMES if one != name]
        for other in others:
            if name not in self.seen[other].named:
                assert _own(other) not in body, "words that were written for somebody else"
                assert _new(other) not in body
            if other not in seen.named and name not in self.seen[other].named:
                assert self.story.address(other) not in body, "an address that nobody gave"

    def _sends(self, at: datetime, effect: SendForBuddy) -> None:
        who = next(name for name in NAMES if self.story.id(name) == effect.of)
        seen = self.seen[who]
        if effect.step == "warn":
            event("warned")
            assert self.story.name_of(effect.member) == who
            assert at - seen.alive >= HALF
            assert not any(seen.alive < outage and at - HALF < outage <= at for outage in self.outages)
            seen.warned = None if self.story.lose(effect) else at
            return
        event("told")
        assert self.story.name_of(effect.member) == seen.buddy, "a buddy who said yes, and nobody else"
        assert [one for one in (_own(who), _new(who)) if one in effect.body] == [seen.words]
        if effect.step == "asked":
            assert self.word == "Yes, send it now"
            event("told at their own word")
            return
        seen.told += 1
        assert seen.told == 1, "once in a silence"
        assert seen.warned is not None, "the member first"
        assert seen.warned > seen.alive
        assert at - seen.warned >= HALF + READ_WITHIN
        assert not any(seen.alive < outage and seen.warned - HALF < outage <= at for outage in self.outages)

    @invariant()
    def each_has_one_buddy(self) -> None:
        """One at a time, and each record has what moves it on, or waits for a silence."""
        standing_now = [one for one in self.story.records.all(Buddy) if one.state != "ended"]
        assert len({one.member for one in standing_now}) == len(standing_now)
        for one in standing_now:
            assert one.due_at is not None or one.state in ("standing", "telling", "told")

    def teardown(self) -> None:
        """Left alone, each silence tells its buddy once at most, and what nobody agreed to is gone."""
        run(self.story.release())
        run(self.story.wait(timedelta(days=20)))
        self._look()
        assert all(one.state in ("standing", "told", "ended") for one in self.story.records.all(Buddy))
        super().teardown()


TestBuddyModel = BuddyModel.TestCase
TestBuddyModel.settings = settings(
    max_examples=min(40, settings().max_examples * 2 // 5), stateful_step_count=40, deadline=None
)
