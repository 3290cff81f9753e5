"""Promises 1, 2, 3, 6 and 7 in whatever order things happen, against a reference that sees what people see.

The reference knows each member's open question from the words they were sent, and keeps what each yes was a
yes to. It never looks at our records, except that promise 3 asks of each request what will move it on.

Of promise 7 it holds what is so for whoever named no buddy: however long they are silent, what they have
asked of themselves is read by nobody else, one message at most awaits an answer, nothing at all is sent for a
buddy, and company that begins with a check-in is a request like any other. Nobody names a buddy here. For
what reaches one, warnings and outages have to be drawn at hours that hang on one another, which would hardly
ever happen among pairings: that is the model of test_buddy_model.py, whose members do little else.
"""

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

import pytest
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from schema.community import Reader, Timings
from schema.effects import (
    Effect,
    EmptyPeerRoom,
    InviteAgain,
    LetWrite,
    MutePeerRoom,
    OpenPeerRoom,
    PurgePeerRoom,
    RedactPeerRoom,
    SendForBuddy,
    SendText,
)
from schema.events import Delivered, DirectChat, Due, Event, NotDelivered, PeerMembership
from schema.ids import AskId, EventId, MatrixId
from schema.records import (
    Ask,
    CheckIn,
    Meeting,
    Member,
    Offer,
    OwnPlan,
    Pairing,
    PairingPause,
    PeerRoom,
    Request,
    Separation,
    Stewardship,
)
from schema.states import AskState, CheckInState, PairingState, RequestState
from service.core import rooms
from service.core.ages import MONTH
from service.core.availability import RENEWED, RESTS
from service.core.checkins import LONGEST_PAUSE
from tests.handlers.records import TABLES
from tests.handlers.story import COMMUNITY, STEWARDS, Line, Story
from tests.handlers.test_charter import assert_no_dead_air

NAMES = ("ana", "ben", "cleo", "dan")
READERS = ("rosa", "sam")
WRONG, REASON = "they would not let me go", "this is not how we talk here"
T = TypeVar("T")
_LENGTHS = ("15 minutes", "30 minutes", "1 hour", "2 hours", "1 day")

_STOPPING = (
    *("2", "3", "no", "rest", "withdraw", "skip", "back", "menu", "status", "what?", "help now"),
    *("español", "english"),
)
"""What may be a no in answer to a question, or put one off: it makes no sound with anybody else."""


def _own(name: str) -> str:
    """What a member has themselves asked, which nobody else ever reads."""
    return f"Did {name} eat today?"


def run(work: Coroutine[object, None, T]) -> T:
    """Run what awaits nothing but records in memory, which never wait."""
    try:
        work.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    raise AssertionError("records in memory do not wait")


@dataclass
class Seen:
    """One member, as they see it: the question that is open, and whether they said that they would go on."""

    question: tuple[str, ...] = ()
    goes_on: bool = False
    planned: bool = False
    wants_more: bool = False
    rooms: int = 0
    named: str = ""
    apart: set[str] = field(default_factory=set)
    met: set[str] = field(default_factory=set)
    age_group: str = ""
    age_since: datetime | None = None


@dataclass
class Reference:
    """What everybody saw, and what their answers mean."""

    members: dict[str, Seen] = field(default_factory=lambda: {name: Seen() for name in NAMES})

    def hears(self, name: str, body: str) -> None:
        """A message to a member: its numbered choices are the question that is open now."""
        seen = self.members[name]
        choices = tuple(
            line.split(". ", 1)[1] for line in body.split("\n") if line[:1].isdigit() and line[1:3] == ". "
        )
        if choices:
            seen.question = choices
        if "This time no room opens for you two" in body or "You have stepped back" in body:
            seen.goes_on = False
        if body.startswith("You have both agreed. I open your private room on"):
            seen.planned = True
        if "No room opens for you two on" in body or body.startswith("That is fine. No room opens."):
            seen.planned = seen.goes_on = False
        if "I would keep you and @" in body:
            seen.named = body.split("I would keep you and @")[1].split(":")[0]
        if body.startswith("I keep you two apart from now on"):
            never_again = "If they had me forget them" in body
            seen.apart |= seen.met if never_again and len(seen.met) == 1 else {seen.named}
        if body.startswith("Done. What I held about you is erased"):
            seen.apart.clear()
            seen.age_group, seen.age_since = "", None
        if body.startswith(("You both said yes to", "Nothing has changed. Your room")):
            seen.wants_more = False
        if "Your private room is open now" in body:
            seen.goes_on = seen.planned = False
            seen.wants_more = False
            seen.rooms += 1

    def apart(self, one: str, other: str) -> bool:
        """Whether either of the two had the other kept apart."""
        return other in self.members[one].apart or one in self.members[other].apart

    def chosen(self, name: str, words: str) -> str:
        """The choice of the open question that these words make, as its label."""
        question = self.members[name].question
        if words.isdigit() and 1 <= int(words) <= len(question):
            return question[int(words) - 1]
        label = {"yes": ("Yes",), "no": ("No", "Step back"), "go on": ("Go on",)}.get(words, ())
        found = [one for one in question if one.startswith(label)] if label else []
        if words == "yes" and not found and "Go on" in question:
            return "Go on"
        return found[0] if found else ""


