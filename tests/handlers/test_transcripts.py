"""Whole conversations as they read; a change of words shows as a change of these files.

Write them anew with ALONGSIDE_WRITE_TRANSCRIPTS=1, and read what changed before it is kept.
"""

import os
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest

from handlers import dispatch
from handlers.words import PLACE, split
from schema.community import Reader
from schema.effects import Effect
from schema.events import Event
from schema.ids import MatrixId
from schema.records import Record, Window
from service.store import Store
from service.turn import Records
from tests import databases
from tests.handlers.catalogues import TYPED, forms, key, load
from tests.handlers.records import TABLES
from tests.handlers.story import TRANSCRIPTS, WORDS, Story, community
from tests.handlers.two import NORTH_AT, SOUTH_AT, Two


async def one_pairing(story: Story) -> None:
    """From a first word to the receipt."""
    await story.comes("ben")
    await story.offers("ben", card="I have been through it. I like to walk and listen.")
    await story.comes("ana")
    await story.asks("ana", note="I can't sleep, and I don't want advice.")
    await story.says("ben", "1", "1")
    await story.says("ana", "1")
    await story.says("ana", "status")
    await story.says("ben", "close")
    await story.says("ana", "erase now")
    await story.says("ben", "erase now")
    await story.wait(timedelta(days=2))


async def more_time(story: Story) -> None:
    """Told of the end, one asks for more and both say yes; the next time the other lets it pass."""
    await story.comes("ben")
    await story.offers("ben", hours="2")
    await story.comes("ana")
    await story.asks("ana")
    await story.says("ben", "yes", "go on")
    await story.says("ana", "yes")
    await story.wait(timedelta(minutes=51))
    await story.says("ana", "extend", "2")
    await story.says("ben", "yes")
    await story.wait(timedelta(minutes=28))
    await story.says("ben", "extend", "1")
    await story.wait(timedelta(minutes=10))


async def passed_on(story: Story) -> None:
    """A peer cannot go on, and the asker looks for somebody else with the same words."""
    await story.comes("ben")
    await story.offers("ben", hours="2")
    await story.comes("ana")
    await story.asks("ana")
    await story.says("ben", "yes", "go on")
    await story.says("ana", "yes", "what do you hold")
    await story.says("ben", "pass on", "1")
    await story.says("ana", "1")


async def one_leaves(story: Story) -> None:
    """A peer leaves by mistake and comes back; then for good, and the asker looks for somebody else."""
    await story.comes("ben")
    await story.offers("ben", hours="2")
    await story.comes("ana")
    await story.asks("ana")
    await story.says("ben", "yes", "go on")
    await story.says("ana", "yes")
    room = story.the_room().room
    assert room is not None
    await story.leaves("ben", room)
    await story.says("ana", "1")
    await story.says("ben", "come back")
    await story.joins("ben", room)
    await story.wait(timedelta(minutes=5))
    await story.leaves("ben", room)
    await story.says("ana", "2")


async def never_comes(story: Story) -> None:
    """A peer never comes in: one reminder to them, a choice to the asker, and back to finding."""
    story.arrive = False
    await story.comes("ben")
    await story.offers("ben", hours="2")
    await story.comes("ana")
    await story.asks("ana")
    await story.says("ben", "yes", "go on")
    await story.says("ana", "yes")
    room = story.the_room().room
    assert room is not None
    await story.joins("ana", room)
    await story.wait(timedelta(minutes=31))
    await story.says("ana", "wait")
    await story.wait(timedelta(minutes=15))
    await story.says("ana", "2")


async def backup(story: Story) -> None:
    """Whoever keeps somebody company asks for company about it, and is in two rooms for a while."""
    await story.comes("ben")
    await story.offers("ben", hours="2")
    await story.comes("ana")
    await story.asks("ana")
    await story.says("ben", "yes", "go on")
    await story.says("ana", "yes")
    await story.comes("cleo")
    await story.offers("cleo", hours="2")
    await story.says("ben", "backup", "yes")
    await story.says("cleo", "yes", "go on")
    await story.says("ben", "yes", "status", "close", "2")


