"""Check-ins, words for hard days and a buddy, played with kills, through weeks that pass in minutes.

The asker of the rig has the check-ins, the peer is their buddy; the third does not come.

Rules guarded here:
- No hour is waited for: the service is killed, its records are moved (tests/journeys/later.py), it starts.
- A message that was taken back is told as such, so that one too many or too few is seen.
- At its end nothing is left of any of it, so that the next journey on the same rig finds what the first did.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from tests.faults.crash import Journey, Step, until
from tests.journeys import later
from tests.journeys.stage import PASSING, RECORDS, rows
from tests.live import story
from tests.live.member import Member, Message

_WHEN = re.compile(r"\d{1,2}:\d\d|\b\d{1,2} [A-Z][a-z]+ \d{4}|\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b")
"""The hours and days of a rhythm, which are other ones in each journey."""
_WORDS = "Please ring me."


@dataclass
class CheckIns(Journey):
    """From the first check-in to both members forgotten, and what was said in it."""

    _question: Message | None = None
    """The check-in that came last."""

    called: ClassVar[str] = "check-ins"

    def _member(self, who: str) -> Member:
        return super()._member({"member": "asker", "buddy": "peer"}.get(who, who))

    def steps(self) -> list[Step]:
        """All steps, in order; a name says who does what."""
        return [
            ("the member comes", lambda: self._comes("member")),
            ("the buddy comes", lambda: self._comes("buddy")),
            *self._set_up(),
            *self._kept(),
            *self._two_at_once(),
            *self._own_plan(),
            *self._buddy_asked(),
            *self._buddy_told(),
            ("the member is forgotten", lambda: self._forgotten("member")),
            ("the buddy is forgotten", lambda: self._forgotten("buddy")),
            ("all is quiet", self._quiet),
        ]

    def _set_up(self) -> list[Step]:
        return [
            self._says("member", "my city", "zone.question"),
            self._says("member", "Reykjavik", "zone.done"),
            self._says("member", "check in every day 8:00", "checkin.recap"),
            ("it is set up", self._says("member", "yes", "checkin.begun")[1]),
            ("the first comes", self._asked),
            ("the member is fine", self._says("member", "1", "checkin.fine")[1]),
            ("the second comes", self._asked),
            ("the third takes its place", self._asked_anew),
            self._says("member", "It was windy.", "checkin.anything"),
        ]

    def _kept(self) -> list[Step]:
        return [
            self._says("member", "skip next", "checkin.skips"),
            self._says("member", "my check-ins", "checkin.asks_now"),
            self._says("member", "change", "talk.change"),
            self._says("member", "question", "checkin.which_question"),
            self._says("member", "Did you sleep?", "checkin.recap"),
            ("it is changed", self._says("member", "yes", "checkin.changed")[1]),
            self._says("member", "pause check-ins", "checkin.pause"),
            ("it is paused", self._says("member", "1", "checkin.paused")[1]),
            ("a week of the pause passes", self._pause_lasts),
            self._says("member", "resume check-ins", "status.checkin"),
            ("days of an outage are over", self._asked_late),
            ("the member is not", self._says("member", "2", "checkin.rough")[1]),
            ("it is too late for one", self._let_go),
            self._says("member", "my zone is Madrid", "zone.checkins"),
        ]

    def _two_at_once(self) -> list[Step]:
        return [
            self._says("member", "check in every 3 days at 20:30", "checkin.recap"),
            ("there are two", self._says("member", "yes", "checkin.begun")[1]),
            ("both come at once", self._asked),
            ("the member would like company", self._says("member", "3", "talk.recap")[1]),
            ("the member asks for it", self._says("member", "yes", "request.nobody")[1]),
            self._says("member", "stop", "request.withdrawn"),
            self._says("member", "my checkins", "checkin.list"),
            ("it is one of them", self._says("member", "2", "checkin.asks_now")[1]),
            self._says("member", "end it", "checkin.end"),
            ("it is ended", self._says("member", "2", "checkin.ended")[1]),
        ]

    def _own_plan(self) -> list[Step]:
        return [
            self._says("member", "my plan", "ownplan.words"),
            self._says("member", "Open the window.", "ownplan.recap"),
            ("the words are kept", self._says("member", "yes", "ownplan.check_ins")[1]),
            ("they are an answer", self._says("member", "1", "ownplan.at_check_ins")[1]),
            ("the last one comes", self._last_asked),
            ("the member would read them", self._reads_own_words),
            self._says("member", "check-ins", "checkin.asks_now"),
            ("it goes on", self._goes_on_for_weeks),
            self._says("member", "plan", "ownplan.shown"),
            ("the words are to change", self._says("member", "change", "ownplan.change")[1]),
            self._says("member", "delete", "ownplan.delete"),
            ("they are deleted", self._says("member", "2", "ownplan.deleted")[1]),
        ]

    def _buddy_asked(self) -> list[Step]:
        return [
            self._says("member", "my buddy", "buddy.address"),
            ("the member names the buddy", self._names),
            self._says("member", _WORDS, "buddy.would_like"),
            ("to write", self._says("member", "1", "buddy.would_not_like")[1]),
            ("and no police", self._says("member", "1 2", "buddy.after")[1]),
            ("after one", self._says("member", "1", "buddy.hours")[1]),
            ("after six hours", self._says("member", "1", "buddy.recap")[1]),
            ("the buddy is asked", self._is_asked),
            ("the buddy reads it", self._says("buddy", "1", "bebuddy.terms")[1]),
            ("the buddy agrees", self._agrees_to_it),
        ]

    def _buddy_told(self) -> list[Step]:
        return [
            ("one comes and has no answer", self._asked),
            ("the member is warned", self._is_warned),
            self._says("member", "here", "telling.cancelled"),
            ("another takes its place", self._asked_anew),
            ("the member is warned again", self._is_warned),
            ("the buddy is told", self._is_told),
            ("the member is silent still", self._asked_anew),
            ("nothing further goes", self._nothing_further),
            self._says("member", "I slept.", "telling.back"),
            ("one more comes", self._asked),
            ("the member is warned once more", self._is_warned),
            ("the service could not read", self._could_not_read),
            self._says("member", "end buddy", "buddy.ended"),
            ("the buddy is not to know", self._says("member", "1", "buddy.not_said")[1]),
            self._says("buddy", "end buddy", "bebuddy.left"),
        ]

    # ---- time

    async def _later(
        self,
        check_in: later.Later = lambda record, now: record,
        buddy: later.BuddyLater = lambda record, now: record,
        *,
        read: bool = True,
    ) -> None:
        await self.rig.later(lambda store: later.move(store, check_in, buddy, read=read))

    async def _asked(self, late: timedelta = timedelta(), *, last: bool = False) -> None:
        """The hour of each check-in comes, or came `late` ago; one is asked, and says so if it is late."""
        await self._later(later.comes(late, last=last))
        fine = f"\n1. {story.words_of('choice.checkin_fine')}\n"
        member = self.person("member")
        self._question = await member.member.expect(member.chat, where=lambda said: fine in said.body)
        for key, wanted in (("checkin.meant", bool(late)), ("checkin.last", last)):
            assert bool(story.sentence(key).search(self._question.body)) == wanted, self._question.body

    async def _asked_anew(self) -> None:
        """The next one comes, and the one before, which had no answer, is taken back."""
        assert self._question is not None
        before = self._question.event_id
        await self._asked()
        await self.person("member").member.sees_redaction(self.person("member").chat, before)

    async def _asked_late(self) -> None:
        """Three days and two hours of an outage: the hour of two hours ago comes, and no other."""
        await self._asked(timedelta(days=3, hours=2))

    async def _let_go(self) -> None:
        """Five hours of an outage: nothing comes of an hour in it."""
        await self._later(later.comes(timedelta(hours=5)))
        await self.person("member").writes("status")
        await self.person("member").hears("status.checkin")

    async def _pause_lasts(self) -> None:
        """A week of hours passes, and none of them comes."""
        await self._later(later.week_of_a_pause)
        await self.person("member").writes("status")
        await self.person("member").hears("status.checkin")

    async def _last_asked(self) -> None:
        """Its last day has come."""
        await self._asked(last=True)

    async def _is_warned(self) -> None:
        await self._later(buddy=later.hour_of_buddy)
        await self.person("member").hears("telling.warn")
        # The words go after a warning that is known to have arrived.
        await until(lambda: not rows(self.rig.instance, ("outbox",))["outbox"], "that all is sent")

    async def _is_told(self) -> None:
        await self._later(buddy=later.hour_of_buddy)
        told = await self.person("buddy").hears("buddy.message")
        assert _WORDS in told.body
        await self.person("member").hears("telling.went")

    async def _nothing_further(self) -> None:
        """A week of silence after the words went; the buddy, who hears nothing, looks."""
        await self._later(buddy=later.week_of_buddy)
        await self.person("buddy").writes("my buddies")
        await self.person("buddy").hears("bebuddy.stands")

    async def _could_not_read(self) -> None:
        """The hour of the words comes with the end of an outage."""
        await self._later(buddy=later.hour_of_buddy, read=False)
        await self.person("member").hears("telling.again")

    # ---- what is done

    async def _reads_own_words(self) -> None:
        assert self._question is not None
        member = self.person("member")
        await story.chooses(member.member, member.chat, self._question, "choice.own_plan")
        await member.hears("ownplan.shown")

    async def _goes_on_for_weeks(self) -> None:
        member = self.person("member")
        await story.chooses(member.member, member.chat, member.heard()[-1], "choice.checkin_on")
        await member.hears("checkin.goes_on")

    async def _names(self) -> None:
        await self.person("member").writes(self.person("buddy").id)
        await self.person("member").hears("buddy.words")

    async def _is_asked(self) -> None:
        await self.person("member").writes("yes")
        await self.person("member").hears("buddy.asked")
        await self.person("buddy").hears("bebuddy.asked")

    async def _agrees_to_it(self) -> None:
        await self.person("buddy").writes("yes")
        await self.person("buddy").hears("bebuddy.agreed")
        await self.person("member").hears("buddy.agreed")

    async def _quiet(self) -> None:
        await until(
            lambda: not any(rows(self.rig.instance, (*RECORDS, *PASSING)).values()),
            "the end of every record, of the inbox and of the outbox",
        )

    def _told(self, who: str) -> list[str]:
        person = self.person(who)
        gone = {one["redacts"] for one in person.member.redactions if one["room"] == person.chat}
        return [
            ("TAKEN BACK " if one.event_id in gone else "") + _WHEN.sub("WHEN", told)
            for one, told in zip(person.heard(), super()._told(who), strict=True)
        ]
