"""In which language and in which way two people can talk."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.records import Talking
from service.core.talking import can, common
from tests.core.shapes import OFFER, REQUEST

EN, ES, DE = "en", "es", "de"


@pytest.mark.parametrize(
    ("asked", "offered", "found"),
    [
        ((), (), ()),
        ((EN,), (), (EN,)),
        ((), (EN, ES), (EN, ES)),
        ((EN, ES), (ES, DE), (ES,)),
        ((ES, EN), (EN, ES), (ES, EN)),
        ((EN,), (ES,), None),
    ],
)
def test_languages_in_common(
    asked: tuple[str, ...], offered: tuple[str, ...], found: tuple[str, ...] | None
) -> None:
    """What both named; whoever named none talks in any."""
    talking = common(replace(REQUEST, languages=asked), replace(OFFER, languages=offered))
    assert (talking.languages if talking is not None else None) == found


@pytest.mark.parametrize(
    ("welcome", "writing", "voice", "found"),
    [
        (False, True, True, Talking(voice=False)),
        (False, True, False, Talking(voice=False)),
        (False, False, True, None),
        (True, True, True, Talking(voice=True)),
        (True, True, False, Talking(voice=False)),
        (True, False, True, Talking(writing=False, voice=True)),
    ],
)
def test_voice_is_a_wish(welcome: bool, writing: bool, voice: bool, found: Talking | None) -> None:
    """Where voice is welcome whoever only writes is asked too; where it is not, nobody who only talks."""
    assert common(replace(REQUEST, voice=welcome), replace(OFFER, writing=writing, voice=voice)) == found


@given(
    asked=st.lists(st.sampled_from((EN, ES, DE)), unique=True),
    offered=st.lists(st.sampled_from((EN, ES, DE)), unique=True),
    welcome=st.booleans(),
    ways=st.sampled_from(((True, False), (True, True), (False, True))),
)
def test_whoever_is_asked_has_something_in_common(
    asked: list[str], offered: list[str], welcome: bool, ways: tuple[bool, bool]
) -> None:
    """What matching asks and what is then shown never differ, and nothing is shown that one did not name."""
    request = replace(REQUEST, languages=tuple(asked), voice=welcome)
    offer = replace(OFFER, languages=tuple(offered), writing=ways[0], voice=ways[1])
    found = common(request, offer)
    assert can(request, offer) == (found is not None)
    if found is not None:
        assert all(one in asked or not asked for one in found.languages)
        assert all(one in offered or not offered for one in found.languages)
        assert found.writing or found.voice
        assert welcome or not found.voice