async def two_who_ask(story: Story) -> None:
    """At three in the morning two who ask for company are asked about one another."""
    await story.wait(timedelta(hours=10))
    await story.comes("ana")
    await story.says(
        "ana", "talk listening", "change", "10", "2", "2", "change", "4", "I can't sleep.", "yes"
    )
    await story.comes("ben")
    await story.says("ben", "talk one another 30 minutes", "yes", "status")
    await story.says("ana", "yes", "go on", "status", "my consents", "4")
    await story.says("ben", "yes", "status", "what do you hold")
    await story.says("ana", "close")
    await story.says("ben", "1")


async def for_later(story: Story) -> None:
    """Company from a later hour: found today, let go once, agreed again, and opened at its hour."""
    await story.comes("ben")
    await story.says("ben", "offer", "5", "2", "Berlin", "skip", "skip", "skip", "2", "yes")
    await story.comes("ana")
    await story.says(
        "ana", "talk listening 1h tomorrow 18:00", "change", "9", "Berlin", "tomorrow 19:00", "yes"
    )
    await story.says("ana", "status")
    await story.says("ben", "1", "1")
    await story.says("ana", "1", "status")
    await story.comes("cleo")
    await story.says("cleo", "offer", "5", "2", "Berlin", "skip", "skip", "skip", "2", "yes")
    await story.says("ben", "status", "stop", "1")
    await story.says("cleo", "1", "1")
    await story.says("ana", "1")
    await story.wait(timedelta(days=1, hours=2))


async def nobody_there(story: Story) -> None:
    """A request that finds nobody, and is told so with hours."""
    await story.says("ana", "I need help", "1", "1")
    await story.says("ana", "status", "help now")
    await story.wait(timedelta(days=1))
    await story.says("ana", "4")


async def not_this_time(story: Story) -> None:
    """A peer says yes, the asker does not; then stopping and forgetting."""
    await story.comes("ben")
    await story.offers("ben")
    await story.comes("ana")
    await story.asks("ana", note="")
    await story.says("ben", "yes", "go on")
    await story.says("ana", "2")
    await story.says("ana", "stop")
    await story.wait(timedelta(hours=3))
    await story.says("ana", "what do you hold", "details", "2", "forget me", "yes")
    await story.says("ben", "offer", "back", "my offer")


async def taken_back(story: Story) -> None:
    """What was agreed to is read again, and taken back: a yes, an offer, a request, a room."""
    await story.comes("ben")
    await story.offers("ben")
    await story.comes("ana")
    await story.asks("ana", note="")
    await story.says("ben", "yes", "go on", "my consents", "1", "2")
    await story.says("ben", "what do you hold", "1", "1", "no", "my consents", "1", "yes")
    await story.says("ana", "my consents", "1", "yes")
    await story.comes("eva")
    await story.offers("eva")
    await story.asks("ana", note="")
    await story.says("eva", "yes", "go on")
    await story.says("ana", "1", "my consents", "1", "2", "my consents", "1", "2")


async def kept_apart(story: Story) -> None:
    """Two are kept apart from the first message on; then it is looked at, and ended."""
    await story.says("ana", "keep apart Ben", "@Ben", "@Ben:example.org", "1")
    await story.comes("ben")
    await story.offers("ben")
    await story.asks("ana", note="")
    await story.wait(timedelta(days=1))
    await story.says("ana", "menu", "keep apart @ben:example.org", "what do you hold")
    await story.says("ana", "kept apart", "1", "2", "kept apart")


async def afterwards(story: Story) -> None:
    """Two would talk again; later one of them would rather not, and then never."""
    await story.comes("ben")
    await story.offers("ben")
    await story.comes("ana")
    await story.asks("ana", note="")
    await story.says("ben", "1", "1")
    await story.says("ana", "1")
    await story.says("ana", "close", "1", "1")
    await story.says("ben", "again", "yes")
    await story.wait(timedelta(days=3))
    await story.says("ana", "what do you hold", "not again", "again")
    await story.says("ben", "what do you hold", "never again", "1", "kept apart", "skip")


