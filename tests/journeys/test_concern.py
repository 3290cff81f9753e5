"""Something was wrong: who reads it, and what follows, as a real homeserver carries it."""

import secrets

import pytest

from tests.journeys.fixtures import CALM, People, Place
from tests.journeys.stage import Person, comes, counts, meet
from tests.live import story
from tests.live.canaries import canary, scan
from tests.live.member import Member

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]


async def test_a_concern_reaches_its_reader_alone_and_a_pause_outlives_forget_me(
    place: Place, people: People
) -> None:
    """The reader has no chat with the front desk and is invited to one; nobody else reads the words.

    The reader is on the JavaScript SDK, the two whom it is about are on nio.
    """
    wrong, reason = canary("wrong"), canary("reason")
    name = f"reader-{secrets.token_hex(4)}"
    readers: list[dict[str, str | bool]] = [{"user": f"@{name}:{place.homeserver.name}", "name": "Rosa"}]
    async with place.service("concern", CALM, settings={"community.readers": readers}) as instance:
        asker, peer = await people(instance, 2)
        await peer.offers()
        await meet(asker, peer)
        async with await Member.start(place.homeserver, name, kind="js") as member:
            await asker.writes("close")
            offered = await asker.hears("after.offered")
            await story.chooses(asker.member, asker.chat, offered, "choice.after_wrong")
            listed = await asker.hears("concern.readers")
            assert member.user_id in listed.body
            await asker.writes("1")
            await asker.hears("concern.words")
            await asker.writes(wrong)
            recap = await asker.hears("concern.recap")
            await story.chooses(asker.member, asker.chat, recap, "choice.concern_yes")
            await asker.hears("concern.given")

            invite = await member.invited()
            assert invite.sender == instance.desk_user
            await member.join(invite.room)
            rosa = Person(member, invite.room)
            invited = await rosa.hears("reads.invited")
            assert story.sentence("menu.hello").search(invited.body), "with the first words"
            assert wrong not in invited.body
            await story.chooses(member, rosa.chat, invited, "choice.reads_open")
            read = await rosa.hears("reads.words")
            assert wrong in read.body
            await asker.hears("concern.opened")

            await story.chooses(member, rosa.chat, read, "choice.reads_pause")
            await rosa.hears("pauses.length")
            await rosa.writes("1")
            await rosa.hears("pauses.reason")
            await rosa.writes(reason)
            recap = await rosa.hears("pauses.recap")
            await story.chooses(member, rosa.chat, recap, "choice.weighs_yes")
            await rosa.hears("pauses.begun")
            told = await peer.hears("paused.told")
            assert reason in told.body
            await asker.hears("concern.paused")
            for person, never in ((rosa, (asker.id, peer.id)), (peer, (wrong, asker.id))):
                said = [one.body for one in person.heard() if one.timestamp >= invited.timestamp]
                assert not any(word in body for word in never for body in said)

            await peer.asks_to_be_forgotten()
            assert counts(instance)["pairing_pauses"] == 1
            back = await comes(peer.member, instance)
            await back.writes("talk")
            told = await back.hears("paused.told")
            assert reason in told.body
            await asker.writes("my concerns")
            own = await asker.hears("held.concern")
            await story.chooses(asker.member, asker.chat, own, "choice.concern_take_back")
            await asker.hears("concern.taken_back")
            assert not counts(instance).get("concerns")
        assert not scan([instance.directory], [wrong, reason])
