"""The terms of a link as its stewards read them: ours, theirs, and what holds of the two.

Guards: what the other side named is said as theirs; where the two sides differ, what holds is said too, also
where that is nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from handlers import hours, topics
from handlers.desk import Desk
from handlers.steward_room import StewardRoom
from schema.records import Stewardship, Window
from schema.wire import Hours, Terms
from service.core import steward, terms
from service.core.terms import Agreed, Outside


@dataclass(frozen=True)
class _Terms:
    """Terms of one side, or of both, as we see them: `out` are asks from us to them, `back` the others."""

    out: bool
    back: bool
    topics: Sequence[str]
    languages: Sequence[str]
    ages: Sequence[str]
    adult_from: int
    asks: int
    hours: Sequence[Sequence[Hours]]
    until: datetime
    reports: str = ""
    agreement: str = ""


_DIRECTIONS = {
    (True, True): "link.terms_both",
    (True, False): "link.terms_out",
    (False, True): "link.terms_back",
    (False, False): "link.terms_off",
}
_AGES = {"adults": "link.ages_adults", "young": "link.ages_young"}


def _one(said: Terms, *, ours: bool) -> _Terms:
    return _Terms(
        out=said.sends if ours else said.takes,
        back=said.takes if ours else said.sends,
        topics=said.topics,
        languages=said.languages,
        ages=said.ages,
        adult_from=said.adult_from,
        asks=said.asks_a_day,
        hours=(said.hours,) if said.hours else (),
        until=datetime.fromtimestamp(said.until, UTC),
        reports=said.reports,
        agreement=said.agreement,
    )


def _both(ours: Terms, agreed: Agreed) -> _Terms:
    return _Terms(
        out=agreed.sends,
        back=agreed.takes,
        topics=[one for one in ours.topics if one in agreed.topics],
        languages=[one for one in ours.languages if one in agreed.languages],
        ages=[one for one in ours.ages if one in agreed.ages],
        adult_from=ours.adult_from,
        asks=agreed.asks_a_day,
        hours=agreed.hours,
        until=agreed.until,
    )


def lines(desk: Desk, said: Terms, *, ours: bool) -> dict[str, str]:
    """Each of the terms of one side as a line, by what it is about."""
    return _lines(desk, _one(said, ours=ours), ours=ours)


def _lines(desk: Desk, said: _Terms, *, ours: bool) -> dict[str, str]:
    room = nobodys(desk)
    here = terms.named_here(said.topics, topics.known(desk.community))
    # Theirs in our order, so that what is the same reads the same; what we have no name for comes last.
    in_order = [one for one in desk.community.topics if one in here]
    in_order += [one for one in here if one not in in_order]
    named = topics.names(desk, room.reader, in_order)
    ages = [room.words(_AGES[one], years=said.adult_from) for one in said.ages]
    found = {
        "directions": room.words(_DIRECTIONS[said.out, said.back]),
        "topics": room.words("link.terms_topics" if named else "link.terms_no_topics", topics=list(named)),
        "languages": room.words(
            "link.terms_languages" if said.languages else "link.terms_no_languages",
            languages=_tongues(desk, said.languages),
        ),
        "ages": room.words("link.terms_ages" if ages else "link.terms_no_ages", ages=ages),
        "asks": asks_line(room, said.asks, both=said.out and said.back),
        "hours": _hours_line(room, said.hours),
        "until": _until_line(room, said.until),
    }
    if not (said.out or said.back):
        del found["asks"]
    if said.reports:
        key = "link.terms_reports_here" if ours else "link.terms_reports"
        found["reports"] = room.words(key, reports=quoted(desk, said.reports))
    if said.agreement:
        found["agreement"] = _our_agreement(room, said.agreement) if ours else _theirs(room, said.agreement)
    return found


def _theirs(room: StewardRoom, agreement: str) -> str:
    """The other side's agreement in its own words, as far as it crossed, and where more of it is."""
    text, goes_on = terms.begun(agreement)
    said = room.words("link.terms_agreement", agreement=_marked(text))
    return f"{said}\n{room.words('link.terms_agreement_more')}" if goes_on else said


def _our_agreement(room: StewardRoom, agreement: str) -> str:
    """How much of our own crosses: the stewards know it, and can read it."""
    part, whole = (_paragraphs(one) for one in (agreement, room.desk.community.agreement))
    _, goes_on = terms.begun(agreement)
    key = "link.terms_agreement_part" if goes_on else "link.terms_agreement_ours"
    said = room.words(key, n=part, all=whole)
    return f"{said}\n{room.words('link.terms_draft')}" if room.desk.community.draft else said


def _paragraphs(text: str) -> int:
    return sum(1 for line in text.split("\n") if line.strip())


def asks_line(room: StewardRoom, asks: int, *, both: bool) -> str:
    """How many asks a day, whether or not any can cross; `both`: in each of the two directions."""
    return room.words("link.terms_asks_each" if both else "link.terms_asks", n=asks)


def described(desk: Desk, said: Terms, *, ours: bool) -> str:
    """The terms of one side, a line each, as the stewards' room reads them."""
    return "\n".join(lines(desk, said, ours=ours).values())


def beside(desk: Desk, ours: Terms, theirs: Terms) -> str:
    """The terms of the other side as far as they are not as ours."""
    room = nobodys(desk)
    here, there = lines(desk, ours, ours=True), lines(desk, theirs, ours=False)
    unsaid = room.words("link.terms_unsaid")
    if "reports" in here:
        there.setdefault("reports", room.words("link.terms_reports", reports=unsaid))
    if "agreement" in here:
        there.setdefault("agreement", room.words("link.terms_agreement", agreement=unsaid))
    if ours.agreement == theirs.agreement:
        there.pop("agreement", None)
    different = [line for name, line in there.items() if here.get(name) != line]
    if not different:
        return room.words("link.terms_as_ours")
    same = len(different) < len(there)
    return "\n".join([*different, room.words("link.terms_rest")] if same else different)