async def a_concern(story: Story) -> None:
    """Something was wrong: two read it, one of them answers, both decide a pause, and it is answered."""
    names = (("rosa", False), ("sam", False), ("tove", True))
    readers = tuple(Reader(story.address(name), name.capitalize(), must) for name, must in names)
    story.community = replace(story.community, readers=readers)
    for name in ("ben", "ana", "rosa", "sam"):
        await story.comes(name)
    await story.offers("ben")
    await story.asks("ana", note="")
    await story.says("ben", "1", "1")
    await story.says("ana", "1")
    await story.says("ana", "close", "3", "1 2", "They shouted at me after I said no.", "1")
    await story.says("rosa", "1", "1", "Thank you for telling us. What would help you now?", "1")
    await story.says("ana", "2", "Please make sure that it does not happen to others.", "1")
    await story.says("rosa", "1", "2", "2", "Words were said here that we do not want.", "1")
    await story.says("sam", "1", "1", "1")
    await story.says("ben", "1", "I was tired, and I am sorry.", "1", "talk", "forget me", "2")
    await story.says("sam", "concerns", "2", "1")
    await story.says("ana", "my concerns", "4")
    await story.comes("ben")
    await story.says("ben", "talk")
    await story.wait(timedelta(days=29))


async def not_taken(story: Story) -> None:
    """A concern about the service, by somebody who trusts none of the readers; and one that nobody opens."""
    readers = (Reader(story.address("rosa"), "Rosa"), Reader(story.address("tove"), "Tove", True))
    story.community = replace(story.community, readers=readers)
    await story.comes("ana")
    await story.says("ana", "5", "3", "3", "concern", "2", "2", "I was asked my real name.", "2", "1")
    await story.wait(timedelta(days=28))


async def cleared(story: Story) -> None:
    """A chat is cleared, for a phone that others read."""
    await story.comes("ana")
    await story.says("ana", "talk", "1", "clear", "1", "clear this chat", "2", "back")


async def odd_messages(story: Story) -> None:
    """What cannot be taken as it is."""
    await story.comes("ana")
    await story.says("ana", "what?", "7", "talk", "2")
    await story.say("ana", "", kind="voice")
    await story.say("ana", "1", edits=True)
    await story.says("ana", "I can't stop crying", "menu", "back", "stop", "1")


async def a_smaller_yes(story: Story) -> None:
    """The short line, a yes to less, and what both agreed on."""
    await story.comes("ben")
    await story.offers("ben")
    await story.comes("ana")
    await story.says("ana", "talk practical burnot 2 hours", "yes")
    await story.says("ben", "2", "1 4", "1")
    await story.says("ana", "1", "status")


async def while_it_stands(story: Story) -> None:
    """A sentence, one number, and what can be changed while nobody answers."""
    await story.comes("ben")
    await story.offers("ben")
    await story.comes("ana")
    await story.says("ana", "talk to me please", "1")
    await story.wait(timedelta(minutes=10))
    await story.says("ana", "status", "change", "8", "1 2", "2", "change", "6", "2", "1")
    await story.wait(timedelta(minutes=10))
    await story.says("ben", "1", "1")
    await story.says("ana", "change", "1")


async def offering(story: Story) -> None:
    """Hours of each week, a rest, a change of mind; then an offer that stands, and is asked about."""
    await story.comes("ben")
    await story.says("ben", "offer", "5", "1", "new", "1", "mondays and fridays 6-9 pm", "skip")
    await story.says("ben", "I was in hospital twice.", "1", "yes", "my offer", "2", "3", "2", "2", "5")
    await story.says("ben", "I was in hospital. I like to cook.", "yes", "rest", "my offer", "withdraw")
    await story.says("ben", "offer", "5", "2", "23-7", "skip", "skip", "skip", "yes", "what do you hold")
    await story.wait(timedelta(weeks=4))
    await story.says("ben", "no", "my offer", "1")


