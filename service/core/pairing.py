"""How a request, its asks and their pairing move, from the first question to the second yes.

Guards: the asker learns of a yes alone; a no, a silence, a step back and a lapse end in the same state, at
the same hour and in the same words; a request is with one pairing at a time; what is over stays over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from schema.effects import Effect, Tell
from schema.errors import IllegalMove
from schema.records import Ask, Pairing, Request
from schema.states import AskState, PairingState, RequestState


class RequestMove(StrEnum):
    """What can happen to a request.

    ROUND: peers were asked, or looked for in vain. PROPOSE: a peer would go on. AGREE: the asker said yes.
    JOIN: somebody who looks for company too said yes to its asker. RESUME: it did not come together, and the
    search goes on. MET: the two are in their room. LAPSE: its time is over. WITHDRAW: the asker's own word.
    """

    ROUND = "round"
    PROPOSE = "propose"
    AGREE = "agree"
    JOIN = "join"
    RESUME = "resume"
    MET = "met"
    LAPSE = "lapse"
    WITHDRAW = "withdraw"


class AskMove(StrEnum):
    """What can happen to an ask.

    SHOW: it is put to its member. OPEN: the note is shown. HOLD: they said yes, and the note is not theirs to
    see now. CHOOSE: they would go on, and the asker is asked. KEEP: they would go on, and another was chosen.
    DROP: no, step back, silence, not needed.
    """

    SHOW = "show"
    OPEN = "open"
    HOLD = "hold"
    CHOOSE = "choose"
    KEEP = "keep"
    DROP = "drop"


class PairingMove(StrEnum):
    """What can happen to a pairing.

    AGREE, PLAN (for later), AWAIT (across a link, also where the peer stepped back) and DECLINE are the
    asker's, who may decline until the room is there; OPEN is the hour of what was planned. STEP_BACK is the
    peer's; LAPSE is its hour; END is its room's, or the plan's.
    """

    AGREE = "agree"
    PLAN = "plan"
    AWAIT = "await"
    OPEN = "open"
    DECLINE = "decline"
    STEP_BACK = "step_back"
    LAPSE = "lapse"
    END = "end"


REQUEST: Mapping[RequestState, Mapping[RequestMove, RequestState]] = {
    RequestState.LOOKING: {
        RequestMove.ROUND: RequestState.LOOKING,
        RequestMove.PROPOSE: RequestState.PROPOSED,
        RequestMove.JOIN: RequestState.TOGETHER,
        RequestMove.LAPSE: RequestState.ENDED,
        RequestMove.WITHDRAW: RequestState.ENDED,
    },
    RequestState.PROPOSED: {
        RequestMove.ROUND: RequestState.PROPOSED,
        RequestMove.AGREE: RequestState.TOGETHER,
        RequestMove.JOIN: RequestState.TOGETHER,
        RequestMove.RESUME: RequestState.LOOKING,
        RequestMove.LAPSE: RequestState.ENDED,
        RequestMove.WITHDRAW: RequestState.ENDED,
    },
    RequestState.TOGETHER: {
        RequestMove.MET: RequestState.ENDED,
        RequestMove.RESUME: RequestState.LOOKING,
        RequestMove.LAPSE: RequestState.ENDED,
        RequestMove.WITHDRAW: RequestState.ENDED,
    },
    RequestState.ENDED: {},
}

ASK: Mapping[AskState, Mapping[AskMove, AskState]] = {
    AskState.WAITING: {AskMove.SHOW: AskState.SHOWN, AskMove.DROP: AskState.OVER},
    AskState.SHOWN: {
        AskMove.OPEN: AskState.READING,
        AskMove.HOLD: AskState.WILLING,
        AskMove.DROP: AskState.OVER,
    },
    AskState.WILLING: {AskMove.OPEN: AskState.READING, AskMove.DROP: AskState.OVER},
    AskState.READING: {
        AskMove.CHOOSE: AskState.CHOSEN,
        AskMove.KEEP: AskState.READY,
        AskMove.DROP: AskState.OVER,
    },
    AskState.READY: {AskMove.CHOOSE: AskState.CHOSEN, AskMove.DROP: AskState.OVER},
    AskState.CHOSEN: {AskMove.DROP: AskState.OVER},
    AskState.OVER: {},
}

PAIRING: Mapping[PairingState, Mapping[PairingMove, PairingState]] = {
    PairingState.PROPOSED: {
        PairingMove.AGREE: PairingState.AGREED,
        PairingMove.PLAN: PairingState.PLANNED,
        PairingMove.AWAIT: PairingState.AGREED,
        PairingMove.DECLINE: PairingState.DECLINED,
        PairingMove.STEP_BACK: PairingState.STEPPED_BACK,
        PairingMove.LAPSE: PairingState.OVER,
    },
    PairingState.DECLINED: {
        PairingMove.STEP_BACK: PairingState.OVER,
        PairingMove.LAPSE: PairingState.OVER,
    },
    PairingState.STEPPED_BACK: {
        PairingMove.AGREE: PairingState.OVER,
        PairingMove.PLAN: PairingState.OVER,
        PairingMove.AWAIT: PairingState.AGREED,
        PairingMove.DECLINE: PairingState.OVER,
        PairingMove.LAPSE: PairingState.OVER,
    },
    PairingState.PLANNED: {
        PairingMove.OPEN: PairingState.AGREED,
        PairingMove.END: PairingState.OVER,
    },
    PairingState.AGREED: {
        PairingMove.DECLINE: PairingState.DECLINED,
        PairingMove.END: PairingState.OVER,
    },
    PairingState.OVER: {},
}

SOMEONE_ELSE = 3
"""How often in a day an asker is shown somebody else instead, so that nobody leafs through people's words."""