def holding(desk: Desk, ours: Terms, theirs: Terms, *, shown: bool) -> str:
    """What holds of the two, a line each, and where nothing can cross, why; `shown`: below our own terms."""
    room = nobodys(desk)
    known = topics.known(desk.community)
    both = _lines(desk, _both(ours, terms.agree(ours, theirs, known)), ours=True)
    of_ours = lines(desk, ours, ours=True)
    if shown and all(of_ours.get(name) == line for name, line in both.items()):
        text = room.words("link.holds_ours")
    else:
        text = room.words("link.holds", holds="\n".join(both.values()))
    why = (_of_names(desk, ours, theirs), nothing(desk, ours, theirs))
    return "\n".join((text, *filter(None, why)))


def _of_names(desk: Desk, ours: Terms, theirs: Terms) -> str:
    """What hangs on the names of topics: that none is the same, or which the other side has to know too."""
    room, known = nobodys(desk), topics.known(desk.community)
    agreed = terms.agree(ours, theirs, known)
    if ours.topics and theirs.topics and not agreed.topics:
        # A further name in our own language would be the one that members read here.
        language = next((one for one in theirs.languages[:1] if one != desk.languages[0]), "")
        return room.words(
            "link.no_topic_alike" if language else "link.no_topic_alike_here",
            language=language,
            topic=theirs.topics[0],
        )
    other = [
        room.words("link.topic_there", topic=topics.names(desk, room.reader, (one,))[0], there=there)
        for one in desk.community.topics
        for there in theirs.topics
        if known(there) == one in agreed.topics and not topics.are_alike(one, there)
    ]
    return room.words("link.topics_there", topics=other) if other else ""


def nothing(desk: Desk, ours: Terms, theirs: Terms) -> str:
    """Why no ask at all can cross under these; the empty string where some can."""
    agreed = terms.agree(ours, theirs)
    reason = terms.closed(agreed)
    if reason is None and not terms.share_hours(agreed, desk.now):
        reason = Outside.HOURS
    if reason is None:
        return ""
    other_line = reason is Outside.AGES and ours.adult_from != theirs.adult_from
    return nobodys(desk).words("link.nothing_line" if other_line else _NOTHING[reason])


_NOTHING = {
    Outside.DIRECTION: "link.nothing_direction",
    Outside.LANGUAGES: "link.nothing_languages",
    Outside.AGES: "link.nothing_ages",
    Outside.HOURS: "link.nothing_hours",
}


def changes(desk: Desk, before: Terms, after: Terms, *, ours: bool) -> str:
    """What is different in one side's terms, as it was and as it is now; empty where that is nothing."""
    room = nobodys(desk)
    old, new = (lines(desk, one, ours=ours) for one in (before, after))
    if before.agreement != after.agreement:
        # What it was has been read, and is long.
        none = room.words("link.terms_no_agreement")
        old["agreement"] = room.words("link.terms_agreement_before") if before.agreement else none
        new.setdefault("agreement", none)
    named = [name for name in {**new, **old} if old.get(name) != new.get(name)]
    if not named:
        return ""
    nothing_said = room.words("link.terms_unsaid")
    return room.words(
        "link.terms_changes",
        before="\n".join(old[name] for name in named if name in old) or nothing_said,
        now="\n".join(new[name] for name in named if name in new) or nothing_said,
    )


def nobodys(desk: Desk) -> StewardRoom:
    """The steward room, for sentences that are put together for it, whatever is open there."""
    return StewardRoom(desk, Stewardship(steward.ID))


def quoted(desk: Desk, text: str) -> str:
    """Words of the other side, marked as theirs and on one line."""
    return desk.quoted(nobodys(desk).reader, " ".join(text.split()))


def _marked(text: str) -> str:
    """Words of the other side of more than one line, each of them marked as theirs."""
    return "\n" + "\n".join(f"> {line}" for line in text.split("\n") if line.strip())


def _tongues(desk: Desk, codes: Sequence[str]) -> list[str]:
    return [desk.turn.words.tongue(code, desk.languages[0]) for code in codes]


def _until_line(room: StewardRoom, until: datetime) -> str:
    """The last hour with its year, which far ahead says more than how far that is."""
    zone = room.desk.community.zone
    local = until.astimezone(ZoneInfo(zone))
    hour = room.desk.turn.words.clock(local.hour * 60 + local.minute, room.reader.language)
    return room.words("link.terms_until", day=local.date(), hour=hour, city=_city(room, zone))


def _hours_line(room: StewardRoom, sides: Sequence[Sequence[Hours]]) -> str:
    """The hours of one side, or of both, which then hold together."""
    said = list(dict.fromkeys(_hours(room, side) for side in sides))
    if not said:
        return room.words("link.terms_any_hour")
    if len(said) == 1:
        return room.words("link.terms_hours", hours=said[0])
    return room.words("link.terms_both_hours", ours=said[0], theirs=said[1])


def _hours(room: StewardRoom, side: Sequence[Hours]) -> str:
    found: dict[str, list[Window]] = {}
    for one in side:
        window = Window(tuple(sorted(set(one.days))), one.start, one.end)
        found.setdefault(one.zone, []).append(window)
    return "; ".join(
        room.words(
            "link.terms_clock",
            hours="; ".join(hours.windows(room.desk, room.reader, windows)),
            city=_city(room, zone),
        )
        for zone, windows in found.items()
    )


def _city(room: StewardRoom, zone: str) -> str:
    words = room.desk.turn.words
    return words.city(zone, room.reader.language) if zone in words.zones() else zone