async def practising(story: Story) -> None:
    """The guide, and a practice from an ask to the room's end."""
    await story.comes("ben")
    await story.says("ben", "offer", "1", "skip", "I bake.", "2", "guide", "yes")
    await story.says("ben", "practice", "1", "1", "1", "1")


async def not_open_yet(story: Story) -> None:
    """A community with published hours: a line too early, then in time, how it looks, a yes too late."""
    evenings = Window(tuple(range(7)), 18 * 60, 22 * 60)
    story.community = replace(story.community, opens="hours", hours=(evenings,))
    for name in ("ben", "cleo", "dora"):
        await story.says(name, "offer", "5", "1", "Berlin", "3", "skip", "skip", "skip", "yes")
    story.log.clear()
    await story.comes("ana")
    await story.says("ana", "1")
    await story.wait(timedelta(hours=4, minutes=25))
    await story.says("ana", "talk grief")
    await story.wait(timedelta(minutes=10))
    await story.says("ana", "yes")
    await story.wait(timedelta(hours=20))
    await story.says("ana", "back", "yes")


async def kept_to_their_ages(story: Story) -> None:
    """A community for adults and young people, in two languages: each says it once."""
    story.community = replace(story.community, ages="both", talk_in=("en", "es"))
    await story.comes("ben")
    await story.says("ben", "offer", "2", "1", "skip", "I am at school too.", "4", "2", "8", "1")
    await story.says("ben", "2", "9", "1 2", "yes", "my offer")
    await story.comes("cleo")
    await story.says("cleo", "offer", "1", "1", "skip", "skip", "4", "yes")
    await story.comes("ana")
    await story.says("ana", "1", "2", "2", "back", "change", "8", "2", "yes")
    await story.says("ben", "1", "1")
    await story.says("ana", "my age group", "1", "what do you hold")


PLAN = "Open the window. Drink some water. Ring Mia; she knows.\nIt passed the last time."


async def my_plan(story: Story) -> None:
    """Words to oneself: kept, sent back, changed, deleted."""
    await story.comes("ana")
    await story.says("ana", "my plan", "Ring Mia.", "2", PLAN, "1", "1", "menu", "my plan", "2", "my plan")
    await story.says("ana", "3", "1", "Ring Mia first.", "3", "what do you hold", "my plan", "3", "3", "2")
    await story.says("ana", "my plan", "skip")


WORDS_FOR_BEN = "Please look in on me. The key is under the pot."
OTHER_WORDS_FOR_BEN = "Please ring me. If I do not answer, leave it at that."


async def a_buddy(story: Story) -> None:
    """A buddy is named, agrees, is told at the member's own word, and is ended unsaid; then ends it."""
    await story.comes("ben")
    await story.comes("ana")
    await story.says("ana", "my buddy", "Ben", "@ben:example.org", WORDS_FOR_BEN, "1", "1 2", "2", "2", "1")
    await story.says("ben", "1", "2", "my buddies", "5")
    await story.says("ana", "status", "tell my buddy", "1", "what do you hold", "my consents", "1", "2", "1")
    await story.says("ben", "my buddy", "2")


async def other_words(story: Story) -> None:
    """A buddy is asked for other words, in place of the old ones; then when they go is changed."""
    await story.comes("ben")
    await story.comes("ana")
    await story.says("ana", "my buddy", "@ben:example.org", WORDS_FOR_BEN, "1", "1 2", "2", "2", "1")
    await story.says("ben", "1", "2")
    await story.says("ana", "my buddy", "2", "1", OTHER_WORDS_FOR_BEN, "2", "2", "2", "1", "my buddy")
    await story.says("ben", "1", "2")
    await story.says("ana", "my buddy", "2", "4", "3", "4", "1")
    await story.says("ana", "my buddy", "2", "3", "skip", "1")
    await story.wait(timedelta(days=8))


