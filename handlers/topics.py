"""The community's topics as they are chosen from, each with its line."""

from collections.abc import Sequence

from handlers.desk import Choice, Desk
from schema.records import Member


def choices(desk: Desk, member: Member, *, marked: bool = False) -> tuple[Choice, ...]:
    """The topics, in their order; where `marked`, hard ones are said to be so."""
    return tuple(Choice(topic, text=_text(desk, member, topic, marked)) for topic in desk.community.topics)


def _text(desk: Desk, member: Member, topic: str, marked: bool) -> str:
    line = desk.community.topic_lines.get(topic, "")
    said = f"{topic}: {line}" if line else topic
    if marked and topic in desk.community.hard:
        said = desk.words(member, "topics.hard", topic=said)
    return said if said == topic else f"{said} | {topic}"


def chosen(desk: Desk, member: Member, topics: Sequence[str]) -> object:
    """What an offer is for, as it is said: its topics, or anything, but for what is hard."""
    if topics:
        return tuple(topics)
    return desk.words(member, "offer.any_but_hard" if desk.community.hard else "offer.any_topic")
