"""The community's topics as they are chosen from, each with its line, in the words of whoever reads them.

Guards: what is kept and compared is a topic's own name in the configuration, whatever it is called elsewhere;
what a linked community calls it is read as that one alone which has such a name here, in whatever language.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from handlers.answer import own_words
from handlers.desk import Desk
from handlers.question import Choice
from handlers.words import normal
from schema.community import Community
from schema.records import Member
from service.core import asking
from service.core.terms import Known


def choices(desk: Desk, member: Member, *, marked: bool = False) -> tuple[Choice, ...]:
    """The topics, in their order; where `marked`, hard ones are said to be so."""
    return tuple(Choice(topic, text=_text(desk, member, topic, marked)) for topic in desk.community.topics)


def _text(desk: Desk, member: Member, topic: str, marked: bool) -> str:
    name, line = _words(desk, member, topic)
    said = f"{name}: {line}" if line else name
    if marked and topic in desk.community.hard:
        said = desk.words(member, "topics.hard", topic=said)
    return " | ".join(dict.fromkeys((said, name, topic)))


def _words(desk: Desk, member: Member, topic: str) -> tuple[str, str]:
    """A topic's name and line, as the community wrote them in the member's language."""
    there = desk.community.own_words.get(member.language)
    own = there.topics.get(topic) if there is not None else None
    return own or (topic, desk.community.topic_lines.get(topic, ""))


def names(desk: Desk, member: Member, topics: Sequence[str]) -> tuple[str, ...]:
    """What topics are called to the member."""
    return tuple(_words(desk, member, topic)[0] for topic in topics)


def phrases(desk: Desk, member: Member) -> Mapping[str, str]:
    """What a member can type for each topic, as `asking.phrase` leaves it, and the topic."""
    return {
        asking.phrase(name, normal): topic
        for topic in desk.community.topics
        for name in (topic, *names(desk, member, (topic,)))
    }


def known(community: Community) -> Known:
    """By what name of ours a topic goes that another community names, in any language that ours has it in.

    A topic's own name goes before what another one is called in some language; a name of two says neither.
    """
    own = {_form(topic): topic for topic in community.topics}
    others: dict[str, set[str]] = {}
    for words in community.own_words.values():
        for topic, (name, _) in words.topics.items():
            others.setdefault(_form(name), set()).add(topic)
    found = {form: next(iter(meant)) for form, meant in others.items() if len(meant) == 1} | own

    def ours(said: str) -> str:
        return said if said in community.topics else found.get(_form(said), said)

    return ours


def _form(name: str) -> str:
    """A topic's name as it is compared: its words, less what does not matter of them."""
    return asking.phrase(name, normal)


def are_alike(one: str, other: str) -> bool:
    """Whether two names differ in nothing that matters."""
    return _form(one) == _form(other)


def listed(desk: Desk, member: Member, typed: str) -> asking.Line:
    """The topics that `typed` lists by name; none of them where anything else stands in it."""
    silent = frozenset(asking.phrase(word, normal) for word in desk.spoken(member, "line.silent"))
    known = asking.Vocabulary({}, phrases(desk, member), {}, {}, {}, {}, silent, ())
    found = asking.read(typed, known, normal, timedelta(0), timedelta(0))
    return asking.SENTENCE if found.unknown else found


def say_slips(desk: Desk, member: Member, line: asking.Line) -> None:
    """Say which words were read as a topic, and as which."""
    for typed, topic in line.slips:
        shown = own_words(typed, len(typed)) or ""
        desk.say(member.id, "talk.line_slip", word=shown, topic=names(desk, member, (topic,)))


def chosen(desk: Desk, member: Member, topics: Sequence[str]) -> object:
    """What an offer is for, as it is said: its topics, or anything, but for what is hard."""
    if topics:
        return names(desk, member, topics)
    return desk.words(member, "offer.any_but_hard" if desk.community.hard else "offer.any_topic")
