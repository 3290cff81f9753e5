"""Asking for company in one line, "talk listening burnout 2h tomorrow 18:00", in the member's language.

Guards: the line leads to the recap and no further; what was not understood is named, to its writer alone, and
goes nowhere; whoever writes a sentence that begins with the word gets the recap with what is usual.
"""

from handlers import draft as drafts
from handlers import hours, linked_communities, talk, talking, topics, whom
from handlers.answer import own_words, words_for_lengths
from handlers.consent import WISHES
from handlers.desk import Desk
from handlers.words import normal
from schema.records import Member
from service.core import asking

_WISHES = {
    "listening": "line.listening",
    "shared": "line.shared",
    "ideas": "line.ideas",
    "task": "line.task",
    "company": "line.company",
    "conversation": "line.conversation",
    "mutual": "line.mutual",
    "unsure": "line.unsure",
}


def read(desk: Desk, member: Member, body: str) -> asking.Line | None:
    """What a message says after the word for asking; None where it begins otherwise, or says no more."""
    first, _, rest = " ".join(body.split()).partition(" ")
    words = desk.turn.words.commands(member.language)
    if not rest or words.get(normal(first)) != "command.talk":
        return None
    longest = desk.timings.longest
    return asking.read(rest, _vocabulary(desk, member), normal, min(talk.SHORTEST, longest), longest)


def _vocabulary(desk: Desk, member: Member) -> asking.Vocabulary:
    def words(key: str) -> list[str]:
        return [asking.phrase(word, normal) for word in desk.spoken(member, key)]

    lengths, units = words_for_lengths(desk, member)
    return asking.Vocabulary(
        wishes={
            word: name
            for keys in (WISHES, _WISHES)
            for name, key in keys.items()
            if name != "backup"
            for word in words(key)
        },
        topics=topics.phrases(desk, member),
        lengths=lengths,
        units=units,
        voices={word: key == "line.voice" for key in ("line.voice", "line.writing") for word in words(key)},
        languages={
            asking.phrase(name, normal): code
            for code in desk.community.talk_in
            for name in talking.names(desk, member, code)
        }
        if talking.asks(desk)
        else {},
        silent=frozenset(words("line.silent")),
        denials=frozenset(words("line.denial")),
        moment=lambda said: hours.hour(desk, member, said),
        linked=frozenset(words("command.linked")),
    )


async def begin(desk: Desk, member: Member, line: asking.Line) -> None:
    """Show what the line would ask, after what of it was not taken."""
    draft = drafts.usual(desk, member)
    if line.wish is not None:
        draft["wish"] = line.wish
    if line.topics:
        draft["topics"] = list(line.topics)
    if line.length is not None:
        draft["minutes"] = str(line.length.total_seconds() / 60)
    if line.voice is not None:
        draft["voice"] = line.voice
    if line.languages:
        draft["languages"] = list(line.languages)
    if line.start is not None:
        draft["start"] = line.start.isoformat()
    if line.linked:
        draft["linked"] = await linked_communities.named(desk, member, draft)
    said = (line.wish, line.topics, line.length, line.languages, line.start, line.linked)
    draft["said"] = any(said) or line.voice is not None
    if not await talk.start_with(desk, member, draft):
        return
    if line.linked and not draft["linked"]:
        desk.say(member.id, "talk.linked_none")
    topics.say_slips(desk, member, line)
    if line.sentence:
        desk.say(member.id, "talk.line_sentence")
    about_whom = whom.of(desk, member, line.unknown)
    if about_whom:
        desk.say(member.id, "talk.whom")
    if unknown := [_shown(word) for word in line.unknown if word not in about_whom]:
        desk.say(member.id, "talk.line_unknown", words=unknown)
    if line.left_out:
        desk.say(member.id, "talk.line_left_out", words=[_shown(word) for word in line.left_out])
    if line.out_of_bounds is not None:
        shortest = min(talk.SHORTEST, desk.timings.longest)
        desk.say(member.id, "talk.line_bounds", shortest=shortest, longest=desk.timings.longest)


def _shown(word: str) -> str:
    return f"“{own_words(word, len(word)) or ''}”"
