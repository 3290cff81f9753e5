"""A community's own affairs, played with kills: stewards, a room for later, a concern and a pause, vouchers.

The third of the rig is the steward, who also reads concerns; the asker and the peer both look for company.

Rules guarded here:
- No hour is waited for: what is due tomorrow falls due when the journey comes to it.
- At its end nothing is left of any of it, so that the next journey on the same rig finds what the first did.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from service.config import Toml
from tests.faults.crash import Journey, Step, until
from tests.journeys.stage import comes_due
from tests.live import story
from tests.live.member import Member

_LATER = "talk one another tomorrow 18:00"
_UNWELL = story.sentence("steward.unwell")


@dataclass
class Community(Journey):
    """From the stewards' first words to all members forgotten, and what was said in it."""

    _chats_before: int = 0
    """How many chats the third was invited to before this journey."""

    called: ClassVar[str] = "community"
    invited_to: ClassVar[Mapping[str, int]] = {"asker": 1, "peer": 1, "third": 0}

    @staticmethod
    def settings(third: Member) -> Mapping[str, Toml]:
        """Whom the third is here; and one place of help, which was looked at today."""
        place = {
            "name": "Night line",
            "contact": "chat: night.example",
            "hours": "every day",
            "languages": "English",
            "may_send_police": "not known",
            "checked_on": f"{datetime.now(UTC):%Y-%m-%d}",
        }
        return {
            "community.vouchers": True,
            "community.readers": [{"user": third.user_id, "name": "Kim"}],
            "community.places": [place],
            "timings.join": "15 minutes",
        }

    def _member(self, who: str) -> Member:
        return self.rig.members["third"] if who == "steward" else super()._member(who)

    def steps(self) -> list[Step]:
        """All steps, in order; a name says who does what."""
        return [
            ("a steward is named", self._is_named),
            ("the steward comes in", self._comes_to_the_room),
            self._says("steward", "status", "steward.counts"),
            self._says("steward", "checked 1", "steward.checked_recap"),
            ("the place is right", self._says("steward", "yes", "steward.checked")[1]),
            self._says("steward", "pause", "steward.pause_words"),
            self._says("steward", "We rest tonight.", "steward.pause_recap"),
            ("all is paused", self._says("steward", "yes", "steward.paused")[1]),
            ("the asker comes", lambda: self._comes("asker")),
            self._says("asker", _LATER, "talk.recap"),
            ("the asker asks all the same", self._says("asker", "yes", "pause.request")[1]),
            self._says("steward", "resume", "steward.resume_recap"),
            ("it goes on", self._goes_further),
            ("the peer comes", lambda: self._comes("peer")),
            self._says("peer", _LATER, "talk.recap"),
            ("the peer asks too", self._asks_too),
            ("the asker would read more", self._says("asker", "yes", "note.terms_too")[1]),
            ("the asker would meet the peer", self._would_meet),
            ("both agree", self._agree),
            ("the hour comes", self._the_hour),
            ("the asker comes in", lambda: self._comes_in("asker")),
            ("the peer comes in", lambda: self._comes_in("peer")),
            ("they talk", self._talk),
            ("the asker closes", self._closes),
            ("the room goes", self._goes),
            self._says("asker", "concern", "concern.about"),
            ("it was in a room", self._says("asker", "1", "concern.room")[1]),
            ("it was in that room", self._says("asker", "1", "concern.readers")[1]),
            ("the third may read it", self._says("asker", "1", "concern.words")[1]),
            self._says("asker", "They did not let me go.", "concern.recap"),
            ("the asker gives it", self._says("asker", "yes", "concern.given")[1]),
            ("the third is called", self._is_called),
            self._says("third", "back", "reads.invited"),
            ("the third reads it", self._reads),
            self._says("third", "answer", "answers.words"),
            self._says("third", "I am sorry to read this.", "answers.recap"),
            ("the third answers", self._answers),
            self._says("third", "concerns", "reads.list"),
            ("the third reads it again", self._says("third", "1", "reads.words")[1]),
            self._says("third", "pause", "pauses.length"),
            ("for a week", self._says("third", "1", "pauses.reason")[1]),
            self._says("third", "We do not talk like that here.", "pauses.recap"),
            ("the peer is paused", self._pauses),
            self._says("peer", "answer", "objects.words"),
            self._says("peer", "I see it, and am sorry.", "objects.recap"),
            ("the peer answers", self._objects),
            ("the pause ends", self._lifts),
            self._says("asker", "my concerns", "held.concern"),
            self._says("asker", "take it back", "concern.taken_back"),
            self._says("peer", "offer", "voucher.how"),
            self._says("peer", "two", "voucher.first"),
            ("the peer names the asker", lambda: self._names("asker", "voucher.second")),
            ("the peer names the third", lambda: self._names("third", "voucher.members")),
            ("the two are asked", self._are_asked),
            ("the asker vouches", self._says("asker", "yes", "vouch.noted")[1]),
            ("the third vouches", self._vouches),
            self._says("asker", "offer", "voucher.how"),
            self._says("asker", "stewards", "voucher.stewards"),
            ("the stewards are asked", self._stewards_are_asked),
            self._says("steward", "vouch", "steward.vouch"),
            ("the steward chooses", self._says("steward", "1", "steward.vouch_recap")[1]),
            ("the steward vouches", self._steward_vouches),
            ("the asker is forgotten", lambda: self._forgotten("asker")),
            ("the peer is forgotten", lambda: self._forgotten("peer")),
            ("the third is forgotten", lambda: self._forgotten("third")),
            ("no steward is named", self._is_named_no_more),
            ("all is quiet", self._quiet),
        ]

    async def _is_named(self) -> None:
        self._chats_before = len(self._chats_of_third())
        self.rig.instance.configure({"community.stewards": [self.rig.members["third"].user_id]})
        await self.rig.starts_again()

    async def _comes_to_the_room(self) -> None:
        member, desk = self.rig.members["third"], self.rig.instance.desk_user
        while (invite := await member.invited()).direct or invite.sender != desk:
            pass
        self.chats["steward"] = invite.room
        self._heard_before["steward"] = len(self.person("steward").heard())
        await member.join(invite.room)
        await self.person("steward").hears("steward.hello")

    async def _goes_further(self) -> None:
        await self.person("steward").writes("yes")
        await self.person("steward").hears("steward.resumed")
        await self.person("asker").hears("request.looking_too")

    async def _asks_too(self) -> None:
        await self.person("peer").writes("yes")
        await self.person("peer").hears("request.looking_too")
        await self.person("asker").hears("ask.intro_too")

    async def _would_meet(self) -> None:
        await self.person("asker").writes("1")
        await self.person("asker").hears("note.yes")
        await self.person("peer").hears("consent.intro_too")

    async def _agree(self) -> None:
        await self.person("peer").writes("yes")
        for who in ("asker", "peer"):
            await self.person(who).hears("plan.agreed")

    async def _the_hour(self) -> None:
        comes_due(self.rig.instance, "pairings", "planned")
        await self.rig.starts_again()
        for who in ("asker", "peer"):
            await self.person(who).hears("room.opened")

    async def _closes(self) -> None:
        await self.person("asker").writes("close")
        for who in ("asker", "peer"):
            await self.person(who).hears("room.closed")

    async def _is_called(self) -> None:
        member = self.rig.members["third"]
        while not (invite := await member.invited()).direct:
            pass
        self.chats["third"] = invite.room
        await member.join(invite.room)
        await self.person("third").hears("menu.hello")

    async def _reads(self) -> None:
        await self.person("third").writes("read")
        await self.person("third").hears("reads.words")
        await self.person("asker").hears("concern.opened")

    async def _answers(self) -> None:
        await self.person("third").writes("yes")
        await self.person("third").hears("answers.sent")
        await self.person("asker").hears("concern.answered")

    async def _pauses(self) -> None:
        await self.person("third").writes("yes")
        await self.person("third").hears("pauses.begun")
        await self.person("peer").hears("paused.told")
        await self.person("asker").hears("concern.paused")

    async def _objects(self) -> None:
        await self.person("peer").writes("yes")
        await self.person("peer").hears("objects.sent")
        await self.person("third").hears("lift.pause")

    async def _lifts(self) -> None:
        await self.person("third").writes("yes")
        await self.person("third").hears("lift.done")
        await self.person("peer").hears("paused.over")

    async def _names(self, who: str, key: str) -> None:
        await self.person("peer").writes(self.person(who).id)
        await self.person("peer").hears(key)

    async def _are_asked(self) -> None:
        await self.person("peer").writes("yes")
        await self.person("peer").hears("voucher.asked")
        for who in ("asker", "third"):
            await self.person(who).hears("vouch.question")

    async def _vouches(self) -> None:
        await self.person("third").writes("yes")
        await self.person("third").hears("vouch.noted")
        await self.person("peer").hears("voucher.given")

    async def _stewards_are_asked(self) -> None:
        await self.person("asker").writes("yes")
        await self.person("asker").hears("voucher.asked")
        await self.person("steward").hears("steward.vouch_asked")

    async def _steward_vouches(self) -> None:
        await self.person("steward").writes("yes")
        await self.person("steward").hears("steward.vouched")
        await self.person("asker").hears("voucher.given")

    async def _is_named_no_more(self) -> None:
        self.rig.instance.configure({"community.stewards": []})
        await self.rig.starts_again()
        member, room = self.rig.members["third"], self.chats["steward"]
        await until(
            lambda: member.memberships.get((room, member.user_id)) == "leave", "the end of the stewardship"
        )

    async def _quiet(self) -> None:
        await super()._quiet()
        called = len(self._chats_of_third()) - self._chats_before
        assert called == 1, f"the third was invited to {called} chats"

    def _chats_of_third(self) -> set[str]:
        return {one.room for one in self.rig.members["third"]._invites if one.direct}

    def _told(self, who: str) -> list[str]:
        # A service that has just come up may be asked before each of its parts is well.
        well = story.words_of("steward.well")
        return [_UNWELL.sub(well, body) for body in super()._told(who)]
