"""What people do with the service, step by step, as tests and the demo play it.

Rules guarded here:
- A step reads what the front desk said and answers with the number that stands before the words meant.
- Only the catalogue's keys are named here, so that the words can be bettered without touching a story.
- A step that waits for the front desk says what it waited for, with the member's transcript.
"""

import re
from collections.abc import Sequence
from functools import cache

from handlers.words import Catalogue
from tests.live.member import Member, Message

_WORDS = Catalogue()
_PATIENCE = 120.0


@cache
def sentence(key: str, language: str = "en") -> re.Pattern[str]:
    """The pattern that finds sentence `key` in what the front desk says, whatever values it holds."""
    catalog = _WORDS._catalogs[language]
    message = catalog.get(key)
    assert message is not None, key
    forms = message.string
    assert forms, key
    template = forms if isinstance(forms, str) else forms[0]
    parts = re.split(r"\{\w+\}", template.split(" | ")[0])
    return re.compile(".*?".join(re.escape(part) for part in parts), re.DOTALL)


@cache
def words_of(key: str, language: str = "en") -> str:
    """The words that a choice shows, or the word that gives a command."""
    return _WORDS.text(language, key).split(" | ")[0]


def number_of(said: str, words: str) -> str:
    """The number that stands before a choice in `said`. Raises AssertionError where no choice reads so."""
    found = re.search(rf"^(\d+)\. {re.escape(words)}$", said, re.MULTILINE)
    assert found is not None, f"no choice reads {words!r} in:\n{said}"
    return found[1]


async def hears(
    member: Member, chat: str, key: str, *, language: str = "en", timeout: float = _PATIENCE
) -> Message:
    """Wait until the front desk says sentence `key` in the member's chat."""
    return await hears_one_of(member, chat, key, language=language, timeout=timeout)


async def hears_one_of(
    member: Member, chat: str, *keys: str, language: str = "en", timeout: float = _PATIENCE
) -> Message:
    """Wait until the front desk says one of the sentences `keys` in the member's chat."""
    patterns = [sentence(key, language) for key in keys]
    try:
        return await member.expect(
            chat, where=lambda said: any(one.search(said.body) for one in patterns), timeout=timeout
        )
    except AssertionError as error:
        raise AssertionError(f"waited for the sentence {' or '.join(keys)}: {error}") from None


async def chooses(member: Member, chat: str, said: Message, *keys: str, language: str = "en") -> None:
    """Answer with the numbers of the choices that read as the catalogue's `keys` do."""
    await member.say(chat, " ".join(number_of(said.body, words_of(key, language)) for key in keys))


async def _answers(member: Member, chat: str, said: Message, texts: Sequence[str], otherwise: str) -> None:
    """Answer with the numbers of the choices that read so; where none is meant, with a word."""
    await member.say(chat, " ".join(number_of(said.body, text) for text in texts) or otherwise)


# ---- coming


async def is_greeted(member: Member, desk_user: str) -> tuple[str, Message]:
    """The member opens an encrypted chat with the front desk; returns the chat and the greeting in it."""
    chat = await member.write_to(desk_user)
    return chat, await hears(member, chat, "menu.hello")


async def comes(member: Member, desk_user: str, *, words: str = "hello", language: str = "en") -> str:
    """The member opens an encrypted chat with the front desk, says `words`, is greeted; returns the chat."""
    chat = await member.write_to(desk_user)
    await member.say(chat, words)
    await hears(member, chat, "menu.hello", language=language)
    return chat


async def _begins(
    member: Member, chat: str, menu: Message | None, choice: str, command: str, language: str = "en"
) -> None:
    if menu is not None:
        await chooses(member, chat, menu, choice, language=language)
    else:
        await member.say(chat, words_of(command, language))


# ---- offering


async def offer_time(
    member: Member,
    chat: str,
    *,
    topics: Sequence[str] = (),
    length: str | None = None,
    card: str = "I like walks.",
    fear: str = "choice.fear_tell_first",
    asks_topics: bool = True,
    menu: Message | None = None,
    language: str = "en",
) -> Message:
    """The member offers to be there, through the recap's yes; returns what was said to it.

    It begins with the number in `menu`, or without one with the word. `length` is a choice as it is shown
    ("2 hours"), the first unless said; `topics` as they are shown; `asks_topics` is False where the community
    names none.
    """
    skip = words_of("command.skip", language)
    await _begins(member, chat, menu, "choice.offer", "command.offer", language)
    said = await hears(member, chat, "offer.length", language=language)
    await _answers(member, chat, said, [length] if length else [], skip)
    if asks_topics:
        said = await hears(member, chat, "offer.topics", language=language)
        await _answers(member, chat, said, topics, skip)
    await hears(member, chat, "offer.card", language=language)
    await member.say(chat, card or skip)
    said = await hears(member, chat, "offer.fear", language=language)
    await chooses(member, chat, said, fear, language=language)
    said = await hears(member, chat, "offer.recap", language=language)
    await chooses(member, chat, said, "choice.offer_yes", language=language)
    return await hears(member, chat, "offer.begun", language=language)


