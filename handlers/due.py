"""What comes at its hour: each record that falls due is handed to its conversation.

Guards: nothing is done before a record's hour, which may have moved since the event was made.
"""

from handlers import (
    across,
    after,
    asking_across,
    checkin,
    concern,
    guest_room,
    link_life,
    offer,
    paused,
    plan,
    request,
    room,
    steward,
    telling,
    voucher,
)
from handlers.desk import Desk
from schema.events import Due
from schema.ids import MemberId
from schema.records import (
    Ask,
    AskAcross,
    Buddy,
    CheckIn,
    Concern,
    GuestRoom,
    Link,
    LinkInvitation,
    Meeting,
    Member,
    Offer,
    Outlook,
    Pairing,
    PairingPause,
    PeerRoom,
    Request,
    Stewardship,
    Voucher,
)
from schema.states import PairingState


async def take(desk: Desk, event: Due) -> None:
    """Hand the record to its conversation, if its hour really has come: it may have moved since."""
    match event.kind:
        case "requests":
            if (wish := await desk.records.get(Request, event.id)) and _is_due(desk, wish):
                await request.due(desk, wish)
        case "offers":
            if (found := await desk.records.get(Offer, event.id)) and _is_due(desk, found):
                await offer.due(desk, found)
        case "asks":
            if (ask := await desk.records.get(Ask, event.id)) and _is_due(desk, ask):
                await request.ask_due(desk, ask)
        case "pairings":
            if (pairing := await desk.records.get(Pairing, event.id)) and _is_due(desk, pairing):
                await _PAIRINGS.get(pairing.state, request.pairing_due)(desk, pairing)
        case "members":
            if (member := await desk.member(MemberId(event.id))) and _is_due(desk, member):
                desk.let_lapse(member)
                await desk.sweep(desk.now_is(member.id))
        case "peer_rooms":
            if (peer_room := await desk.records.get(PeerRoom, event.id)) and _is_due(desk, peer_room):
                await room.due(desk, peer_room)
        case "meetings":
            if (meeting := await desk.records.get(Meeting, event.id)) and _is_due(desk, meeting):
                await after.due(desk, meeting)
        case "vouchers":
            if (found_voucher := await desk.records.get(Voucher, event.id)) and _is_due(desk, found_voucher):
                await voucher.due(desk, found_voucher)
        case "concerns":
            if (wrong := await desk.records.get(Concern, event.id)) and _is_due(desk, wrong):
                await concern.due(desk, wrong)
        case "pairing_pauses":
            if (stopped := await desk.records.get(PairingPause, event.id)) and _is_due(desk, stopped):
                await paused.due(desk, stopped)
        case "stewardships":
            if (kept := await desk.records.get(Stewardship, event.id)) and _is_due(desk, kept):
                await steward.due(desk)
        case "buddies":
            if (named := await desk.records.get(Buddy, event.id)) and _is_due(desk, named):
                await telling.due(desk, named)
        case "check_ins":
            if (asked_for := await desk.records.get(CheckIn, event.id)) and _is_due(desk, asked_for):
                await checkin.due(desk, asked_for)
        case "links":
            if (link := await desk.records.get(Link, event.id)) and _is_due(desk, link):
                await link_life.due(desk, link)
        case "link_invitations":
            if (asked := await desk.records.get(LinkInvitation, event.id)) and _is_due(desk, asked):
                await link_life.forget(desk, asked)
        case "guest_rooms":
            if (guest := await desk.records.get(GuestRoom, event.id)) and _is_due(desk, guest):
                await guest_room.due(desk, guest)
        case "asks_across":
            if (put := await desk.records.get(AskAcross, event.id)) and _is_due(desk, put):
                await across.take_back(desk, put)
        case "outlooks":
            if (look := await desk.records.get(Outlook, event.id)) and _is_due(desk, look):
                await desk.records.delete(Outlook, look.id)


_PAIRINGS = {PairingState.PLANNED: plan.due, PairingState.AGREED: asking_across.no_reply}
"""What is waited for in these states; in all others a consent is."""

_Due = (
    Member
    | Request
    | Offer
    | Ask
    | Pairing
    | PeerRoom
    | Meeting
    | Concern
    | PairingPause
    | Stewardship
    | Outlook
    | Voucher
    | Buddy
    | CheckIn
    | Link
    | LinkInvitation
    | GuestRoom
    | AskAcross
)


def _is_due(desk: Desk, record: _Due) -> bool:
    return record.due_at is not None and record.due_at <= desk.now
