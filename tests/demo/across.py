"""The act of two communities: their stewards link them, and a member of one meets somebody of the other.

Rules guarded here:
- Both homeservers are looked at, and the files of both services; what only one has is said to be that one's.
- The stewards use only what the service says.
- What the act of a pairing shows is not shown again.
"""

import asyncio

from tests.demo.facts import Fact, names_nobody
from tests.demo.screen import Seen
from tests.demo.stage import ACROSS, CARD_THERE, READING, Community, Other, Player, Stage, enters
from tests.demo.witness import local
from tests.journeys.stage import Person
from tests.live import links, story

LINE = "talk listening 1h"
NOTE = "I was there for somebody today, and now I would like somebody myself."
LINES = (
    ("member", "Nobody was awake at our place. Thank you for being there."),
    ("peer", "We had a lamp on. Tell me about your day."),
)
_GONE_WITHIN = 120.0
_CROSSES_WITHIN = 30.0


class Across:
    """The act of two communities."""

    def __init__(self, stage: Stage, fact: Fact) -> None:
        self._stage = stage
        self._screen = stage.screen
        self._page = stage.page
        self._fact = fact
        # Whoever was there for somebody in the act of a pairing asks here.
        self._member = stage.peer
        self._here = stage.here
        self._link_room = ""

    async def play(self) -> None:
        """Play it to its end."""
        other = await self._stands()
        await self._link(other)
        await self._ask(other)
        await self._be_asked(other)
        room = await self._consent(other)
        await self._talk(room, other)
        await self._end(room, other)
        self._screen.witness = "The homeserver sees"
        self._page.apart = False
        self._screen.status(f"the service of {self._here.name} starts again, with a day to read once more")
        self._here.instance.configure({"timings.reading": "1 day"})
        await self._here.instance.restart()
        self._screen.status("")

    async def _stands(self) -> Other:
        here = self._here
        self._screen.act(
            "Two communities",
            "A second community, with a homeserver and a service of its own. The two homeservers federate"
            " over TLS. There is nothing above them: the stewards of both agree on a link. Then a member of"
            " one asks when nobody of their own has offered time. “Here” is the first homeserver, “there” is"
            " the second.",
        )
        self._screen.status("the second community: a homeserver, a service, its people")
        other = await self._stage.second()
        self._screen.status(f"the service of {here.name} starts again, with a steward")
        steward = other.stewards[0]
        here.instance.configure({**ACROSS, "community.stewards": [steward.user_id]})
        await here.instance.restart()
        await enters(steward)
        self._page.leaves_out(steward)
        self._screen.status("")
        self._screen.paragraph(
            f"In these two a closed room can be read for {READING}, not for a day: nobody can shorten that"
            " across a link.",
            indent="    ",
        )
        self._screen.witness = "The homeservers see"
        self._page.apart = True
        return other

    # ---- the link

    async def _link(self, other: Other) -> None:
        here, there = self._here, other.community
        self._named(f"Steward of {here.name}", f"Steward of {there.name}")
        self._screen.chapter(
            "Two stewards link their communities",
            "Each writes in the steward room of their own community, and uses only what is said to them"
            " there. Six words are read out to one another, by a call: whoever stood in the middle would make"
            " them differ.",
        )
        self._page.at_each = lambda: self._notice(there)
        sides = zip(other.stewards, (here, there), strict=True)
        first, second = ((Person(one, one.chat), community.instance) for one, community in sides)
        await links.link((first, second))
        self._page.at_each = lambda: None
        told = [_six_words(steward) for steward in other.stewards]
        self._fact(told[0] == told[1], f"Both stewards were shown the same six words: {told[0]}.")
        bodies = await self._crossed(here, there)
        desks = dict.fromkeys([here.instance.desk_user, there.instance.desk_user], "join")
        said = [here.name, there.name, *told, *(line for one in other.stewards for line in _written(one))]
        count = bodies[0].count('"ciphertext"')
        letter = here.witness.letter(self._link_room)
        self._fact(
            count > 0
            and [body.count('"ciphertext"') for body in bodies] == [count, count]
            and not any(line in body for line in said for body in bodies)
            and all(one.witness.memberships(self._link_room) == desks for one in (here, there)),
            f"All that joins the two is room {letter}, with the two front desks in it. Both homeservers have"
            f" the {count} encrypted events that crossed there, and of what was agreed not one word.",
        )

    def _notice(self, there: Community) -> None:
        """Print that the two front desks met, once they did."""
        if self._link_room:
            return
        witness, desks = self._here.witness, {self._here.instance.desk_user, there.instance.desk_user}
        for room in witness.made_by(self._here.instance.desk_user):
            people = witness.memberships(room)
            if set(people) == desks and set(people.values()) == {"join"}:
                self._link_room = room
                self._page.happened("The two front desks come into an encrypted room of their own.", room)

    def _named(self, member: str, peer: str) -> None:
        self._screen.names["member"], self._screen.names["peer"] = member, peer

    # ---- the pairing

    async def _crossed(self, here: Community, there: Community) -> list[str]:
        """What both homeservers have of the link's room, once as much is in both: the last is on its way."""
        async with asyncio.timeout(_CROSSES_WITHIN):
            while True:
                bodies = [one.witness.bodies(self._link_room) for one in (here, there)]
                if len({body.count('"ciphertext"') for body in bodies}) == 1:
                    return bodies
                await asyncio.sleep(0.1)

    async def _ask(self, other: Other) -> None:
        here, there, member = self._here, other.community, self._member
        self._named(f"Member of {here.name}", f"Peer of {there.name}")
        member.speaker = "member"
        self._screen.chapter(
            f"Nobody in {here.name} offered time",
            f"But somebody in {there.name} did. Whether other communities are asked is the member's own"
            " choice, each time, with their names.",
        )
        self._page.happened(f"In {there.name} somebody has said that they may be asked.", other.peer.chat)
        with member.unseen():
            if not member.chat:
                member.chat, _ = await story.is_greeted(member, here.instance.desk_user)
            recap = await story.asks_in_one_line(member, member.chat, LINE)
            recap = await story.adds_words(member, member.chat, recap, NOTE)
        self._page.happened(
            f"In {here.name} somebody asks for company, in one line and a few words for whoever says yes."
            " Before their last yes they change something.",
            member.chat,
        )
        recap = await story.asks_the_linked_too(member, member.chat, recap)
        await story.chooses(member, member.chat, recap, "choice.recap_yes")
        await story.hears(member, member.chat, "request.looking_linked")

    async def _be_asked(self, other: Other) -> None:
        there, peer = other.community, other.peer
        self._screen.chapter(
            f"Somebody in {there.name} is asked",
            "By the program of their own community, under its own rules. What crosses first is what the"
            " member approved for it; their words cross after a yes, and no address does.",
        )
        asked = await story.hears(peer, peer.chat, "ask.intro_across")
        await story.chooses(peer, peer.chat, asked, "choice.ask_yes")
        note = await story.hears(peer, peer.chat, "note.terms_across")
        await story.chooses(peer, peer.chat, note, "choice.note_yes")
        await story.hears(peer, peer.chat, "note.yes")

    async def _consent(self, other: Other) -> str:
        here, there, member, peer = self._here, other.community, self._member, other.peer
        self._screen.chapter(
            "Both say yes first, here and there",
            "The last word is with the member, who reads that the room will be on two servers. The addresses"
            " cross after that, from program to program, and then the keeper of the first community opens the"
            " room.",
        )
        consent = await story.hears(member, member.chat, "consent.across")
        heard = member.has_received(peer.user_id) or peer.has_received(member.user_id)
        named = here.witness.naming(peer.user_id) or there.witness.naming(member.user_id)
        await story.agrees(member, member.chat, consent)
        room = await story.joins_peer_room(member, member.chat)
        assert await story.joins_peer_room(peer, peer.chat, opened="guest.opened") == room
        await story.both_can_write(room, member, peer)
        self._page.happened("The two come in, each from their own homeserver.", room)
        now = here.witness.naming(peer.user_id) and there.witness.naming(member.user_id)
        self._fact(
            not heard and not named and bool(now),
            "Before the second yes neither one's app had received the other's address, and neither homeserver"
            " had the other's in any table. Now both have.",
        )
        keeper = here.instance.keeper_user
        people = dict.fromkeys([member.user_id, peer.user_id, keeper], "join")
        self._fact(
            here.witness.memberships(room) == people == there.witness.memberships(room),
            f"In the room, by both homeservers, are {', '.join(sorted(map(local, people)))}, and neither"
            " front desk.",
        )
        self._fact(
            [one.witness.devices_with_keys(user) for one in (here, there) for user in people]
            == [1, 1, 0] * 2,
            "The keeper is deaf there too: of the two people each homeserver knows a device with encryption"
            " keys, of the keeper none.",
        )
        return room

    async def _talk(self, room: str, other: Other) -> None:
        self._screen.chapter(
            "One room, over two homeservers",
            "Both have it, and neither can read it. Only those two can.",
        )
        for speaker, line in LINES:
            one, two = self._member, other.peer
            if speaker == "peer":
                one, two = two, one
            await one.say(room, line)
            await two.expect(room, contains=line, sender=one.user_id)
        bodies = [one.witness.bodies(room) for one in (self._here, other.community)]
        self._fact(
            not any(line in body for _, line in LINES for body in bodies)
            and all(body.count('"ciphertext"') >= len(LINES) for body in bodies),
            "Of what they said, neither homeserver has a word, only ciphertext.",
        )

    async def _end(self, room: str, other: Other) -> None:
        there, member, peer = other.community, self._member, other.peer
        self._screen.chapter(
            "Each side takes its own copy away",
            "Either one can end it; here the peer does. The community that opened the room lets nobody write"
            " any more and takes both out. Then each side purges its own homeserver's copy and tells the"
            " other what it reached, and each member gets a receipt.",
        )
        leaving = asyncio.create_task(there.witness.removal(room, {member.user_id, peer.user_id}))
        try:
            await peer.say(peer.chat, story.words_of("command.close"))
            await story.hears(peer, peer.chat, "guest.closed")
            await story.hears(member, member.chat, "room.closed_across")
            self._screen.status(f"after {READING} the keeper takes both out")
            async with asyncio.timeout(_GONE_WITHIN):
                seen = await leaving
        finally:
            leaving.cancel()
        self._screen.happens(
            "The keeper let nobody write any more, had everything redacted, and took both out. The other"
            " homeserver heard of it.",
            [Seen(line, "there") for line in there.witness.lines(seen)],
        )
        self._screen.status("each homeserver purges its copy")
        receipts = [
            await story.hears(member, member.chat, "receipt.intro"),
            await story.hears(peer, peer.chat, "guest.receipt"),
        ]
        self._screen.status("")
        self._fact(
            all(
                story.sentence(key).search(receipt.body)
                for receipt in receipts
                for key in ("receipt.purged", "receipt.there_purged")
            ),
            "Both receipts say that both copies are gone.",
        )
        await self._look(room, other)

    async def _look(self, room: str, other: Other) -> None:
        here, there, member, peer = self._here, other.community, self._member, other.peer
        both = (here, there)
        knows = [await community.witness.knows(room) for community in both]
        self._fact(not any(knows), "Neither homeserver's administrator finds the room.")
        rest = [
            f"Rows that still name it in the database {where}, which no receipt can reach: "
            + (", ".join(f"{table} {count}" for table, count in named.items()) or "none")
            + "."
            for where, named in (
                ("here", here.witness.naming(room)),
                ("there", there.witness.naming(room)),
            )
        ]
        bodies = [community.witness.bodies(room) for community in both]
        self._fact(not any(bodies), "Its events are gone from both homeservers' databases.", *rest)
        people = [name for one in (member, peer) for name in (one.user_id, one.device_id)]
        rooms = [room, self._link_room, member.chat, peer.chat]
        words = [NOTE, CARD_THERE, LINE, *(line for _, line in LINES)]
        directories = [community.instance.directory for community in both]
        names_nobody(self._fact, directories, [*people, *rooms, *words])


def _six_words(steward: Player) -> str:
    said = [one.body for one in steward.messages if story.sentence("link.words").search(one.body)]
    return said[-1].split("\n")[1]


def _written(steward: Player) -> list[str]:
    """What the steward wrote in sentences, to their own front desk and for the other side."""
    return [one.body for one in steward.messages if one.sender == steward.user_id and " " in one.body]