# ---- asking


async def draft_request(
    member: Member,
    chat: str,
    *,
    wish: str = "wish.listening",
    topic: str | Sequence[str] = (),
    length: str | None = None,
    note: str = "It has been a long week.",
    asks_topics: bool = True,
    menu: Message | None = None,
) -> Message:
    """The member answers every question about company up to the recap; returns the recap.

    It begins with the number in `menu`, or without one with the word.
    """
    await _begins(member, chat, menu, "choice.talk", "command.talk")
    said = await hears(member, chat, "talk.recap")
    await chooses(member, chat, said, "choice.recap_more")
    said = await hears(member, chat, "talk.wish")
    await chooses(member, chat, said, wish)
    if asks_topics:
        topics = [topic] if isinstance(topic, str) else topic
        said = await hears(member, chat, "talk.topics")
        await _answers(member, chat, said, topics, words_of("command.skip"))
    said = await hears(member, chat, "talk.length")
    await _answers(member, chat, said, [length] if length else [], words_of("command.skip"))
    await hears(member, chat, "talk.note")
    await member.say(chat, note or words_of("command.skip"))
    return await hears(member, chat, "talk.recap")


async def ask_for_company(
    member: Member,
    chat: str,
    *,
    wish: str = "wish.listening",
    topic: str | Sequence[str] = (),
    length: str | None = None,
    note: str = "It has been a long week.",
    asks_topics: bool = True,
    menu: Message | None = None,
    hears_of: str | None = "request.asking",
) -> Message:
    """The member asks for company, through the recap's yes; returns the answer to that yes.

    `hears_of` is the sentence that answers it: "request.asking" where somebody is there to be asked,
    "request.nobody" where not. With None the recap is returned, right after the yes was sent.
    """
    recap = await draft_request(
        member, chat, wish=wish, topic=topic, length=length, note=note, asks_topics=asks_topics, menu=menu
    )
    await chooses(member, chat, recap, "choice.recap_yes")
    return await hears(member, chat, hears_of) if hears_of else recap


async def asks_in_one_line(member: Member, chat: str, line: str, *, language: str = "en") -> Message:
    """The member says in one line what they would like; returns the recap of it."""
    await member.say(chat, line)
    return await hears(member, chat, "talk.recap", language=language)


async def adds_words(
    member: Member, chat: str, recap: Message, note: str, *, language: str = "en"
) -> Message:
    """The member changes their draft from its recap: they write a note. Returns the new recap."""
    await chooses(member, chat, recap, "choice.recap_change", language=language)
    said = await hears(member, chat, "talk.change", language=language)
    await chooses(member, chat, said, "choice.change_note", language=language)
    await hears(member, chat, "talk.note", language=language)
    await member.say(chat, note)
    return await hears(member, chat, "talk.recap", language=language)


async def asks_the_linked_too(member: Member, chat: str, recap: Message, *, language: str = "en") -> Message:
    """The member has linked communities asked too, from the recap of their draft; returns the new recap."""
    await chooses(member, chat, recap, "choice.recap_change", language=language)
    said = await hears(member, chat, "talk.change", language=language)
    await chooses(member, chat, said, "choice.change_linked", language=language)
    said = await hears(member, chat, "talk.linked", language=language)
    await chooses(member, chat, said, "choice.linked_yes", language=language)
    return await hears(member, chat, "talk.recap_linked", language=language)


# ---- the two consents


async def is_asked(peer: Member, chat: str, *, timeout: float = _PATIENCE) -> Message:
    """Wait until the peer is asked whether they would."""
    return await hears(peer, chat, "ask.intro", timeout=timeout)


async def says_yes(peer: Member, chat: str, ask: Message) -> Message:
    """The peer says yes to the ask; returns what they are shown then, with the asker's note."""
    await chooses(peer, chat, ask, "choice.ask_yes")
    return await hears(peer, chat, "note.terms")


async def says_yes_to_less(peer: Member, chat: str, ask: Message, *texts: str) -> Message:
    """The peer says yes to less than they were asked, by choices as they are shown; returns the note."""
    await chooses(peer, chat, ask, "choice.ask_smaller")
    said = await hears(peer, chat, "smaller.question")
    await peer.say(chat, " ".join(number_of(said.body, text) for text in texts))
    return await hears(peer, chat, "note.terms")


async def goes_on(peer: Member, chat: str, note: Message) -> Message:
    """The peer has read the note and goes on; returns what they are told."""
    await chooses(peer, chat, note, "choice.note_yes")
    return await hears(peer, chat, "note.yes")


