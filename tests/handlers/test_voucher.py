"""A voucher for whoever would offer: who is asked, what they learn of one another, and what is left of it."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from schema.ids import MatrixId
from schema.records import Ask, Offer, Voucher
from service.core.voucher import ASKED_FOR, HOLDS
from tests.handlers.story import COMMUNITY, START, STEWARDS, Story

WITH = replace(COMMUNITY, vouchers=True, stewards=(MatrixId("@sam:example.org"),))


@pytest.fixture
async def story() -> Story:
    """A community in which an offer needs a voucher, and two who could give one."""
    story = Story(WITH)
    for name in ("ana", "ben", "cleo"):
        await story.comes(name)
    return story


async def names(story: Story, *named: str) -> None:
    """Ana asks those two for a voucher."""
    await story.says("ana", "offer", "two", *(f"@{name}:example.org" for name in named), "yes")


def the_voucher(story: Story) -> Voucher:
    """The one there is."""
    (found,) = story.records.all(Voucher)
    return found


async def test_an_offer_begins_with_two_yeses(story: Story) -> None:
    """Each is asked once; the first yes is not told, the second is; then the offer goes its way."""
    await names(story, "ben", "cleo")
    assert "@ana:example.org would like to be there" in story.last("ben")
    assert "cleo" not in story.last("ben")
    heard = len(story.heard("ana"))
    assert await story.say("ben", "yes") == "Thank you. I tell nobody what you said."
    assert len(story.heard("ana")) == heard
    await story.say("cleo", "yes")
    assert "You have a voucher now." in story.last("ana")
    assert (the_voucher(story).named, the_voucher(story).yes) == ((), ())
    await story.offers("ana")
    assert story.records.all(Offer)


async def test_asking_for_company_never_needs_one(story: Story) -> None:
    """A request begins as ever."""
    await story.asks("ana")
    assert story.the_request().member == story.id("ana")


async def never_here(story: Story) -> None:
    """Nobody has these addresses here."""
    await names(story, "nobody", "nowhere")


async def both_silent(story: Story) -> None:
    """Neither answers."""
    await names(story, "ben", "cleo")


async def both_no(story: Story) -> None:
    """Both say no."""
    await names(story, "ben", "cleo")
    await story.says("ben", "1")
    await story.says("cleo", "no")


async def one_yes(story: Story) -> None:
    """One is not enough."""
    await names(story, "ben", "cleo")
    await story.says("ben", "yes")


async def one_forgotten(story: Story) -> None:
    """Whoever said yes is forgotten, and the other says yes."""
    await names(story, "ben", "cleo")
    await story.says("ben", "yes", "forget me", "yes")
    await story.says("cleo", "yes")


async def kept_apart(story: Story) -> None:
    """One keeps her apart from them, and is not asked; the other says yes."""
    await names(story, "ben", "cleo")
    await story.says("cleo", "yes")
    assert not any("would like to be there" in body for _, body, _ in story.heard("ben"))


WAYS = [never_here, both_silent, both_no, one_yes, one_forgotten, kept_apart]


async def test_whoever_named_them_cannot_tell_a_no_from_a_silence_or_an_absence() -> None:
    """Promise 2, for vouchers: the same words at the same hours, and the same to be read in what is held."""
    told = []
    for way in WAYS:
        story = Story(WITH)
        for name in ("ana", "ben", "cleo"):
            await story.comes(name)
        if way is kept_apart:
            await story.says("ben", "keep apart @ana:example.org", "yes")
        await story.wait(START + timedelta(minutes=10) - story.now)
        begun = story.now
        await way(story)
        asked_at = next(at for at, body, _ in story.heard("ana") if "I have asked." in body)
        await story.wait(asked_at + timedelta(hours=2) - story.now)
        held = await story.say("ana", "what do you hold", after=0)
        again = await story.say("ana", "offer", after=0)
        await story.wait(ASKED_FOR)
        heard = [(at - asked_at, body, quiet) for at, body, quiet in story.heard("ana", begun)]
        told.append(
            (
                [part.replace("nobody", "ben").replace("nowhere", "cleo") for part in (held, again)],
                [one for one in heard if one[0] > timedelta(0) and "hold" not in one[1]][-1][1],
                len([one for one in heard if one[0] > timedelta(0)]),
            )
        )
        assert "it was not enough" in story.last("ana")
        assert not story.records.all(Voucher)
    assert all(one == told[0] for one in told)


async def test_whoever_was_named_is_told_the_same_whatever_they_say(story: Story) -> None:
    """And whatever came of it before: a question that is over is not put, and a late yes does nothing."""
    await names(story, "ben", "cleo")
    assert await story.say("ben", "no") == await story.say("cleo", "yes")
    await story.wait(ASKED_FOR)
    assert not story.records.all(Voucher)
    assert not story.member("cleo").waiting


async def test_a_question_that_is_not_answered_holds_nothing_up(story: Story) -> None:
    """An ask goes first after a while, and the question waits behind it."""
    story.community = replace(WITH, vouchers=True)
    await names(story, "ben", "cleo")
    await story.says("ben", "yes")
    await story.says("cleo", "yes")
    await story.offers("ana", hours="3")
    await story.says("cleo", "offer", "two", "@ana:example.org", "@ben:example.org", "yes")
    assert "@cleo:example.org would like" in story.last("ana")
    await story.wait(timedelta(minutes=20))
    await story.asks("ben")
    assert "Someone asks for company." in story.last("ana")


@pytest.mark.parametrize("typed", ["@ana:example.org", "@Ana:example.org", "ben", "@ben:example.org"])
async def test_it_must_be_two_others(story: Story, typed: str) -> None:
    """Not themselves, nobody twice, and whole addresses; nobody is asked meanwhile."""
    await story.says("ana", "offer", "two", "@ben:example.org")
    await story.say("ana", typed)
    prompt = story.member("ana").prompt
    assert prompt is not None
    assert prompt.draft["step"] == "second"
    assert not story.records.all(Voucher)


@pytest.mark.parametrize("word", ["no", "stop", "skip", "back"])
async def test_without_the_yes_nobody_is_asked(story: Story, word: str) -> None:
    """Nothing is kept either."""
    await story.says("ana", "offer", "two", "@ben:example.org", "@cleo:example.org", word)
    assert not story.records.all(Voucher)
    assert not any("would like" in body for _, body, _ in story.heard("ben"))


async def test_a_second_one_is_not_asked_for_while_one_waits(story: Story) -> None:
    """Nobody is asked again and again, and nobody can be found out by trying."""
    await names(story, "ben", "cleo")
    assert "you have asked for one" in await story.say("ana", "offer")
    assert len(story.records.all(Voucher)) == 1


# From a steward


async def test_a_stewards_one_yes_is_enough(story: Story) -> None:
    """All of them read who asks; the one who offers does not hear which of them it was."""
    await story.stewards("sam")
    await story.says("ana", "offer", "stewards", "yes")
    assert "@ana:example.org would like to offer company" in story.last(STEWARDS)
    await story.steward("sam", "vouch", "1")
    said = story.last(STEWARDS)
    assert "You know @ana:example.org" in said
    assert the_voucher(story).since is None
    await story.steward("sam", "yes")
    assert the_voucher(story).since is not None
    assert "sam" not in story.last("ana")
    await story.offers("ana")
    assert story.records.all(Offer)


async def test_a_steward_cannot_vouch_for_themselves(story: Story) -> None:
    """Somebody else has to."""
    await story.stewards("sam")
    await story.comes("sam")
    await story.says("sam", "offer", "stewards", "yes")
    assert "Nobody asks for a voucher now that you can give." in await story.steward("sam", "vouch")


async def test_where_no_steward_is_there_none_can_be_asked(story: Story) -> None:
    """Honestly: the choice is not there."""
    assert "stewards" not in await story.say("ana", "offer")


async def test_where_none_is_needed_the_stewards_are_told_so(story: Story) -> None:
    """The word does nothing, and the menu has it not."""
    story.community = replace(WITH, vouchers=False)
    await story.stewards("sam")
    assert "needs no voucher" in await story.steward("sam", "vouch")
    assert "vouch" not in await story.steward("sam", "menu")


# What is left


async def given(story: Story) -> None:
    """Ana has a voucher."""
    await names(story, "ben", "cleo")
    await story.says("ben", "yes")
    await story.says("cleo", "yes")


@pytest.mark.parametrize(("way", "line"), [(both_silent, "asked for a voucher"), (given, "have a voucher")])
async def test_it_is_told_in_what_is_held_and_goes_with_forget_me(
    story: Story, way: Callable[[Story], Awaitable[None]], line: str
) -> None:
    """And the question goes from whoever was named."""
    await way(story)
    assert line in await story.say("ana", "what do you hold")
    await story.says("ana", "forget me", "yes")
    assert not story.records.all(Voucher)
    assert story.member("ben").prompt is None or story.member("ben").prompt.kind != "vouch"  # type: ignore[union-attr]


async def test_after_a_year_it_is_over_and_nothing_is_asked_of_them(story: Story) -> None:
    """They are told, and their offer says why nothing comes."""
    await given(story)
    await story.says("ana", "offer", "5", "2", "1", "skip", "skip", "skip", "1", "yes")
    for _ in range(14):
        await story.wait(timedelta(days=26))
        if story.records.all(Offer) and not story.records.all(Voucher):
            break
        await story.says("ana", "my offer", "1")
    await story.wait(HOLDS - (story.now - story.log[0].at) + timedelta(days=1))
    assert any("Your voucher held for a year" in body for _, body, _ in story.heard("ana"))
    assert not story.records.all(Voucher)


async def test_an_offer_without_a_voucher_is_not_asked_and_says_so(story: Story) -> None:
    """Where the community asks for vouchers from now on."""
    story.community = replace(WITH, vouchers=False)
    await story.offers("ana", hours="3")
    story.community = WITH
    assert "an offer needs a voucher here, and you have none" in await story.say("ana", "status")
    await story.asks("ben")
    assert not story.records.all(Ask)


@pytest.mark.parametrize("who", ["two", "stewards"])
async def test_what_was_asked_can_be_taken_back_and_nobody_is_told(story: Story, who: str) -> None:
    """The questions go, a yes after it counts for nothing, and nobody is asked anew before its time."""
    if who == "two":
        await names(story, "ben", "cleo")
        await story.say("ben", "yes")
    else:
        await story.stewards("sam")
        await story.says("ana", "offer", "stewards", "yes")
    assert "That you ask for a voucher for me. You agreed on" in await story.say("ana", "my consents")
    assert "I ask nobody any more who has not answered" in await story.say("ana", "1")
    heard = {name: story.heard(name) for name in ("ben", "cleo")}
    assert "I have taken it back" in await story.say("ana", "yes")
    assert heard == {name: story.heard(name) for name in ("ben", "cleo")}
    assert "Nothing that you agreed to" in await story.say("ana", "my consents")
    if who == "two":
        await story.say("cleo", "yes")
    else:
        assert "Nobody" in await story.steward("sam", "vouch")
    left = the_voucher(story)
    assert (left.since, left.named, left.yes, left.stewards, left.consent) == (None, (), (), False, None)
    assert "took it back" in await story.say("ana", "offer")
    assert "took it back" in await story.say("ana", "what do you hold")
    told = story.heard("ana")
    await story.wait(ASKED_FOR)
    assert story.heard("ana") == told, "what came to nothing by her own word is not told"
    assert not story.records.all(Voucher)
    assert "Who may say it?" in await story.say("ana", "offer")


async def test_a_voucher_that_was_given_can_be_taken_back(story: Story) -> None:
    """With its words; the offer stays, and nothing is asked because of it."""
    await names(story, "ben", "cleo")
    await story.say("ben", "yes")
    await story.say("cleo", "yes")
    await story.offers("ana")
    said = await story.say("ana", "my consents")
    assert "My voucher. You agreed on" in said
    assert "They see your address @ana:example.org" in said
    assert "ben" not in str(the_voucher(story).consent), "of those who gave it nothing is kept"
    number = next(line[0] for line in said.split("\n") if line.endswith(". My voucher"))
    assert "Your voucher has ended." in await story.says("ana", number, "yes")
    assert not story.records.all(Voucher)
    await story.asks("ben")
    assert not story.records.all(Ask)