DAY = timedelta(days=1)


def recent(cards: Sequence[datetime], now: datetime) -> tuple[datetime, ...]:
    """Of the times at which somebody's words were shown to an asker, or somebody was asked, those that still
    count: of the last day.
    """
    return tuple(shown for shown in cards if now - shown < DAY)


def next_card(cards: Sequence[datetime], now: datetime) -> datetime | None:
    """From when an asker can be shown somebody's words again; None where that is now."""
    counted = recent(cards, now)
    return None if len(counted) <= SOMEONE_ELSE else counted[-SOMEONE_ELSE - 1] + DAY


YES = (AskState.WILLING, AskState.READING, AskState.READY, AskState.CHOSEN)
"""An ask in these states has its member's yes."""

ENGAGED = (AskState.READING, AskState.READY, AskState.CHOSEN)
"""In these the note has been theirs to read: nothing else is asked of them meanwhile.

Whoever said yes and only waits for the note can be asked about something else, and their newest yes counts.
The request may be over without their hearing of it before the hour, and they are not to be held back for
hours by it; being asked shows nothing, since it is the same while the note is with somebody else. Whoever
would go on after the note stays held back until the hour that they were told, also where the request is over:
who is chosen must be, since a room may open at any moment, and whoever is asked could tell that they are not.
"""

Step = tuple[Effect | Tell, ...]


def advance_request(record: Request, move: RequestMove, now: datetime) -> tuple[Request, Step]:
    """The request after `move`. A round's hour is the caller's to set; one that ended has none.

    Raises IllegalMove, and then nothing changed.
    """
    state = REQUEST[record.state].get(move)
    if state is None:
        raise IllegalMove("request", record.state, move)
    if move is RequestMove.ROUND:
        return replace(record, round=record.round + 1), ()
    if state in (RequestState.TOGETHER, RequestState.ENDED):
        return replace(record, state=state, due_at=None), ()
    if move is RequestMove.RESUME:
        # What was promised for the next round stays as it is; a round that fell due meanwhile comes at once.
        return replace(record, state=state, due_at=record.due_at or now), ()
    return replace(record, state=state), ()


def advance_ask(record: Ask, move: AskMove, now: datetime, until: datetime | None = None) -> tuple[Ask, Step]:
    """The ask after `move`; `until` is the hour that the member was told, where the move tells one.

    A lapse is a DROP at or after `due_at`. Those who were promised an answer by that hour then get it, in the
    words of every pairing that did not come together; a DROP before it is their own.
    Raises IllegalMove, and then nothing changed.
    """
    state = ASK[record.state].get(move)
    if state is None:
        raise IllegalMove("ask", record.state, move)
    if move is AskMove.DROP:
        promised = record.state in (AskState.WILLING, AskState.READY) or (
            record.state is AskState.READING and not record.note_seen
        )
        lapsed = record.due_at is not None and record.due_at <= now
        tell = (Tell(record.member, "pairing.not_this_time", notice=True),) if promised and lapsed else ()
        return replace(record, state=state, due_at=None), tell
    said_at = now if move in (AskMove.HOLD, AskMove.OPEN) and record.said_at is None else record.said_at
    if state is AskState.CHOSEN:
        return replace(record, state=state, due_at=None, said_at=said_at), ()
    return replace(record, state=state, due_at=until or record.due_at, said_at=said_at), ()


def advance_pairing(record: Pairing, move: PairingMove, now: datetime) -> tuple[Pairing, Step]:
    """The pairing after `move`, and what the peer is told: at its hour, in one sentence for every reason.

    Raises IllegalMove, and then nothing changed.
    """
    state = PAIRING[record.state].get(move)
    early = move is PairingMove.LAPSE and now < record.until
    if state is None or early or (state is PairingState.PLANNED and record.start is None):
        raise IllegalMove("pairing", record.state, move)
    if state is PairingState.PLANNED and record.start is not None:
        planned = replace(record, state=state, until=record.start, due_at=record.start)
        return replace(planned, card="", fear="", own={}), ()
    if state is PairingState.AGREED:
        return replace(record, state=state, due_at=None, card="", fear="", own={}), ()
    if state is PairingState.DECLINED:
        # The peer's words have been seen as far as they will be; the hour stays for the peer.
        return replace(record, state=state, due_at=record.until, card="", fear="", own={}, consent=None), ()
    if state is PairingState.STEPPED_BACK:
        return replace(record, state=state), ()
    told = move is PairingMove.LAPSE and record.state in (PairingState.PROPOSED, PairingState.DECLINED)
    tell = (Tell(record.peer, "pairing.not_this_time", notice=True),) if told else ()
    return replace(record, state=state, due_at=None, card="", fear="", own={}, consent=None), tell