async def silence(story: Story) -> None:
    """Two check-ins without an answer, the warning, the words; then two more, and a word that stops it."""
    await story.comes("ben")
    await story.comes("ana")
    await story.says("ana", "my city", "Berlin", "my buddy", "@ben:example.org", WORDS_FOR_BEN, "2", "skip")
    await story.says("ana", "2", "1", "1")
    await story.says("ben", "1", "2")
    await story.says("ana", "my plan", PLAN, "yes", "yes", "check in every day 18:00", "1")
    await story.wait(timedelta(days=2))
    await story.wait(timedelta(hours=4))
    await story.says("ana", "here")
    await story.wait(timedelta(days=2))
    await story.say("ana", "I was away.")


async def no_yes(story: Story) -> None:
    """Somebody who was never here is named: nothing shows that; then somebody else, who says no."""
    await story.comes("ana")
    await story.says("ana", "my buddy", "@nobody:example.org", WORDS_FOR_BEN, "skip", "skip", "5", "1")
    await story.says("ana", "my buddy", "2")
    await story.wait(timedelta(days=7))
    await story.comes("ben")
    await story.says("ana", "my buddy", "@ben:example.org", WORDS_FOR_BEN, "back", WORDS_FOR_BEN)
    await story.says("ana", "skip", "3", "1", "1", "2", WORDS_FOR_BEN, "skip", "skip", "1", "4", "yes")
    await story.says("ben", "3", "back", "1", "no")
    await story.wait(timedelta(days=7))


async def a_check_in(story: Story) -> None:
    """Set up in words, answered in each way, leading to company; the last one goes on."""
    await story.comes("ben")
    await story.offers("ben", hours="4")
    await story.comes("ana")
    await story.says("ana", "new check-in", "every friday 17:00", "Berlin", "change", "1", "every friday")
    await story.says("ana", "every friday 17:30", "change", "2", "Have you eaten?", "change", "3", "1", "1")
    await story.wait(timedelta(minutes=40))
    await story.say("ana", "1")
    await story.wait(timedelta(days=7))
    await story.say("ana", "", kind="voice")
    await story.wait(timedelta(days=7))
    await story.say("ana", "I can't stop crying")
    await story.wait(timedelta(days=7))
    await story.say("ana", "6")
    await story.wait(timedelta(days=7))
    await story.says("ben", "offer", "1", "skip", "I like walks.", "2", "yes")
    await story.says("ana", "3", "1")
    await story.says("ben", "1", "1")
    await story.say("ana", "1")


async def check_ins_kept(story: Story) -> None:
    """Two of them, by numbers and in one line: listed, skipped, paused, changed, taken along, and ended."""
    await story.comes("ana")
    await story.says("ana", "menu", "5", "Berlin", "1", "5", "yes")
    await story.say("ana", "check in tomorrow 8am")
    await story.says(
        "ana", "yes", "status", "my check-ins", "1", "2", "my check-ins", "1", "3", "3", "3", "yes"
    )
    await story.says("ana", "pause check-ins", "until monday 9:00", "my check-ins", "1", "1")
    await story.says("ana", "my city", "Lisbon", "resume check-ins", "what do you hold", "my check-ins", "2")
    await story.says("ana", "end it", "2", "stop", "1", "2", "skip next")


async def unanswered(story: Story) -> None:
    """Nothing is said about any of them: each takes the place of the one before, up to the last."""
    await story.comes("ana")
    await story.says("ana", "my city", "Berlin", "new check-in", "every 2 days 21:00", "yes")
    await story.wait(timedelta(days=5))
    story.now += timedelta(days=3, hours=1, minutes=58)
    await story.wait(timedelta(days=70))


