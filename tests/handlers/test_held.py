"""Every field of every record and every table has its words, and what is somebody else's is never shown."""

import json
import re
import string
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields
from datetime import timedelta

import pytest

from handlers.held import DETAILS, EVERYBODY
from handlers.held_fields import SAYS, TABLES, WHOLE, How
from schema.effects import SendFile
from schema.records import Ask, Consent, Member, Offer, PeerRoom, Prompt, Request
from schema.tables import RECORDS, metadata
from service.store.shapes import SHAPES
from tests.handlers.story import START, WORDS, Story
from tests.handlers.test_privacy import STATES, asked, declined, proposed, stepped_back


def test_every_field_of_every_record_has_its_words() -> None:
    """A field without words would be kept and not told."""
    assert SAYS.keys() == {*SHAPES, Prompt, Consent}
    for kind, says in SAYS.items():
        assert list(says) == [field.name for field in fields(kind)], kind.__name__  # type: ignore[arg-type]


def test_every_table_has_its_words() -> None:
    """Every table is one of records, or is told below them."""
    assert {*RECORDS, *TABLES} == set(metadata.tables)


@pytest.mark.parametrize("language", WORDS.languages)
def test_what_is_shown_stands_in_its_sentence_and_all_else_is_named_in_one(language: str) -> None:
    """A value that the sentence has no place for would be dropped in silence."""
    for kind, says in SAYS.items():
        shown: dict[str, set[str]] = {}
        for name, told in says.items():
            if told.how is How.SHOWN:
                shown.setdefault(told.key, set()).add(name)
        said = {told.key for told in says.values() if told.how is How.SAID}
        for key, names in shown.items():
            template = str(WORDS._catalogs[language][key].string)
            places = {place for _, place, _, _ in string.Formatter().parse(template) if place}
            assert places == names, (kind.__name__, key)
        for name, told in says.items():
            if told.how is How.NAMED:
                assert told.key in shown or told.key in {*DETAILS, *WHOLE, *said}, (kind.__name__, name)
            if told.how is How.SAID:
                assert "{" not in str(WORDS._catalogs[language][told.key].string), (kind.__name__, name)
    beside = {told.key for says in SAYS.values() for told in says.values() if told.how is How.BESIDE}
    assert beside | set(TABLES.values()) | {"held.fixed", "held.said", "held.rest"} == {*EVERYBODY, *DETAILS}


@pytest.mark.parametrize("state", STATES)
async def test_every_record_of_a_member_has_its_line(
    story: Story, state: Callable[[Story], Awaitable[None]]
) -> None:
    """Nothing is kept about somebody that they are not told, in any state."""
    await state(story)
    for name in ("ana", "ben"):
        said = await story.say(name, "what do you hold")
        id = story.id(name)
        records = story.records
        rooms = [one for one in records.all(PeerRoom) if id in (one.asker, one.peer)]
        kept: dict[str, Sequence[object]] = {
            "Your address @": [one for one in records.all(Member) if one.id == id],
            "Your request from": [one for one in records.all(Request) if one.member == id],
            "Your offer, ": [one for one in records.all(Offer) if one.member == id],
            "A room of yours, made": rooms,
            "That I asked you about someone": [
                one for one in records.all(Ask) if one.member == id and one.state not in ("waiting", "over")
            ],
        }
        assert {line: said.count(line) for line in kept} == {line: len(kept[line]) for line in kept}
        for key in EVERYBODY:
            assert WORDS.text("en", key, who_runs=story.community.who_runs) in said
        said = await story.say(name, "details")
        assert said.startswith("\n".join(WORDS.text("en", key, keep="7 days") for key in DETAILS))


