"""Clearing the chat: after one yes, up to that yes, and with an honest word about what it came to."""

from datetime import timedelta

import pytest

from schema.effects import Effect, RedactChat
from tests.handlers.story import Story


def _orders(story: Story) -> list[RedactChat]:
    return [effect for _, effect in story.effects if isinstance(effect, RedactChat)]


async def test_up_to_the_yes_by_the_homeservers_clock(story: Story) -> None:
    """Our words and theirs, in the chat where it was asked for; the answer itself stays."""
    await story.comes("ana")
    await story.says("ana", "clear")
    assert not _orders(story)
    said = await story.say("ana", "yes")
    assert said.startswith("I take it back now.")
    (order,) = _orders(story)
    assert (order.room, order.member) == (story.chat("ana"), story.address("ana"))
    assert order.before == story.now + timedelta(milliseconds=1)
    assert order.theirs
    assert order.asked


@pytest.mark.parametrize("words", ["1", "no", "skip", "stop", "menu", "yes please"])
async def test_without_an_exact_yes_nothing_goes(story: Story, words: str) -> None:
    """No stands first, and anything else is none."""
    await story.comes("ana")
    await story.says("ana", "clear", words)
    assert not _orders(story)


@pytest.mark.parametrize(
    ("reached", "said"),
    [
        ("", "Done. What we both said here"),
        ("ours", "Done, for what I said."),
        ("partly", "I took back what I could."),
    ],
)
async def test_what_it_came_to_is_said(story: Story, reached: str, said: str) -> None:
    """No more is claimed than was done, and it does not ring."""
    story.redaction = reached
    await story.comes("ana")
    await story.says("ana", "clear", "yes")
    _, body, quiet = story.heard("ana")[-1]
    assert body.startswith(said)
    assert quiet


async def test_what_was_given_up_is_said_as_partly_done(story: Story) -> None:
    """After its deadline, or a refusal for good."""

    def lost(effect: Effect) -> bool:
        return isinstance(effect, RedactChat)

    story.lose = lost
    await story.comes("ana")
    await story.says("ana", "clear", "yes")
    assert story.last("ana").startswith("I took back what I could.")


@pytest.mark.parametrize("reached", ["outside", ""])
async def test_where_nobody_can_hear_it_nothing_is_said(story: Story, reached: str) -> None:
    """The desk is no longer in the room, or its member was forgotten meanwhile."""
    story.redaction = reached
    await story.comes("ana")
    await story.says("ana", "clear")
    await story.say("ana", "yes", pump=False)
    if not reached:
        await story.say("ana", "forget me", pump=False)
        await story.say("ana", "yes", pump=False)
    heard = len(story.heard("ana"))
    await story.pump()
    assert len(story.heard("ana")) == heard


async def test_it_ends_nothing_and_is_not_done_over_and_over(story: Story) -> None:
    """What was begun waits; a second clearing so soon would read the whole chat again."""
    await story.comes("ana")
    await story.says("ana", "talk", "more", "1", "clear", "yes")
    assert "What is it about?" in await story.say("ana", "back")
    assert (await story.says("ana", "clear", "yes")).startswith("I did that just now")
    assert len(_orders(story)) == 1
    await story.wait(timedelta(minutes=10))
    await story.says("ana", "clear", "yes")
    assert len(_orders(story)) == 2
