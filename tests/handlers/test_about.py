"""What the community agreed, read out as it stands."""

from dataclasses import replace

from schema.community import OwnWords
from tests.handlers.story import Story


async def test_the_agreement_is_read_out_and_the_question_stays_open(story: Story) -> None:
    """Whole, with whose words it is; what was open is open still."""
    story.community = replace(story.community, agreement="# Ours\n\nNobody has to.")
    await story.comes("ana")
    await story.say("ana", "talk")
    said = await story.say("ana", "about")
    assert "This is what the Elm House agreed." in said
    assert "# Ours\n\nNobody has to." in said
    assert "The question before this is still open." in said
    assert "This is what I would ask" in await story.say("ana", "back")


async def test_where_there_is_none_that_is_said(story: Story) -> None:
    """An honest answer, and no question where none is open."""
    await story.comes("ana")
    await story.says("ana", "keep apart", "stop")
    assert "has not written down an agreement" in await story.say("ana", "agreement")


async def test_it_is_read_in_the_members_language_where_it_exists_there(story: Story) -> None:
    """Else as it stands in the community's first."""
    own = {"es": OwnWords(name="la Casa del Olmo", agreement="# Lo nuestro")}
    story.community = replace(story.community, agreement="# Ours", own_words=own)
    await story.comes("ana")
    assert "# Ours" in await story.say("ana", "about")
    await story.say("ana", "español")
    assert "Esto es lo que acordó la Casa del Olmo." in await story.say("ana", "acuerdo")
    assert "# Lo nuestro" in story.last("ana")
    story.community = replace(story.community, own_words={})
    assert "# Ours" in await story.say("ana", "acuerdo")