async def test_what_others_do_is_not_to_be_read_in_what_is_held() -> None:
    """Promise 2: the asker reads the same whether the peer still stands by their yes or took it back, and
    the peer whether the asker thinks it over, said no, or was forgotten.
    """
    asker, peer = [], []
    for state, then in (
        (proposed, ()),
        (declined, ()),
        (proposed, ("forget me", "yes")),
    ):
        story = Story()
        await state(story)
        await story.says("ana", *then)
        await story.wait(START + timedelta(hours=1) - story.now)
        peer.append(await story.say("ben", "what do you hold"))
    assert peer[0] == peer[1] == peer[2]
    for state in (proposed, stepped_back):
        story = Story()
        await state(story)
        await story.wait(START + timedelta(hours=1) - story.now)
        asker.append(await story.say("ana", "what do you hold"))
    assert asker[0] == asker[1]


async def test_a_no_leaves_nothing_that_shows_when_the_request_ended(story: Story) -> None:
    """Whoever said no is told the same while the request stands and when it is over."""
    await story.comes("ana")
    await story.comes("ben")
    await story.offers("ben", hours="3")
    await story.asks("ana")
    await story.says("ben", "3")
    held = [_lines(await story.say("ben", "what do you hold"))]
    assert story.records.all(Ask)
    await story.says("ana", "stop")
    assert not story.records.all(Ask)
    held.append(_lines(await story.say("ben", "what do you hold")))
    assert held[0] == held[1]


async def test_who_reads_a_note_is_not_told(story: Story) -> None:
    """The asker reads the same before somebody said yes to the first question and after."""
    await asked(story)
    before = _lines(await story.say("ana", "what do you hold"))
    await story.say("ben", "yes")
    assert story.the_request().note_until is not None
    assert _lines(await story.say("ana", "what do you hold")) == before


def _lines(said: str) -> list[str]:
    """The answer without the distances of its hours, which pass."""
    return re.sub(r"\([^)]*\)", "", said).split("\n")


async def test_the_export_is_the_same_as_a_file(story: Story) -> None:
    """JSON, with the values and the sentences of all that is shown, and nothing of anybody else."""
    await proposed(story)
    for name, other, own in (("ana", "ben", "It has been a long week."), ("ben", "ana", "I like walks.")):
        held = await story.say(name, "what do you hold")
        said = await story.say(name, "export")
        assert "as a file" in said
        to, body = story.files[-1]
        assert to == name
        assert own in body
        assert story.address(other) not in body
        assert not re.search("[0-9a-f]{32}", body)
        whole = json.loads(body)
        sentences = [line for entry in whole["held"] for line in entry["in_words"]]
        told = [line for line in sentences if not line.startswith("You agreed")]
        assert len(told) == sum(_lines(held).count(_lines(line)[0]) for line in told)
        assert len(whole["told_to_everybody"]) == len(EVERYBODY) + len(DETAILS)
    kinds = [entry["kind"] for entry in json.loads(story.files[0][1])["held"]]
    assert kinds == ["member", "request", "consent", "pairing"]


async def test_where_no_file_is_taken_the_export_comes_as_words(story: Story) -> None:
    """The media store refuses, or is down: the same words come in the chat, with one push."""
    await story.comes("ana")
    story.lose = lambda effect: isinstance(effect, SendFile)
    await story.say("ana", "export")
    told, body = story.heard("ana")[-2:]
    assert "did not take the file" in told[1]
    assert not told[2]
    assert json.loads(body[1])["held"][0]["matrix_id"] == story.address("ana")
    assert body[2]


async def test_a_room_that_ended_is_told_as_one(story: Story) -> None:
    """When it ended, and no length that it was to have."""
    await story.comes("ben")
    await story.offers("ben", hours="4")
    await story.comes("ana")
    await story.asks("ana")
    await story.says("ben", "yes", "go on")
    await story.say("ana", "yes")
    assert "for 1 hour, until" in await story.say("ana", "what do you hold")
    await story.say("ana", "close")
    said = await story.say("ana", "what do you hold")
    assert "which ended Friday 27 November" in said
    assert "for 1 hour, until" not in said
    assert "What you agreed to, once" in said
