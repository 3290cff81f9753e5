"""A member whose encryption was set up anew: nobody goes silent, and nothing private is said meanwhile."""

from schema.effects import AcceptIdentity, SendText
from schema.events import NotDelivered, Unreadable
from schema.ids import EventId
from schema.records import Request
from tests.handlers.story import Story

QUESTION = "Was it you?"


def _accepted(story: Story) -> int:
    return sum(isinstance(effect, AcceptIdentity) for _, effect in story.effects)


async def test_a_changed_identity_is_asked_about_and_the_talk_goes_on(story: Story) -> None:
    """What they wrote counts for nothing; after their yes the open question comes again, as it was."""
    await story.says("ana", "talk", "more", "1", "1", "2", "skip")
    recap = story.last("ana")
    assert QUESTION in await story.say("ana", "yes", changed=True)
    assert not story.records.all(Request)
    assert await story.say("ana", "hello", changed=True, after=10) == ""
    assert QUESTION in await story.say("ana", "hello", changed=True)
    await story.say("ana", "yes", changed=True)
    assert _accepted(story) == 1
    assert story.last("ana").startswith("Thank you. We go on from here.")
    assert recap.splitlines()[-1] in story.last("ana")
    await story.say("ana", "yes")
    assert story.records.all(Request)


async def test_only_the_fixed_words_go_to_a_changed_identity(story: Story) -> None:
    """Every sentence that may go out without their word is marked so, and says nothing of theirs."""
    await story.comes("ana")
    before = len(story.effects)
    for body in ("what do you hold", "no", "1", "menu"):
        await story.say("ana", body, changed=True)
        if _accepted(story):
            break
    said = [effect for _, effect in story.effects[before:] if isinstance(effect, SendText)]
    assert len(said) == 3
    assert [effect.to_changed_identity for effect in said] == [True, True, False]


async def test_a_no_and_an_answer_typed_too_soon_are_not_a_yes(story: Story) -> None:
    """A yes that was typed for another question gets this one; a no is answered and can be taken back."""
    await story.comes("ana")
    await story.say("ana", "hello", changed=True)
    assert QUESTION in await story.say("ana", "yes", changed=True, after=1)
    assert "I say nothing more here" in await story.say("ana", "no", changed=True)
    assert _accepted(story) == 0
    await story.say("ana", "yes", changed=True)
    assert _accepted(story) == 1


async def test_what_cannot_be_said_is_asked_about_once(story: Story) -> None:
    """A send that meets a changed identity brings the question once, and the chat stays theirs."""
    await story.comes("ana")
    effect = SendText(story.chat("ana"), story.address("ana"), "a check-in")
    for _ in range(3):
        await story.event(NotDelivered(effect, "identity_changed"))
        unread = Unreadable(EventId("$1"), story.chat("ana"), story.address("ana"), changed=True)
        await story.event(unread)
    assert sum(QUESTION in body for _, body, _ in story.heard("ana")) == 1
    assert story.member("ana").room == story.chat("ana")