class _Noted:
    """The records of a turn, and which kinds of them it wrote."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self.written: set[type[Record]] = set()
        self.get, self.find = records.get, records.find
        self.room_of, self.about, self.unheard = records.room_of, records.about, records.unheard
        self.of_answer = records.of_answer

    async def put(self, record: Record) -> None:
        """Write the whole record."""
        self.written.add(type(record))
        await self._records.put(record)

    async def delete(self, kind: type[Record], id: str) -> None:
        """Take the record away, if it is there."""
        self.written.add(kind)
        await self._records.delete(kind, id)


class StoredStory(Story):
    """The same story over a real database; the rows in memory are what lies there after each turn."""

    store: Store

    async def event(self, event: Event) -> list[Effect]:
        """One turn in one transaction."""
        async with self.store.transaction("turn") as transaction:
            noted = _Noted(transaction)
            turn = self.turn(event, noted)
            turn.identify = self.store.member_id
            await dispatch(turn)
        async with self.store.transaction("look") as transaction:
            found = {TABLES[kind]: await transaction.find(kind) for kind in noted.written}
        rows = {at: row for at, row in self.records.rows.items() if at[0] not in found}
        rows.update({(table, row.id): row for table, some in found.items() for row in some})
        self.records.rows = rows
        self.carry_out(turn.effects)
        return turn.effects


async def the_stewards(story: Story) -> None:
    """A place that nobody checked, a pause that a member hears of, and how it stands."""
    story.community = replace(
        story.community, stewards=tuple(MatrixId(f"@{name}:example.org") for name in ("sam", "tess"))
    )
    await story.stewards("sam")
    await story.stewards("sam", "tess")
    await story.steward("sam", "menu", "3", "checked 1", "yes", "Thank you, I do the other one tomorrow.")
    await story.comes("ana")
    await story.steward("tess", "pause", "Both of us are ill. We are back on Monday.", "1")
    await story.asks("ana")
    await story.steward("tess", "status")
    await story.says("ana", "status")
    await story.steward("sam", "resume", "1")
    await story.wait(timedelta(minutes=1))


async def a_link(story: Story) -> None:
    """The stewards ask another community for a link, compare words, renew the keys, and cut it."""
    two = Two(north=story)
    await two.linked()
    await two.says(two.north, "links", "rotate keys", "yes", f"link {SOUTH_AT}", "1")
    await two.says(two.south, f"link {NORTH_AT}", "1", f"pause {NORTH_AT}", "yes")
    await two.says(two.north, "links", "cut", "yes", "links")


async def a_link_asked_for(story: Story) -> None:
    """Another community asks; the stewards read what it says, compare words, and are told of the end."""
    two = Two(story)
    await two.linked()
    await two.says(two.south, "links")
    await two.says(two.north, "cut", "yes")


async def terms_of_a_link(story: Story) -> None:
    """The stewards set their terms before they go out and again later; both read what holds, and the end."""
    two = Two(north=story)
    await two.begin()
    await two.says(story, f"link {SOUTH_AT}", "We met in spring.", "2", "1", "moon", "1 and 2", "yes")
    await two.says(two.south, f"link {NORTH_AT}", "yes", f"link {NORTH_AT}", "Welcome.", "yes")
    await two.says(story, f"link {SOUTH_AT}", "1")
    await two.says(two.south, f"link {NORTH_AT}", "1")
    await two.says(story, "terms", "1", "2", "2", "2", "3", "0", "3")
    await two.says(story, "2", "4", "weekdays 18-21", "Lisbon", "2", "5", "back", "6", "30 June 2027")
    await two.says(story, "2", "7", "Two of us teach, and must report danger to a child.", "1")
    await two.says(two.south, "terms", "1", "2", "2", "yes")
    await two.says(story, "links", "terms", "2")
    await two.wait(timedelta(days=202))
    await two.wait(timedelta(days=14))


async def across_a_link(story: Story) -> None:
    """Nobody here can be asked; a linked community is, and one of its members is company for ours."""
    two = Two(north=story)
    await _company_across(two, story, two.south)


async def asked_across_a_link(story: Story) -> None:
    """A linked community asks for one of its members, and one of ours is company for them."""
    two = Two(story)
    await _company_across(two, two.north, story)


async def _company_across(two: Two, here: Story, there: Story) -> None:
    """From the choice in the recap to both receipts, without what the stewards read of the link."""
    await two.linked()
    here.log.clear()
    there.log.clear()
    await there.comes("ben")
    await two.say(there, "ben", "offer", "1", "skip", "I like walks.", "2", "yes")
    await here.comes("ana")
    await two.say(here, "ana", "talk", "2", "1", "1", "2", "It has been a long week.")
    await two.say(here, "ana", "change", "13", "2", "1")
    for word in ("1", "1"):
        await two.say(there, "ben", word)
    await two.say(here, "ana", "1", "status")
    await two.say(there, "ben", "extend", "2")
    await two.say(here, "ana", "1")
    await two.say(there, "ben", "status")
    await two.wait(here.the_room().ends_at - timedelta(minutes=9) - here.now)
    await two.say(there, "ben", "close")
    await two.say(here, "ana", "erase now")
    await two.wait(timedelta(days=4))


async def again_across_a_link(story: Story) -> None:
    """Two who met across a link both note that they would talk again; one asks for the other alone."""
    two = Two(north=story)
    await two.linked()
    here, there = story, two.south
    await there.comes("ben")
    await here.comes("ana")
    await two.say(there, "ben", "offer", "1", "skip", "I like walks.", "2", "yes")
    await two.say(here, "ana", "talk", "2", "1", "1", "2", "It has been a long week.")
    await two.say(here, "ana", "change", "13", "2", "1")
    await two.say(there, "ben", "1", "1")
    await two.say(here, "ana", "1", "close")
    here.log.clear()
    for side, name in ((here, "ana"), (there, "ben")):
        await two.say(side, name, "1", "1")
    await two.wait(timedelta(days=4))
    await two.say(there, "ben", "offer", "1", "skip", "I like walks.", "2", "yes")
    await two.say(here, "ana", "talk", "2", "1", "1", "2", "Another long week.")
    await two.say(here, "ana", "change", "14", "3", "1", "what do you hold")
    await two.say(there, "ben", "1", "1")
    await two.say(here, "ana", "1", "1")


async def vouched(story: Story) -> None:
    """An offer needs a voucher: two are asked, and a steward for somebody else."""
    story.community = replace(
        story.community, vouchers=True, stewards=tuple(MatrixId(f"@{name}:example.org") for name in ("sam",))
    )
    for name in ("ana", "ben", "cleo"):
        await story.comes(name)
    await story.says("ana", "offer", "1", "@ben:example.org", "@cleo:example.org", "yes")
    await story.says("ben", "yes")
    await story.says("cleo", "yes")
    await story.says("ana", "offer", "stop")
    await story.stewards("sam")
    await story.says("ben", "offer", "1", "yes")
    await story.steward("sam", "vouch", "1", "yes")
    await story.says("cleo", "offer", "2", "@ana:example.org", "@ben:example.org", "yes")
    await story.wait(timedelta(days=8))


_STORIES = [
    one_pairing,
    more_time,
    passed_on,
    one_leaves,
    never_comes,
    backup,
    two_who_ask,
    for_later,
    nobody_there,
    not_this_time,
    taken_back,
    odd_messages,
    a_smaller_yes,
    while_it_stands,
    offering,
    practising,
    kept_apart,
    afterwards,
    a_concern,
    not_taken,
    cleared,
    the_stewards,
    a_link,
    a_link_asked_for,
    terms_of_a_link,
    across_a_link,
    asked_across_a_link,
    again_across_a_link,
    vouched,
    not_open_yet,
    kept_to_their_ages,
    my_plan,
    a_buddy,
    other_words,
    no_yes,
    a_check_in,
    check_ins_kept,
    unanswered,
    silence,
]


_WRITES_ALL = (
    *(two_who_ask, afterwards, a_concern, the_stewards, a_link_asked_for, vouched, my_plan, silence),
    *(across_a_link, asked_across_a_link, again_across_a_link),
)
"""Between them they write every kind of record."""


@pytest.mark.parametrize(
    "tell",
    [pytest.param(tell, marks=() if tell in _WRITES_ALL else pytest.mark.slow) for tell in _STORIES],
)
async def test_a_whole_conversation_reads_the_same_over_a_real_database(
    tmp_path: Path, tell: Callable[[Story], Awaitable[None]]
) -> None:
    """What the handlers keep comes back from the sealed records as they kept it."""
    story = StoredStory()
    story.store = await databases.opened(tmp_path / "alongside.db")
    try:
        await tell(story)
    finally:
        await story.store.close()
    assert story.transcript() == (TRANSCRIPTS / "en" / f"{tell.__name__}.txt").read_text("utf-8")


_ONCE: dict[tuple[str, Callable[[Story], Awaitable[None]]], Story] = {}


async def _told(language: str, tell: Callable[[Story], Awaitable[None]]) -> Story:
    """The story as it ended; it is told once, and whoever looks at it changes nothing in it."""
    if (language, tell) not in _ONCE:
        story = Story(community=community(language), language=language)
        await tell(story)
        _ONCE[language, tell] = story
    return _ONCE[language, tell]


@pytest.mark.parametrize("tell", _STORIES)
@pytest.mark.parametrize("language", WORDS.languages)
async def test_a_whole_conversation_reads_as_it_did(
    language: str, tell: Callable[[Story], Awaitable[None]]
) -> None:
    """The words of a whole story, message by message, in every language."""
    story = await _told(language, tell)
    file = TRANSCRIPTS / language / f"{tell.__name__}.txt"
    if os.environ.get("ALONGSIDE_WRITE_TRANSCRIPTS"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(story.transcript(), "utf-8")
    assert story.transcript() == file.read_text("utf-8")


_CHOICE = re.compile(r"^(\d+)\. ", re.MULTILINE)


@pytest.mark.parametrize("tell", _STORIES)
@pytest.mark.parametrize("language", [language for language in WORDS.languages if language != "en"])
async def test_a_conversation_goes_the_same_way_in_every_language(
    language: str, tell: Callable[[Story], Awaitable[None]]
) -> None:
    """Whoever hears what, and when, with the same numbers to choose from in the same order."""
    told: list[list[tuple[object, ...]]] = []
    for one in ("en", language):
        story = await _told(one, tell)
        told.append(
            [
                (line.at, line.name, line.from_desk, line.notice)
                + (tuple(_CHOICE.findall(line.body)) if line.from_desk else ())
                for line in story.log
            ]
        )
    assert told[0] == told[1]


@cache
def _segments(language: str) -> set[str]:
    """What stands in a language's sentences between their values, where it is long enough to tell apart."""
    catalog = load(PLACE / f"{language}.po", language)
    messages = [one for one in catalog if one.id and not key(one).startswith((*TYPED, "language."))]
    texts = [part for one in messages for form in forms(one) for part in re.split(r"\{\w+\}|\n| \| ", form)]
    return {text.strip() for text in texts if len(text.strip()) >= 24}


@pytest.mark.slow
@pytest.mark.parametrize("tell", _STORIES)
@pytest.mark.parametrize("language", [language for language in WORDS.languages if language != "en"])
async def test_each_hears_their_own_language_alone(
    story: Story, language: str, tell: Callable[[Story], Awaitable[None]]
) -> None:
    """Ana chose another language than the others, and goes on typing English: no sentence goes astray."""
    await story.say("ana", split(WORDS.text(language, "language.name"))[0])
    story.log.clear()
    await tell(story)
    english, other = _segments("en") - _segments(language), _segments(language) - _segments("en")
    heard = {name: [body for _, body, _ in story.heard(name)] for name in {line.name for line in story.log}}
    for name, bodies in heard.items():
        strange = english if name == "ana" else other
        assert not [one for body in bodies for one in strange if one in body], name
    assert "ana" not in heard or any(one in body for body in heard["ana"] for one in other)
