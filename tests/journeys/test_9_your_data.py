"""Promise 9: what is held is said from live data, and forgetting is at once."""

import pytest

from tests.journeys.fixtures import People
from tests.journeys.stage import comes, counts, meet, rows
from tests.live import story
from tests.live.instance import Instance

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]


async def test_what_is_held(calm: Instance, people: People) -> None:
    """Each thing that is kept about a member is told to them, and what ended is not told any more."""
    asker, peer = await people(calm, 2)
    await peer.offers(card="I grow tomatoes.")
    await asker.asks(note="It was a hard winter.")
    await asker.writes("what do you hold")
    held = await asker.hears("held.intro")
    assert asker.id in held.body
    assert "It was a hard winter." in held.body
    assert story.sentence("held.request").search(held.body)
    await peer.goes_on()
    await peer.writes("what do you hold about me")
    held = await peer.hears("held.intro")
    assert "I grow tomatoes." in held.body
    assert "It was a hard winter." not in held.body
    assert asker.id not in held.body
    assert story.sentence("held.ask").search(held.body)
    await asker.hears("consent.intro")
    await asker.writes("stop")
    await asker.hears("request.withdrawn")
    await asker.writes("what do you hold")
    held = await asker.hears("held.intro")
    assert not story.sentence("held.request").search(held.body)


async def test_forget_me(calm: Instance, people: People) -> None:
    """Forgetting ends the room, leaves no record of the member, and tells the other no reason."""
    asker, peer = await people(calm, 2)
    await peer.offers()
    other = await asker.member.write_to(calm.desk_user)
    await asker.member.sees_membership(other, calm.desk_user, "join")
    room = await meet(asker, peer)
    mine = {row["id"] for row in rows(calm, ("members",))["members"]}
    await asker.writes("forget me")
    asked = await asker.hears("forget.question")
    await story.chooses(asker.member, asker.chat, asked, "choice.forget_no")
    await asker.hears("forget.kept")
    assert {row["id"] for row in rows(calm, ("members",))["members"]} == mine
    await asker.asks_to_be_forgotten()
    (gone,) = mine - {row["id"] for row in rows(calm, ("members",))["members"]}
    for chat in (asker.chat, other):
        await asker.member.sees_membership(chat, calm.desk_user, "leave")
    await asker.member.sees_membership(room, asker.id, "leave")
    # The peer's room is closed, without a word about why, and their offer stands.
    closed = await peer.hears("room.closed")
    assert "forget" not in closed.body
    assert asker.id not in closed.body
    await peer.hears("receipt.intro")
    for found in rows(calm).values():
        assert not any(gone in row.values() for row in found)
    assert counts(calm)["offers"] == 1
    # Whoever comes back comes for the first time.
    again = await comes(asker.member, calm)
    await again.writes("status")
    await again.hears("status.nothing")
    await again.asks_to_be_forgotten()