class CharterModel(RuleBasedStateMachine):
    """Members write, time passes, the keeper is slow, refuses, and says things twice."""

    def __init__(self) -> None:
        super().__init__()
        self.story = Story(
            community=replace(
                COMMUNITY,
                asks_a_day=4,
                timings=Timings(again=timedelta(days=14)),
                stewards=(MatrixId("@olga:example.org"),),
                readers=tuple(Reader(Story.address(name), name.capitalize()) for name in READERS),
            )
        )
        self.asked_before_the_pause: set[AskId] | None = None
        self.reference = Reference()
        self.read = 0
        self.sent = 0
        self.delivered: list[Event] = []
        self.matched: dict[str, str] = {}
        self.asked: set[str] = set()
        self.opened: set[str] = set()
        self.consents = 0
        self.stale = False

    @initialize(young=st.none() | st.sets(st.sampled_from(NAMES)), met=st.booleans())
    def everybody_comes(self, young: set[str] | None, met: bool) -> None:
        """Four members, two of whom offer; all of an age, or some whom it keeps apart; two may have met."""
        if young is not None:
            self.story.community = replace(self.story.community, ages="both", talk_in=("en", "es"))
        for name in (*NAMES, *READERS):
            run(self.story.comes(name))
            if young is not None and name in NAMES:
                for words in ("my age group", "2" if name in young else "1"):
                    self._writes(name, words, after=10)
        for name in ("ben", "cleo"):
            run(self.story.offers(name, hours="4"))
        run(self.story.stewards("olga"))
        self.story.slow = True
        if met:
            self.a_room_comes_and_goes("ana")
        self.asks("ana")
        self._look()

    # What members do

    @rule(
        name=st.sampled_from(NAMES),
        words=st.sampled_from(
            [
                *(
                    "1",
                    "1",
                    "1",
                    "yes",
                    "go on",
                    "2",
                    "3",
                    "no",
                    "rest",
                    "withdraw",
                    "skip",
                    "back",
                    "menu",
                    "stop",
                ),
                *(
                    "extend",
                    "pass on",
                    "come back",
                    "backup",
                    "status",
                    "what?",
                    "help now",
                    "close",
                    "erase now",
                    "forget me",
                    "talk",
                    "change",
                    "offer",
                    "hello",
                ),
                *("again", "never again", "not again"),
                *("my consents", "what do you hold", "export", "my plan"),
            ]
        ),
    )
    def writes(self, name: str, words: str) -> None:
        """A member writes a word or a number, and what follows fits what they were asked."""
        self._writes(name, words)

    @rule(name=st.sampled_from(NAMES))
    def asks(self, name: str) -> None:
        """A member asks for company, through every question."""
        for words in ("menu", "talk", "more", "1", "1", "1", "a long week", "yes"):
            self._writes(name, words, after=10)

    @rule(name=st.sampled_from(NAMES))
    def asks_the_short_way(self, name: str) -> None:
        """A member asks for company with one number and one more."""
        for words in ("menu", "1", "1"):
            self._writes(name, words, after=10)

    @rule(name=st.sampled_from(NAMES), other=st.sampled_from(NAMES))
    def two_ask_for_one_another(self, name: str, other: str) -> None:
        """Two members ask for somebody who is looking for company too."""
        for one in (name, other):
            for words in ("menu", "talk one another", "yes"):
                self._writes(one, words, after=10)
            event(f"asks too: {sum(request.too for request in self.story.records.all(Request))}")

    @rule(name=st.sampled_from(NAMES), when=st.sampled_from(["today 23:00", "tomorrow 18:00"]))
    def asks_for_later(self, name: str, when: str) -> None:
        """A member asks for company from a later hour."""
        for words in ("menu", f"talk listening {when}", "yes"):
            self._writes(name, words, after=10)

    @rule(
        name=st.sampled_from(("ana", "ben")),
        other=st.sampled_from(("cleo", "dan")),
        lets_go=st.sampled_from(["", "", "stop"]),
    )
    def a_plan_is_made(self, name: str, other: str, lets_go: str) -> None:
        """Somebody offers for good, another asks for tomorrow; whoever is asked says yes, as it goes."""
        self._writes(other, "withdraw", after=10)
        self.offers_at_any_time(other, "status")
        self.asks_for_later(name, "tomorrow 18:00")
        for _ in range(4):
            for one in self._asked()[:1]:
                self._writes(one, "1")
        planned = [one for one in self.story.records.all(Pairing) if one.state is PairingState.PLANNED]
        event(f"planned: {len(planned)}")
        if planned and lets_go:
            self._writes(name, lets_go)
            self._writes(name, "1")

    @rule(name=st.sampled_from(NAMES))
    def allows_others_who_ask(self, name: str) -> None:
        """A member who asks, or is about to, allows others who ask too."""
        for words in ("talk", "change", "people who are looking for company too", "yes", "2", "yes"):
            self._writes(name, words, after=10)

    @rule(name=st.sampled_from(NAMES))
    def offers(self, name: str) -> None:
        """A member offers."""
        for words in ("menu", "offer", "2", "skip", "I like walks.", "2", "yes"):
            self._writes(name, words, after=10)

    @rule(name=st.sampled_from(NAMES), rest=st.sampled_from(["status", "rest 1 hour", "rest until i say"]))
    def offers_at_any_time(self, name: str, rest: str) -> None:
        """A member offers for good, and rests from it at times."""
        for words in ("menu", "offer", "5", "2", "skip", "2", "skip", "skip", "skip", "yes", rest):
            self._writes(name, words, after=10)

    @rule(name=st.sampled_from(NAMES), other=st.sampled_from(NAMES), sure=st.booleans())
    def keeps_apart(self, name: str, other: str, sure: bool) -> None:
        """A member has another kept apart, or thinks better of it."""
        self._writes(name, f"keep apart {self.story.address(other)}", after=10)
        if name != other:
            self._writes(name, "yes" if sure else "no", after=10)

    @rule(name=st.sampled_from(NAMES))
    def changes_the_language_and_back(self, name: str) -> None:
        """The open question comes in Spanish, and then in English again: it is the same question."""
        self._writes(name, "español", after=10)
        self._writes(name, "english", after=0)

    @rule(name=st.sampled_from(NAMES))
    def takes_something_back(self, name: str) -> None:
        """A member takes back the first thing that they agreed to, whatever it is."""
        for words in ("my consents", "1", "yes"):
            self._writes(name, words, after=10)

    @rule(name=st.sampled_from(NAMES), group=st.sampled_from("12"))
    def says_another_age(self, name: str, group: str) -> None:
        """A member says that they are of the other age group, or the same again."""
        for words in ("menu", "my age group", group):
            self._writes(name, words, after=10)

    @rule(name=st.sampled_from(NAMES), languages=st.sampled_from(["1", "2", "1 2"]))
    def changes_the_languages(self, name: str, languages: str) -> None:
        """A member talks in other languages, in what they ask or in what they are asking."""
        self._writes(name, "change", after=10)
        if "Languages" in self.reference.members[name].question:
            for words in ("Languages", languages, "yes"):
                self._writes(name, words, after=10)

    @rule(name=st.sampled_from(NAMES), about=st.sampled_from(["1", "2", "3"]))
    def says_what_was_wrong(self, name: str, about: str) -> None:
        """A member has a concern, about the last room where there was one, for both readers."""
        for words in ("menu", "concern", about, "1", "1 2", WRONG, "yes", "menu"):
            self._writes(name, words, after=5)

    @rule(
        name=st.sampled_from(READERS),
        words=st.sampled_from(["2", "read", "answer", "it is read", "yes", "no", "concerns", "give back"]),
    )
    def a_reader_writes(self, name: str, words: str) -> None:
        """Whoever reads concerns answers, gives one back, or does something odd."""
        self._reads(name, words)

    @rule(name=st.sampled_from(NAMES))
    def a_room_comes_and_goes(self, name: str) -> None:
        """A member asks, somebody agrees as far as it goes, the keeper is quick, and the room is closed."""
        self.it_goes_well(name, 3)
        run(self.story.pump())
        self._look()
        self._writes(name, "close", after=5)
        run(self.story.pump())
        self._look()

    @precondition(lambda self: self._met())
    @rule(data=st.data(), second=st.sampled_from(["decide", "decide", "later"]))
    def the_readers_pause_somebody(self, data: st.DataObject, second: str) -> None:
        """After a room, one reader would pause the other person, and the second agrees or does not."""
        self.says_what_was_wrong(data.draw(st.sampled_from(self._met())), "1")
        self._reads("rosa", "concerns", "newest", "read", "pause", "7 days", REASON, "yes")
        self._reads("sam", "concerns", "newest", "read", second, "yes")
        event("a pairing is paused" if self._paused() else "no pairing is paused")

    def _met(self) -> list[str]:
        members = {one.member for one in self.story.records.all(Meeting) if one.other}
        return [name for name in NAMES if self.story.id(name) in members]

    def _reads(self, name: str, *bodies: str) -> None:
        for body in bodies:
            run(self.story.wait(timedelta(seconds=5)))
            listed = self.story.last(name).split("\n")
            words = body.replace("newest", str(sum(". The concern of " in line for line in listed)))
            if words != "0":
                run(self.story.say(name, words, after=0, pump=False))
        self._look()

    @precondition(lambda self: self._asked())
    @rule(data=st.data(), words=st.sampled_from(["1", "1", "yes", "2"]))
    def answers(self, data: st.DataObject, words: str) -> None:
        """Somebody who is asked for a consent answers it."""
        self._writes(data.draw(st.sampled_from(self._asked())), words)

    @rule(name=st.sampled_from(NAMES), steps=st.integers(1, 6))
    def it_goes_well(self, name: str, steps: int) -> None:
        """A member asks, and whoever is asked says yes, as far as it goes."""
        self.asks(name)
        for _ in range(steps):
            for one in self._asked()[:1]:
                self._writes(one, "1")

    @precondition(lambda self: self._in_rooms())
    @rule(data=st.data(), which=st.sampled_from(["1", "2", "4"]))
    def would_like_more_time(self, data: st.DataObject, which: str) -> None:
        """Somebody in a room asks for more time."""
        name = data.draw(st.sampled_from(self._in_rooms()))
        self._writes(name, "extend", after=5)
        self._writes(name, which, after=5)

    def _in_rooms(self) -> list[str]:
        return [name for name in NAMES if any(name in people for people in self.story.rooms.values())]

    def _asked(self) -> list[str]:
        consents = {
            *("Yes, tell me more", "Go on", "Yes, open the room", "Yes, I have more time too"),
            "Yes, ask for someone for me",
            "Yes, tell me more",
            "Only listening",
            "For up to 15 minutes",
            "Go on",
            "Yes, open the room",
        }
        return [name for name in NAMES if consents & set(self.reference.members[name].question)]

    def _writes(self, name: str, words: str, after: float = 60) -> None:
        run(self.story.wait(timedelta(seconds=after)))
        self._look()
        chosen = self.reference.chosen(name, words)
        before = len(self.story.effects)
        run(self.story.say(name, words, after=0, pump=False))
        self._check_turn(name, words, chosen, self.story.effects[before:])
        self._look()

    def _check_turn(
        self, name: str, words: str, chosen: str, effects: Sequence[tuple[datetime, Effect]]
    ) -> None:
        others = [
            effect
            for _, effect in effects
            if isinstance(effect, SendText) and self.story.name_of(effect.member) != name
        ]
        opened = [effect for _, effect in effects if isinstance(effect, OpenPeerRoom)]
        # Promise 2: a no, a rest, putting off and stepping back make no sound with anybody else.
        means = ("Yes", "Go on", "Look again", "Change", "The room that we", "My request", *_LENGTHS)
        if words in _STOPPING and not chosen.startswith(means):
            assert not others, (words, chosen, others)
        if chosen.startswith(("I am 18 or older", "I am younger")):
            said = self.story.last(name)
            # A number that comes long after its question was answered changes nothing, and they hear so; one
            # that is written where words are asked for answers that.
            nothing = ("I cannot change this", "that number did nothing", "I don't know that city")
            if not any(one in said for one in nothing):
                self._changes_group(self.reference.members[name], chosen)
        # Promise 1: a room is ordered by the asker's yes alone, and for a peer who goes on.
        for effect in opened:
            asker, peer = map(self.story.name_of, effect.members)
            self.opened.add(effect.pairing)
            assert asker == name
            assert chosen == "Yes, open the room", (words, chosen)
            assert self.reference.members[peer].goes_on
            assert not self.reference.apart(asker, peer)
            groups = {self.reference.members[one].age_group for one in (asker, peer)}
            assert len(groups) == 1, "adults and young people are never paired"
            self.reference.members[asker].met.add(peer)
            self.reference.members[peer].met.add(asker)
            self.consents += 1
        # More time: only after one asked for it and the other said yes to it.
        for told in others:
            if "You both said yes to" in told.body:
                assert chosen == "Yes, I have more time too", (words, chosen)
                assert self.reference.members[self.story.name_of(told.member)].wants_more, told
        if chosen.startswith(_LENGTHS):
            self.reference.members[name].wants_more = True
        if chosen == "Go on":
            self.reference.members[name].goes_on = True
            assert len(others) <= 1

    @rule(
        name=st.sampled_from(NAMES),
        when=st.sampled_from(["every day 18:30", "weekdays at 9", "every 2 days 21:00", "tomorrow 8am"]),
    )
    def sets_up_a_check_in(self, name: str, when: str) -> None:
        """A member has something asked of themselves at hours of theirs, in their own words."""
        for words in ("menu", "my city", "Berlin", f"check in {when}", "change", "2", _own(name), "yes"):
            self._writes(name, words, after=5)
        event(f"check-ins: {min(3, len(self.story.records.all(CheckIn)))}")

    @rule(
        name=st.sampled_from(NAMES),
        words=st.sampled_from(
            [
                *("fine", "rough", "company", "go on", "skip next", "resume check-ins", "not so well"),
                *("pause check-ins for a week", "my check-ins 1", "my check-ins end it 2", "my city Lisbon"),
            ]
        ),
    )
    def does_something_with_check_ins(self, name: str, words: str) -> None:
        """A member answers one, or skips, pauses, moves or ends one, where there is one."""
        written = {
            "pause check-ins for a week": ("pause check-ins", "2"),
            "my check-ins 1": ("my check-ins", "1"),
            "my check-ins end it 2": ("my check-ins", "1", "end it", "2"),
            "my city Lisbon": ("my city", "Lisbon"),
        }.get(words, (words,))
        for one in written:
            self._writes(name, one, after=5)

    @rule(name=st.sampled_from(NAMES), answers=st.booleans())
    def a_check_in_comes_and_may_lead_to_company(self, name: str, answers: bool) -> None:
        """A member waits for the hour of one, and has no answer, or would like company."""
        self.sets_up_a_check_in(name, "every 2 days 21:00")
        run(self.story.wait(timedelta(days=2)))
        self._look()
        if answers and "I'd like company" in self.reference.members[name].question:
            for words in ("company", "yes"):
                self._writes(name, words, after=5)
            asks = any(one.member == self.story.id(name) for one in self.story.records.all(Request))
            event("a check-in led to company" if asks else "a check-in did not lead to company")

    @rule(days=st.integers(1, 5))
    def nobody_writes_for_days(self, days: int) -> None:
        """Whoever is asked is silent, and time brings what it brings."""
        run(self.story.wait(timedelta(days=days)))
        self._look()

    @invariant()
    def one_check_in_is_there_to_be_answered(self) -> None:
        """Of a member's check-ins one message at most awaits an answer."""
        for name in NAMES:
            of_theirs = [one for one in self.story.records.all(CheckIn) if one.member == self.story.id(name)]
            assert sum(len(one.said) for one in of_theirs) <= 1
            members = [one for one in self.story.records.all(Member) if one.id == self.story.id(name)]
            waiting = [prompt for one in members for prompt in (one.prompt, *one.waiting)]
            assert len([one for one in waiting if one is not None and one.kind == "checkin"]) <= 1

    @rule(name=st.sampled_from(NAMES))
    def leaves_the_chat_and_comes_back(self, name: str) -> None:
        """For an hour a member cannot be reached."""
        chat, address = self.story.chat(name), self.story.address(name)
        run(self.story.event(DirectChat(EventId("$"), chat, address, present=False)))
        run(self.story.wait(timedelta(hours=1)))
        run(self.story.event(DirectChat(EventId("$"), chat, address, present=True)))
        self._look()

    # What the world does

    @rule(minutes=st.integers(1, 600))
    def time_passes(self, minutes: int) -> None:
        """Minutes or hours go by."""
        run(self.story.wait(timedelta(minutes=minutes)))
        self._look()

    @precondition(lambda self: self.story.pending)
    @rule(count=st.integers(1, 4))
    def the_keeper_answers(self, count: int) -> None:
        """What was ordered comes back, in order."""
        for _ in range(min(count, len(self.story.pending))):
            outcome = self.story.pending.popleft()
            self.delivered.append(outcome)
            run(self.story.event(outcome))
        self._look()

    @precondition(lambda self: self.story.pending)
    @rule(reason=st.sampled_from(["deadline", "M_FORBIDDEN", "keeper_not_deaf"]))
    def the_keeper_is_refused(self, reason: str) -> None:
        """What was ordered cannot be done."""
        outcome = self.story.pending.popleft()
        if isinstance(outcome, Delivered) and not isinstance(outcome.effect, SendText):
            if isinstance(outcome.effect, OpenPeerRoom) and outcome.room is not None:
                self.story.rooms.pop(outcome.room, None)
                self.story.drop_pending(outcome.room)
            run(self.story.event(NotDelivered(outcome.effect, reason)))
        else:
            run(self.story.event(outcome))
        self._look()

    @precondition(lambda self: self.delivered)
    @rule(data=st.data())
    def something_is_delivered_twice(self, data: st.DataObject) -> None:
        """An old outcome, or an hour that has moved, comes again, and says nothing to anybody."""
        said = len(self.story.log)
        outcome = data.draw(st.sampled_from(self.delivered))
        rows = dict(self.story.records.rows)
        run(self.story.event(outcome))
        self.stale = self.stale or isinstance(outcome, PeerMembership)
        if isinstance(outcome, PeerMembership) and self.story.records.rows != rows:
            # A stale report of who is where is not to be told from a new one.
            return
        assert len(self.story.log) == said

    @rule(data=st.data())
    def an_hour_comes_that_has_moved(self, data: st.DataObject) -> None:
        """A record is handed in before its time, and nothing happens."""
        rows = [row for row in self.story.records.rows.values() if not isinstance(row, Member)]
        if rows:
            row = data.draw(st.sampled_from(sorted(rows, key=lambda one: one.id)))
            before = dict(self.story.records.rows)
            due_at = getattr(row, "due_at", None)
            if due_at is None or due_at > self.story.now:
                run(self.story.event(Due(TABLES[type(row)], row.id)))
                assert self.story.records.rows == before

    @precondition(lambda self: any(self.story.rooms.values()))
    @rule(data=st.data())
    def somebody_leaves_a_room(self, data: st.DataObject) -> None:
        """A member goes out of a peer room."""
        inside = [
            (room, name) for room, people in sorted(self.story.rooms.items()) for name in sorted(people)
        ]
        room, name = data.draw(st.sampled_from(inside))
        self.story.rooms[room].discard(name)
        run(self.story.event(PeerMembership(EventId("$"), room, self.story.address(name), "leave")))
        self._look()

    @precondition(lambda self: self._in_rooms())
    @rule(data=st.data())
    def would_like_backup(self, data: st.DataObject) -> None:
        """Somebody in a room asks for company about it; who is asked goes on, as far as it goes."""
        self._writes(data.draw(st.sampled_from(self._in_rooms())), "backup", after=5)
        for _ in range(4):
            for one in self._asked()[:1]:
                self._writes(one, "1")

    @precondition(lambda self: any(self.story.rooms.values()))
    @rule(data=st.data())
    def somebody_comes_in(self, data: st.DataObject) -> None:
        """Whoever has an invitation to a room takes it up."""
        found = [
            (room, self.story.name_of(effect.member))
            for _, effect in self.story.effects
            if isinstance(effect, InviteAgain)
            for room in [effect.room]
            if self.story.rooms.get(room) and self.story.name_of(effect.member) not in self.story.rooms[room]
        ]
        if found:
            room, name = data.draw(st.sampled_from(found))
            self.story.rooms[room].add(name)
            run(self.story.event(PeerMembership(EventId("$"), room, self.story.address(name), "join")))
            self._look()

    # What must hold

    @rule(pauses=st.booleans())
    def a_steward_pauses_or_resumes(self, pauses: bool) -> None:
        """Nobody new is asked from then on, or people are again."""
        words = ("pause", "We rest until Monday.", "yes") if pauses else ("resume", "yes")
        run(self.story.steward("olga", *words, pump=False))
        run(self.story.wait(timedelta(seconds=1)))
        asked = {ask.id for ask in self.story.records.all(Ask)}
        self.asked_before_the_pause = asked if pauses else None
        event("paused" if pauses else "resumed")
        self._look()

    @invariant()
    def nobody_new_is_asked_in_a_pause(self) -> None:
        """What was asked before can still be answered, and nothing comes to it."""
        if self.asked_before_the_pause is not None:
            assert {ask.id for ask in self.story.records.all(Ask)} <= self.asked_before_the_pause

    def _check_opened(self) -> None:
        """A room that no word of this moment opened is one that both agreed on for this hour."""
        for _, effect in self.story.effects:
            if isinstance(effect, OpenPeerRoom) and effect.pairing not in self.opened:
                self.opened.add(effect.pairing)
                asker, peer = map(self.story.name_of, effect.members)
                assert self.reference.members[asker].planned
                assert self.reference.members[peer].planned
                assert not self.reference.apart(asker, peer)
                self.reference.members[asker].met.add(peer)
                self.reference.members[peer].met.add(asker)
                event("a planned room opened")

    def _look(self) -> None:
        self._check_opened()
        for _, effect in self.story.effects[self.sent :]:
            assert not isinstance(effect, SendForBuddy), "nobody named one: no silence is told to anybody"
        self.sent = len(self.story.effects)
        for line in self.story.log[self.read :]:
            if line.from_desk and line.name in NAMES:
                self.reference.hears(line.name, line.body)
        self._check_lines(self.story.log[self.read :])
        self._check_asked()
        self._see_groups()
        self.read = len(self.story.log)

    def _changes_group(self, seen: Seen, chosen: str) -> None:
        """Within a month of the first request or offer in one group nobody is in the other."""
        if seen.age_group and seen.age_group != chosen:
            assert seen.age_since is None or self.story.now - seen.age_since >= MONTH
            seen.age_since = None
            event("another age group")
        seen.age_group = chosen

    def _see_groups(self) -> None:
        names = {self.story.id(name): name for name in NAMES}
        requests, offers = self.story.records.all(Request), self.story.records.all(Offer)
        for id in (*(one.member for one in requests), *(one.member for one in offers)):
            seen = self.reference.members[names[id]]
            seen.age_since = seen.age_since or self.story.now

    def _check_asked(self) -> None:
        """Two who are kept apart, or of two age groups, are never asked about one another."""
        names = {self.story.id(name): name for name in NAMES}
        askers = {request.id: names[request.member] for request in self.story.records.all(Request)}
        for ask in self.story.records.all(Ask):
            if ask.state is not AskState.WAITING and ask.id not in self.asked:
                self.asked.add(ask.id)
                asker = askers.get(ask.request)
                peer = names[ask.member]
                assert asker is None or not self.reference.apart(asker, peer)
                groups = {self.reference.members[one].age_group for one in (asker or peer, peer)}
                assert len(groups) == 1, "adults and young people are never asked about one another"
                assert ask.member not in self._paused()

    def _paused(self) -> set[str]:
        return {pause.other for pause in self.story.records.all(PairingPause)}

    def _check_lines(self, lines: list[Line]) -> None:
        for line in lines:
            if line.from_desk and line.name in (*READERS, STEWARDS):
                # No reader learns here who wrote, or whom it is about; the stewards' room nothing at all.
                assert all(self.story.address(name) not in line.body for name in NAMES)
                assert line.name in READERS or not (WRONG in line.body or REASON in line.body)
            elif line.from_desk:
                self._check_wrong(line)
                # Whom a member named themselves is named back to them.
                named = self.reference.members[line.name].named
                others = [self.story.address(name) for name in NAMES if name not in (line.name, named)]
                assert all(address not in line.body for address in others)
                assert "!peers" not in line.body
                assert all(_own(name) not in line.body for name in NAMES if name != line.name)

    def _check_wrong(self, line: Line) -> None:
        """What was wrong is read by whoever wrote it and its readers; a reason by whoever is paused."""
        if WRONG in line.body:
            assert any(one.name == line.name and one.body == WRONG for one in self.story.log)
        if REASON in line.body:
            assert self.story.id(line.name) in self._paused()
            assert WRONG not in line.body or "Your concern of" in line.body

    @invariant()
    def whoever_is_paused_asks_for_nobody(self) -> None:
        """No request of theirs is looked for, and none goes on."""
        paused = self._paused()
        for request in self.story.records.all(Request):
            assert request.member not in paused or request.state is RequestState.TOGETHER

    @invariant()
    def no_dead_air(self) -> None:
        """Promise 3: every request that stands has what will move it on."""
        assert_no_dead_air(self.story)

    @invariant()
    def one_request_and_one_room_each(self) -> None:
        """A member has one request, a request one pairing and one room at a time.

        In two rooms is only who keeps somebody company in one, and has company about it in the other.
        """
        askers = [request.member for request in self.story.records.all(Request)]
        assert len(askers) == len(set(askers))
        live = [room for room in self.story.records.all(PeerRoom) if room.state in rooms.LIVE]
        for people in ([room.asker for room in live], [room.peer for room in live]):
            assert len([one for one in people if one]) == len({one for one in people if one})
        for room in live:
            if room.asker and room.asker in [one.peer for one in live]:
                assert room.wish == "backup"
            assert room.wish != "backup" or room.asker != room.peer
            if room.peer_request:
                event("a room of two who asked")
        of_rooms = [one for room in live for one in (room.request, room.peer_request) if one]
        assert len(of_rooms) == len(set(of_rooms))
        for room in self.story.records.all(PeerRoom):
            assert self.matched.setdefault(room.id, room.request) == room.request

    @invariant()
    def nobody_writes_what_the_other_could_never_read(self) -> None:
        """Promise 6: people may write only while both are in, or one of them is being forgotten."""
        for room, people in self.story.rooms.items():
            orders = [
                one
                for _, one in self.story.effects
                if isinstance(one, LetWrite | MutePeerRoom) and one.room == room
            ]
            if orders and isinstance(orders[-1], LetWrite) and not self.stale:
                assert len(people) == 2, "one of two could write alone"

    @invariant()
    def a_note_is_not_kept_longer_than_its_request(self) -> None:
        """Asks and pairings that outlive their request hold nothing of the asker."""
        standing = {request.id for request in self.story.records.all(Request)}
        for pairing in self.story.records.all(Pairing):
            assert pairing.request in standing or not (pairing.card or pairing.own), pairing
        for ask in self.story.records.all(Ask):
            assert not ask.own or str(ask.offer) in {str(one) for one in standing}, ask
        for room in self.story.records.all(PeerRoom):
            kept = room.sought or room.peer_sought
            assert not kept or room.state.value in ("open", "apart", "closing"), room

    def teardown(self) -> None:
        """Promises 3 and 6: left alone, everything ends; each room was muted, emptied and purged."""
        story = self.story
        event(f"rooms: {min(3, self.consents)}")
        story.slow = False
        run(story.pump())
        run(story.wait(timedelta(days=9) + RENEWED + RESTS))
        # A pause that lasts until its member says so is over by itself only after that.
        if any(one.state is CheckInState.PAUSED for one in story.records.all(CheckIn)):
            run(story.wait(LONGEST_PAUSE))
        self._look()
        left = {type(row) for row in story.records.rows.values()}
        assert left <= {Member, OwnPlan, Separation, Meeting, Stewardship}, story.records.rows
        run(story.wait(timedelta(days=15)))
        left = {type(row) for row in story.records.rows.values()}
        assert left <= {Member, OwnPlan, Separation, Stewardship}, story.records.rows
        for room in story.rooms:
            ordered = [effect for _, effect in story.effects if getattr(effect, "room", None) == room]
            kinds = [type(effect) for effect in ordered]
            assert PurgePeerRoom in kinds, "a room was left behind"
            assert kinds.index(PurgePeerRoom) > kinds.index(EmptyPeerRoom)
            if RedactPeerRoom in kinds:
                assert kinds.index(MutePeerRoom) < kinds.index(RedactPeerRoom)
                assert kinds.index(RedactPeerRoom) < len(kinds) - 1 - kinds[::-1].index(EmptyPeerRoom)
        super().teardown()


TestCharterModel = pytest.mark.slow(CharterModel.TestCase)
TestCharterModel.settings = settings(
    max_examples=min(30, settings().max_examples * 2 // 5), stateful_step_count=50, deadline=None
)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_charter_model_for_minutes() -> None:
    """The same, with many more stories and longer ones."""
    run_state_machine_as_test(
        CharterModel, settings=settings(max_examples=1000, stateful_step_count=80, deadline=None)
    )
