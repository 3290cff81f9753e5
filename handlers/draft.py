"""What a member drafts before they ask: a request in plain values, which lies with the question that is open.

Guards: what nobody said is as usual; a length is never more than the community's longest.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from handlers import talking
from handlers.desk import Desk
from schema.ids import LinkId, RequestId
from schema.records import Across, Consent, Member, Request
from schema.states import RequestState
from service.core import matching
from service.core.ages import group

Draft = dict[str, str | int | bool | list[str] | None]


def usual(desk: Desk, member: Member) -> Draft:
    """What a request of the member's holds where nothing more is said, at its recap.

    `said` is true once the member answered something themselves, `sequence` once they went through every
    question, `standing` where it changes a request that stands.
    """
    return {
        "step": "recap",
        "said": False,
        "sequence": False,
        "wish": "unsure",
        "topics": [],
        "only": False,
        "minutes": str(min(60.0, desk.timings.longest.total_seconds() / 60)),
        "voice": False,
        "languages": talking.usual(desk, member),
        "how": list(member.how),
        "keep_how": bool(member.how),
        "note": "",
        "reporters": False,
        "again": False,
        "again_only": False,
        "again_of": [],
        "each_try": False,
        "too": False,
        "linked": [],
        "fear": "",
        "start": "",
        "answer": "",
    }


def of(request: Request) -> Draft:
    """What the request asks, as it was drafted."""
    return {
        "wish": request.wish,
        "topics": list(request.topics),
        "only": request.topics_only,
        "minutes": str(request.length.total_seconds() / 60),
        "voice": request.voice,
        "languages": list(request.languages),
        "how": list(request.how),
        "note": request.note,
        "reporters": request.reporters,
        "again": request.again,
        "again_only": request.again_only,
        "again_of": [f"{one.link} {one.answer}" for one in request.again_of],
        "each_try": request.each_try,
        "too": request.too,
        "linked": list(request.linked),
        "fear": request.fear if request.too else "",
        "start": request.start.isoformat() if request.start is not None else "",
        "answer": str(request.answer.total_seconds() / 60) if request.answer is not None else "",
    }


def length(draft: Draft) -> timedelta:
    """How long the two would be together."""
    return timedelta(minutes=float(str(draft["minutes"])))


def answer(draft: Draft) -> timedelta | None:
    """How long somebody's yes waits for the asker's, where they set it."""
    said = str(draft.get("answer") or "")
    return timedelta(minutes=float(said)) if said else None


def start(draft: Draft, now: datetime) -> datetime | None:
    """From when they would be together, where that is still to come."""
    said = str(draft.get("start") or "")
    found = datetime.fromisoformat(said) if said else None
    return found if found is not None and found > now else None


def until(desk: Desk, draft: Draft, request: Request | None = None) -> datetime:
    """How long is looked for somebody: of a request for later, until the time that it asks for is over."""
    begins = start(draft, desk.now)
    if begins is not None:
        return begins + length(draft)
    if request is None or matching.later(request, desk.now) is not None:
        return desk.now + desk.timings.request_open
    return request.until


def linked(draft: Draft) -> tuple[LinkId, ...]:
    """The links over which it may be asked too; none where nobody there could be who is looked for."""
    here_alone = draft.get("wish") == matching.MUTUAL or draft.get("again_only")
    return () if here_alone else tuple(LinkId(one) for one in texts(draft, "linked"))


def again_of(draft: Draft) -> tuple[Across, ...]:
    """The rooms, as links know them, in which they were with whoever is asked for first, or alone."""
    if not draft.get("again") or draft.get("wish") == matching.MUTUAL:
        return ()
    pairs = (one.split(" ", 1) for one in texts(draft, "again_of"))
    return tuple(Across(LinkId(link), "", answer) for link, answer in pairs)


def texts(draft: Draft, name: str) -> tuple[str, ...]:
    """What the draft lists as `name`."""
    found = draft.get(name)
    return tuple(found) if isinstance(found, list) else ()


def blank(desk: Desk, member: Member, id: RequestId) -> Request:
    """A request of the member's that asks nothing yet."""
    return Request(
        id=id,
        member=member.id,
        state=RequestState.LOOKING,
        made_at=desk.now,
        until=desk.now + desk.timings.request_open,
        due_at=desk.now,
        round=0,
        wish="",
        topics=(),
        length=desk.timings.longest,
        note="",
        age_group=group(desk.community.ages, member.age_group),
    )


def onto(desk: Desk, request: Request, draft: Draft, consent: Consent | None) -> Request:
    """The request as `draft` describes it, with the yes to it."""
    topics = texts(draft, "topics")
    wish = str(draft.get("wish") or "unsure")
    too = wish == matching.MUTUAL or bool(draft.get("too"))
    return replace(
        request,
        until=until(desk, draft, request),
        start=start(draft, desk.now),
        answer=answer(draft),
        wish=wish,
        too=too,
        fear=str(draft.get("fear") or "unsaid") if too else "unsaid",
        topics=topics,
        topics_only=bool(topics) and bool(draft.get("only")),
        length=min(length(draft), desk.timings.longest),
        voice=bool(draft.get("voice")),
        languages=texts(draft, "languages"),
        how=texts(draft, "how"),
        note=str(draft.get("note") or ""),
        reporters=bool(draft.get("reporters")),
        again=bool(draft.get("again")),
        again_only=bool(draft.get("again_only")),
        again_of=again_of(draft),
        each_try=bool(draft.get("each_try")),
        linked=linked(draft),
        consent=consent,
    )
