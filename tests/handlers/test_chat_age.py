"""What was said in a direct chat is taken back at its time, across chats and outages, and then forgotten."""

from datetime import timedelta

from schema.effects import RedactChat
from tests.handlers.story import Story


def _orders(story: Story) -> list[RedactChat]:
    return [effect for _, effect in story.effects if isinstance(effect, RedactChat)]


async def test_a_chat_is_cleared_of_what_is_old(story: Story) -> None:
    """After the community's time and within a day of it, without a word; then nothing is due."""
    await story.comes("ana")
    greeted = story.now
    heard = len(story.heard("ana"))
    await story.wait(timedelta(days=7))
    assert not _orders(story)
    await story.wait(timedelta(days=1))
    (order, *_) = _orders(story)
    assert (order.room, order.member, order.theirs) == (story.chat("ana"), story.address("ana"), True)
    assert greeted < order.before <= greeted + timedelta(days=1)
    await story.wait(timedelta(days=10))
    assert story.member("ana").due_at is None
    assert story.member("ana").said == {}
    assert len(story.heard("ana")) == heard


async def test_an_order_that_came_to_nothing_is_given_again(story: Story) -> None:
    """A long outage loses none."""
    await story.comes("ana")
    story.lose = lambda effect: isinstance(effect, RedactChat)
    await story.wait(timedelta(days=9))
    assert story.member("ana").due_at is not None
    lost = len(_orders(story))
    story.lose = lambda effect: False
    await story.wait(timedelta(days=20))
    assert len(_orders(story)) > lost
    assert story.member("ana").due_at is None


async def test_whoever_is_forgotten_is_not_remembered_for_it(story: Story) -> None:
    """The desk leaves the chat, and nothing of it falls due."""
    await story.comes("ana")
    await story.says("ana", "forget me", "yes")
    assert not story.records.rows
    await story.wait(timedelta(days=9))
    assert not _orders(story)
