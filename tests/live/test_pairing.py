"""One pairing, from a first word to the receipt, through the program as an operator runs it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.live import story
from tests.live.fixtures import MemberFactory
from tests.live.homeserver import Homeserver
from tests.live.instance import Instance
from tests.live.member import Kind

pytestmark = pytest.mark.live


@pytest.fixture
async def instance(homeserver: Homeserver, tmp_path: Path) -> AsyncIterator[Instance]:
    """An instance that runs, with topics and an administrator's token."""
    made = await Instance.make(homeserver, tmp_path / "instance", topics=("burnout", "grief"), admin=True)
    async with made:
        await made.start()
        await made.ready()
        yield made


@pytest.mark.parametrize(("asks", "offers"), [("js", "nio"), ("nio", "js")])
async def test_two_members_meet_and_part(
    homeserver: Homeserver, member_factory: MemberFactory, instance: Instance, asks: Kind, offers: Kind
) -> None:
    """Both consent, talk in a room of their own, end it, and get the receipt of what was erased."""
    asker = await member_factory(homeserver, kind=asks)
    peer = await member_factory(homeserver, kind=offers)
    chat, peer_chat, room = await story.pairing(instance.desk_user, asker, peer, topics=True)
    await story.talk_to_each_other(room, asker, peer)
    await story.closes(asker, chat)
    await story.hears(peer, peer_chat, "room.closed")
    for member, where in ((asker, chat), (peer, peer_chat)):
        receipt = await story.gets_receipt(member, where)
        assert story.sentence("receipt.purged").search(receipt.body)
    assert await instance.stop() < 5