async def is_offered(member: Member, chat: str, *, timeout: float = _PATIENCE) -> Message:
    """Wait until the asker is told that someone said yes, and asked whether to open a room."""
    return await hears(member, chat, "consent.intro", timeout=timeout)


async def agrees(member: Member, chat: str, consent: Message) -> None:
    """The asker says yes to opening the room; what they hear next is that it is open."""
    await chooses(member, chat, consent, "choice.consent_yes")


# ---- the room


async def joins_peer_room(
    member: Member, chat: str, *, language: str = "en", opened: str = "room.opened"
) -> str:
    """The member is told by sentence `opened` that the room is open, and joins it; returns the room.

    The invitation taken is the first that the member did not meet yet and that is from the keeper's room,
    not a chat of the front desk's.
    """
    await hears(member, chat, opened, language=language)
    while True:
        invite = await member.invited()
        if not invite.direct:
            break
    await member.join(invite.room)
    return invite.room


async def both_can_write(room: str, *members: Member) -> None:
    """Wait until each one's client sees that they may write: the keeper allows it once both are there.

    Their clients have looked each other's devices up then, as those of people have who read first.
    """
    for member in members:
        for other in members:
            if other is not member:
                await member.knows(other)
        await member.sees_state(
            room, "m.room.power_levels", where=lambda levels: levels.get("events_default", 0) == 0
        )


async def talk_to_each_other(
    room: str, asker: Member, peer: Member, words: Sequence[tuple[str, str]] = ()
) -> None:
    """The two write in their room and read each other; `words` are pairs of a line and its answer."""
    await both_can_write(room, asker, peer)
    for line, answer in words or [("Thank you for coming.", "I am glad to be here.")]:
        await asker.say(room, line)
        await peer.expect(room, contains=line, sender=asker.user_id)
        await peer.say(room, answer)
        await asker.expect(room, contains=answer, sender=peer.user_id)


async def get_more_time(asks: tuple[Member, str], other: tuple[Member, str], length: str) -> None:
    """One asks for more time, a choice as it is shown, and the other says yes; both hear the new end."""
    await asks[0].say(asks[1], words_of("command.extend"))
    said = await hears(*asks, "extend.how_much")
    await asks[0].say(asks[1], number_of(said.body, length))
    await hears(*asks, "extend.waits")
    await chooses(*other, await hears(*other, "extend.question"), "choice.extend_yes")
    await hears(*other, "room.extended")
    await hears(*asks, "room.extended")


async def closes(member: Member, chat: str) -> Message:
    """The member ends the room; returns what they are told once it is read-only."""
    await member.say(chat, words_of("command.close"))
    return await hears(member, chat, "room.closed")


async def asks_to_erase(member: Member, chat: str) -> None:
    """The member asks to have the closed room erased without the reading time."""
    await member.say(chat, words_of("command.erase"))


async def gets_receipt(member: Member, chat: str, *, timeout: float = _PATIENCE) -> Message:
    """Wait for the receipt of the erased room."""
    return await hears(member, chat, "receipt.intro", timeout=timeout)


# ---- afterwards


async def would_talk_again(member: Member, chat: str, closed: Message) -> None:
    """The member, who was told `closed`, says that they would talk with this person again, and yes to it."""
    await chooses(member, chat, closed, "choice.after_again")
    await chooses(member, chat, await hears(member, chat, "again.recap"), "choice.again_yes")


async def takes_back(member: Member, chat: str, choice: str, effect: str) -> None:
    """The member takes back what they agreed to, from the list; the sentence `effect` says what ends."""
    await member.say(chat, words_of("command.consents"))
    await chooses(member, chat, await hears(member, chat, "consents.intro"), choice)
    await chooses(member, chat, await hears(member, chat, effect), "choice.take_back_yes")


# ---- one whole pairing


async def pairing(
    desk_user: str,
    asker: Member,
    peer: Member,
    *,
    topics: bool = False,
    note: str = "It has been a long week.",
    card: str = "I like walks.",
) -> tuple[str, str, str]:
    """Two members meet, from their first word to both being able to write: both chats, then the room.

    `topics` says whether the community names any.
    """
    peer_chat = await comes(peer, desk_user)
    await offer_time(peer, peer_chat, card=card, asks_topics=topics)
    chat = await comes(asker, desk_user)
    await ask_for_company(asker, chat, note=note, asks_topics=topics)
    shown = await says_yes(peer, peer_chat, await is_asked(peer, peer_chat))
    await goes_on(peer, peer_chat, shown)
    await agrees(asker, chat, await is_offered(asker, chat))
    room = await joins_peer_room(asker, chat)
    assert await joins_peer_room(peer, peer_chat) == room
    await both_can_write(room, asker, peer)
    return chat, peer_chat, room
