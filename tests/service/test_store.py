"""What is put is what is found, sealed at rest, in one transaction at a time, on both databases."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from random import Random
from typing import Any, get_args, get_type_hints

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import LargeBinary, String

from schema import tables
from schema.effects import LeaveRoom, SendText
from schema.errors import SealBroken, WorldError
from schema.events import Due, FromMatrix, Invited, Message
from schema.ids import (
    EventId,
    LinkId,
    LinkInvitationId,
    LinkKeysId,
    MatrixId,
    MeetingId,
    MemberId,
    RoomId,
    SeparationId,
)
from schema.records import (
    Across,
    Buddy,
    CheckIn,
    Concern,
    Link,
    LinkInvitation,
    LinkKeys,
    Meeting,
    Member,
    Offer,
    OwnPlan,
    Pause,
    PeerRoom,
    Prompt,
    Received,
    Record,
    Request,
    Separation,
    Stewardship,
)
from schema.states import OfferState, RequestState
from service.core.counters import WIDTH
from service.core.links import Refusal
from service.crossing import Crossing
from service.envelope import Secrets
from service.store import Store
from service.store.shapes import SHAPES
from tests.linked import ASK, linked
from tests.linked import NOW as LINKED_AT
from tests.live.canaries import canary, scan
from tests.live.postgres import Postgres
from tests.service import generated

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def number(at: int) -> str:
    """An opaque id, in the order of `at`."""
    return f"{at:032x}"


def request(at: int, member: int = 1, **given: object) -> Request:
    """A request that differs from others in what is given."""
    return generated.sample(
        Request, **{"id": number(at), "member": number(member), "note": "a note", **given}
    )


def offer(at: int, member: int = 1, **given: object) -> Offer:
    """An open offer."""
    return generated.sample(Offer, **{"id": number(at), "member": number(member), "card": "a card", **given})


def check_in(at: int, member: int = 1) -> CheckIn:
    """A check-in."""
    return generated.sample(CheckIn, id=number(at), member=number(member), due_at=NOW)


def room(at: int, name: str | None = None, **given: object) -> PeerRoom:
    """A peer room; `name` is its room ID."""
    people = {"asker": number(1), "peer": number(2)}
    return generated.sample(PeerRoom, **{"id": number(at), "room": name, **people, **given})


def member(at: int, name: str = "ana") -> Member:
    """A member."""
    return Member(MemberId(number(at)), MatrixId(f"@{name}:example.org"), NOW)


def message(event: str, body: str = "hello") -> Message:
    """A message."""
    return Message(EventId(event), RoomId("!room:example.org"), MatrixId("@ana:example.org"), body, NOW)


async def put(store: Store, *records: Record) -> None:
    """Keep records in a transaction of their own."""
    async with store.transaction("put") as transaction:
        for record in records:
            await transaction.put(record)


async def raw(url: str, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
    """Run a statement on the database, past the store; arguments stand as $1 and on."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        try:
            values = {f"at_{at}": value for at, value in enumerate(arguments, 1)}
            return connection.execute(statement.replace("$", ":at_"), values).fetchall()
        finally:
            connection.close()
    session = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return [tuple(row) for row in await session.fetch(statement, *arguments)]
    finally:
        await session.close()


# --- Records


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(record=generated.records())
async def test_any_record_comes_back_as_it_was_put(store: Store, record: Record) -> None:
    """Every field of every kind of record comes back equal, whatever it holds."""
    async with store.transaction("test") as transaction:
        await transaction.put(record)
        assert await transaction.get(type(record), record.id) == record
    async with store.transaction("test") as transaction:
        assert await transaction.get(type(record), record.id) == record
        await transaction.delete(type(record), record.id)
        assert await transaction.get(type(record), record.id) is None


async def test_a_transaction_sees_each_of_its_own_writes(either: Store) -> None:
    """What it asked before does not hide what it wrote since; an instant is the one that is kept."""
    one = offer(1, 9)
    async with either.transaction("test") as transaction:
        assert await transaction.find(Offer, member=one.member) == []
        await transaction.put(one)
        assert await transaction.find(Offer, member=one.member) == [one]
        assert await transaction.find(Offer, member=one.member) == [one]
        changed = replace(one, card="another card", due_at=NOW + timedelta(microseconds=1))
        await transaction.put(changed)
        kept = replace(changed, due_at=NOW)
        assert await transaction.get(Offer, one.id) == kept
        assert await transaction.find(Offer, member=one.member) == [kept]
        await transaction.delete(Offer, one.id)
        assert await transaction.get(Offer, one.id) is None
        assert await transaction.find(Offer, member=one.member) == []


async def test_what_is_read_ahead_is_what_is_there(either: Store) -> None:
    """Records that are due, and their members, are read at once; what is written after counts."""
    whose = generated.sample(Member, id=number(9))
    await put(either, offer(1, 9), offer(2, 9), offer(3, 8), request(4), whose)
    due = [
        Due("offers", number(1)),
        Due("offers", number(2)),
        Due("offers", number(7)),
        Due("requests", number(4)),
    ]
    async with either.transaction("test") as transaction:
        await transaction.read_ahead(due)
        assert await transaction.get(Offer, number(1)) == offer(1, 9)
        assert await transaction.get(Offer, number(7)) is None
        assert await transaction.get(Request, number(4)) == request(4)
        changed = replace(whose, language="es")
        await transaction.put(changed)
        assert await transaction.get(Member, number(9)) == changed
        await transaction.delete(Offer, number(2))
        assert await transaction.get(Offer, number(2)) is None
        assert await transaction.get(Offer, number(3)) == offer(3, 8)
        await transaction.read_ahead([])


async def test_what_is_read_ahead_stays_true_through_what_is_written(either: Store) -> None:
    """What a member has, read ahead for a check-in that is due, changes with each write of the same turn."""
    owner, other = member(1), member(2, "ben")
    one, two, theirs = (check_in(at, whose) for at, whose in ((1, 1), (2, 1), (3, 2)))
    await put(either, owner, other, one, theirs)
    async with either.transaction("test") as transaction:
        await transaction.read_ahead([Due("check_ins", one.id), Due("check_ins", theirs.id)])
        assert await transaction.find(CheckIn, member=owner.id) == [one]
        assert await transaction.find(Buddy, member=owner.id) == []
        assert await transaction.get(OwnPlan, owner.id) is None
        await transaction.put(plan := OwnPlan(owner.id, "Tea.", NOW))
        assert await transaction.get(OwnPlan, owner.id) == plan
        await transaction.put(two)
        assert await transaction.find(CheckIn, member=owner.id) == [one, two]
        await transaction.put(changed := replace(one, question="How is it?"))
        assert await transaction.find(CheckIn, member=owner.id) == [changed, two]
        await transaction.delete(CheckIn, two.id)
        assert await transaction.find(CheckIn, member=owner.id) == [changed]
        # An instant that the database rounds is read from there.
        await transaction.put(replace(one, due_at=NOW + timedelta(microseconds=1)))
        assert await transaction.find(CheckIn, member=owner.id) == [replace(one, due_at=NOW)]
        await transaction.put(replace(changed, member=other.id))
        assert await transaction.find(CheckIn, member=owner.id) == []
        assert await transaction.find(CheckIn, member=other.id) == [replace(changed, member=other.id), theirs]
        await transaction.put(replace(theirs, member=MemberId("")))
        assert await transaction.find(CheckIn, member=other.id) == [replace(changed, member=other.id)]


async def test_every_kind_of_record_is_kept(either: Store) -> None:
    """No kind of record is without a table."""
    async with either.transaction("test") as transaction:
        for kind in get_args(Record):
            assert await transaction.get(kind, number(1)) is None
            assert await transaction.find(kind) == []


async def test_a_later_put_replaces_the_whole_record(either: Store) -> None:
    """Put twice, there is one record, the later one, in plain columns and sealed ones."""
    await put(either, request(1, due_at=NOW))
    changed = replace(request(1), state=RequestState.ENDED, note="another note")
    await put(either, changed)
    async with either.transaction("test") as transaction:
        assert await transaction.find(Request) == [changed]


async def test_find_compares_plain_columns_and_orders_by_id(either: Store) -> None:
    """One value, any of several, none, and several columns at once."""
    await put(
        either,
        request(3, member=1),
        request(1, member=2, state=RequestState.ENDED, due_at=NOW),
        request(2, member=1, state=RequestState.PROPOSED),
        request(4, member=2),
    )

    async def found(**equal: object) -> list[int]:
        async with either.transaction("test") as transaction:
            return [int(one.id, 16) for one in await transaction.find(Request, **equal)]

    assert await found() == [1, 2, 3, 4]
    assert await found(member=number(1)) == [2, 3]
    assert await found(state=RequestState.LOOKING) == [3, 4]
    assert await found(state=(RequestState.LOOKING, RequestState.ENDED)) == [1, 3, 4]
    assert await found(state=(RequestState.LOOKING,), member=number(2)) == [4]
    assert await found(due_at=None) == [2, 3, 4]
    assert await found(due_at=NOW) == [1]
    assert await found(id=(number(2), number(9))) == [2]
    assert await found(state=()) == []
    with pytest.raises(KeyError):
        await found(note="a note")


async def test_a_transaction_reads_what_it_wrote(either: Store) -> None:
    """Between a put and the commit the same transaction finds the record, and no longer after a delete."""
    async with either.transaction("test") as transaction:
        await transaction.put(offer(1))
        assert await transaction.find(Offer, state=OfferState.OPEN) == [offer(1)]
        await transaction.put(replace(offer(1), card="new"))
        assert (await transaction.find(Offer))[0].card == "new"
        await transaction.delete(Offer, number(1))
        assert await transaction.find(Offer) == []


async def test_an_exception_undoes_all_of_a_transaction(either: Store) -> None:
    """Records, inbox and outbox are as before; the next transaction works; nothing opened is remembered."""
    await put(either, offer(1))

    async def fail() -> None:
        async with either.transaction("test") as transaction:
            await transaction.put(replace(offer(1), card="changed"))
            await transaction.put(offer(2))
            assert len(await transaction.find(Offer)) == 2
            await transaction.take_in([message("$1")], NOW)
            await transaction.add_effects([("lane", "near", LeaveRoom(RoomId("!r")))], NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with either.transaction("test") as transaction:
        assert await transaction.find(Offer) == [offer(1)]
        assert await transaction.inbox(10) == []
        assert await transaction.seen([EventId("$1")]) == set()
        assert await transaction.outbox(10) == []


async def test_what_was_never_read_or_written_is_no_transaction(either: Store) -> None:
    """A transaction in which nothing happens costs nothing and breaks nothing."""
    async with either.transaction("test"):
        pass
    async with either.transaction("test") as transaction:
        await transaction.add_effects([], NOW)
        await transaction.take_in([], NOW)
        await transaction.write_crypto({})


async def test_a_room_is_found_by_its_room_id(either: Store) -> None:
    """A peer room is found by the hash of its room ID, and under the new one after a change."""
    await put(either, room(1), room(2))
    async with either.transaction("test") as transaction:
        assert await transaction.room_of("!one:example.org") is None
        await transaction.put(room(1, "!one:example.org"))
        assert await transaction.room_of("!one:example.org") == room(1, "!one:example.org")
        await transaction.put(room(1, "!two:example.org"))
        assert await transaction.room_of("!one:example.org") is None
        assert await transaction.room_of("!two:example.org") == room(1, "!two:example.org")


async def test_a_room_across_a_link_is_found_by_its_answer_and_only_with_the_key(
    either: Store, url: str
) -> None:
    """Also of two that bear one name; a room of two who are here is never found so."""
    first, second = (
        replace(room(at), across=Across(LinkId(number(at)), number(8), number(9))) for at in (1, 2)
    )
    mark = replace(_mark(4), across=first.across)
    await put(either, first, second, room(3), mark, _mark(5))
    async with either.transaction("test") as transaction:
        assert await transaction.of_answer(PeerRoom, number(9)) == [first, second]
        assert await transaction.of_answer(PeerRoom, "") == []
        assert await transaction.of_answer(Meeting, number(9)) == [mark]
    rooms = await raw(url, "SELECT id, answer_hash FROM peer_rooms")
    marks = await raw(url, "SELECT id, answer_hash FROM meetings")
    assert all(number(9) not in row for row in (*rooms, *marks))
    assert not {row[1] for row in rooms if row[1]} & {row[1] for row in marks if row[1]}


def _mark(at: int) -> Meeting:
    return Meeting(MeetingId(number(at)), MemberId(number(1)), MemberId(number(2)), NOW, NOW)


async def test_who_is_kept_apart_is_found_from_both_sides_and_seen_from_none(either: Store, url: str) -> None:
    """By whom it is kept for, and by the other; without the key nobody sees that it is the same person."""
    kept = [
        Separation(SeparationId(number(at)), MemberId(number(one)), MemberId(number(other)), NOW)
        for at, (one, other) in enumerate([(1, 2), (3, 2), (2, 1)], 10)
    ]
    await put(either, *kept)
    async with either.transaction("test") as transaction:
        assert await transaction.about(Separation, MemberId(number(2))) == kept[:2]
        assert await transaction.about(Separation, MemberId(number(3))) == []
        assert await transaction.find(Separation, member=number(2)) == kept[2:]
    rows = await raw(url, "SELECT member, other_hash FROM separations")
    assert len({hashed for _, hashed in rows}) == 2
    assert not {member for member, _ in rows} & {hashed for _, hashed in rows}


async def test_a_link_comes_back_with_its_keys_and_its_whole_window(either: Store, url: str) -> None:
    """Counters, the replay window to its last bit and the private keys; cut, no row of it is left."""
    north, _ = linked()
    bits = (1 << WIDTH) - 1
    epoch = replace(north.link.epochs[0], sent=2**53 - 1, received=Received(2**40, bits, 7, 5))
    link = replace(
        north.link, epochs=(epoch,), desk=MatrixId("@alongside:south.example"), due_at=NOW, tries=(NOW,)
    )
    keys, public = Crossing().keys(link.id, 1, 1, Random(1))
    asked_for = LinkInvitation(LinkInvitationId(number(1)), link.desk, RoomId("!a"), NOW)
    await put(either, link, keys, asked_for)
    async with either.transaction("test") as transaction:
        assert await transaction.get(Link, link.id) == link
        assert await transaction.find(LinkKeys, link=link.id) == [keys]
        assert await transaction.find(LinkInvitation) == [asked_for]
        assert [one.kind for one in await transaction.due(NOW, 9)] == ["link_invitations", "links"]
    assert keys.signing not in repr(keys)
    assert public.nonce == keys.nonce
    for table in ("links", "link_keys", "link_invitations"):
        ((stored,),) = await raw(url, f"SELECT sealed FROM {table}")
        assert keys.signing.encode() not in stored
        assert b"south.example" not in stored
    async with either.transaction("test") as transaction:
        await transaction.delete(Link, link.id)
        await transaction.delete(LinkKeys, keys.id)
    for table in ("links", "link_keys"):
        assert await raw(url, f"SELECT id FROM {table}") == []


async def test_an_envelope_counts_with_what_its_turn_wrote_or_not_at_all(either: Store) -> None:
    """A turn that fails after taking one takes it again; one that is over never does."""
    north, south = linked()
    crossing, said = Crossing(), json.dumps(north.say(ASK))
    kept = [_link_keys(south.link.id, 1, south.secrets[1])]
    await put(either, south.link, *kept)
    effect = SendText(RoomId("!a"), MatrixId("@a:example.org"), "Somebody asks.")

    async def take(*, fails: bool) -> Refusal | None:
        async with either.transaction("test") as transaction:
            link = await transaction.get(Link, south.link.id)
            assert link is not None
            held = await transaction.find(LinkKeys, link=link.id)
            taken = crossing.take(said, link, held, LINKED_AT)
            assert taken.link is not None
            await transaction.put(taken.link)
            if taken.refusal is None:
                await transaction.add_effects([("lane", "near", effect)], NOW)
            if fails:
                raise RuntimeError("the turn failed")
            return taken.refusal

    with pytest.raises(RuntimeError):
        await take(fails=True)
    assert await take(fails=False) is None
    assert await take(fails=False) is Refusal.AGAIN
    async with either.reading() as transaction:
        assert [row.effect for row in await transaction.outbox(9)] == [effect]


def _link_keys(link: LinkId, epoch: int, made: Secrets) -> LinkKeys:
    seeds = (made.signing.hex(), made.sealing.hex(), made.nonce.hex())
    return LinkKeys(LinkKeysId(number(epoch)), link, epoch, 1, *seeds)


async def test_a_forgotten_member_may_stand_as_an_empty_id(either: Store) -> None:
    """A record whose member was forgotten has an empty id in its place."""
    await put(either, room(1, asker=""))
    async with either.transaction("test") as transaction:
        assert await transaction.find(PeerRoom, asker="") == [room(1, asker="")]


@pytest.mark.parametrize("id", ["@ana:example.org", "0" * 31, "0" * 33, "A" * 32, "0" * 31 + "\n", " "])
async def test_nothing_but_an_opaque_id_gets_into_a_plain_column(either: Store, id: str) -> None:
    """A Matrix ID, or anything else that is not ours, is refused before it reaches the database."""
    async with either.transaction("test") as transaction:
        with pytest.raises(ValueError, match="opaque"):
            await transaction.put(replace(member(1), id=MemberId(id)))
        with pytest.raises(ValueError, match="opaque"):
            await transaction.write_chats({id: b"value"})
        with pytest.raises(ValueError, match="opaque"):
            await transaction.write_crypto({("olm", id): b"value"})
        with pytest.raises(ValueError, match="opaque"):
            await transaction.get(Member, id)
        with pytest.raises(ValueError, match="not ours"):
            await transaction.write_instance("@ana:example.org", b"value")
        assert await transaction.find(Member) == []


async def test_a_naive_time_is_refused(either: Store) -> None:
    """A time without a zone never gets into a plain column."""
    async with either.transaction("test") as transaction:
        with pytest.raises(ValueError, match="naive"):
            await transaction.put(request(1, due_at=datetime(2026, 1, 1)))  # noqa: DTZ001  # That is the test.


async def test_member_ids_are_keyed_hashes(either: Store) -> None:
    """The same Matrix ID gives the same opaque id, another one another."""
    ana, ben = (either.member_id(MatrixId(f"@{name}:example.org")) for name in ("ana", "ben"))
    assert ana == either.member_id(MatrixId("@ana:example.org")) != ben
    await put(either, replace(member(1), id=ana))
    async with either.transaction("test") as transaction:
        assert (await transaction.get(Member, ana)) is not None


async def test_a_draft_changed_in_place_changes_nothing_kept(either: Store) -> None:
    """What a handler does to a record that it read is its own until it puts it."""
    asked = replace(member(1), prompt=Prompt("talk", NOW, draft={"topic": "burnout"}))
    await put(either, asked)
    async with either.transaction("test") as transaction:
        read = await transaction.get(Member, number(1))
        assert read is not None
        assert read.prompt is not None
        read.prompt.draft["topic"] = "changed"
    async with either.transaction("test") as transaction:
        assert await transaction.get(Member, number(1)) == asked


async def test_a_transaction_knows_what_it_put_and_deleted(either: Store) -> None:
    """The earliest due time of what was put, and whether anything was deleted, for the scheduler."""
    async with either.transaction("test") as transaction:
        assert (transaction.earliest_due, transaction.deleted) == (None, False)
        await transaction.put(request(1, due_at=NOW + MINUTE))
        await transaction.put(request(2, due_at=NOW))
        await transaction.put(request(3))
        await transaction.delete(Request, number(1))
    assert (transaction.earliest_due, transaction.deleted) == (NOW, True)


async def test_an_error_about_a_value_does_not_show_it(either: Store, url: str) -> None:
    """A value of the wrong type, or a row of another form, is refused, and the error holds nothing of it."""
    wrong = offer(1, asked="secret word")
    async with either.transaction("test") as transaction:
        with pytest.raises(TypeError) as caught:
            await transaction.put(wrong)
    assert "secret" not in str(caught.value)
    other = either.seal.seal(
        "members", "sealed", number(1), b'{"matrix_id": "@secret:word", "since": "secret"}'
    )
    await raw(url, "INSERT INTO members (id, sealed) VALUES ($1, $2)", number(1), other)
    async with either.transaction("test") as transaction:
        with pytest.raises(TypeError, match="since") as caught:
            await transaction.get(Member, number(1))
    assert "secret" not in str(caught.value)


# --- Inbox


async def test_events_wait_in_their_order_until_they_are_handled(either: Store) -> None:
    """What came first is first; what is handled is gone; what came later is behind."""
    async with either.transaction("test") as transaction:
        await transaction.take_in([message("$1", "one"), message("$2", "two")], NOW)
        await transaction.take_in([message("$3", "three")], NOW + MINUTE)
    async with either.transaction("test") as transaction:
        rows = await transaction.inbox(2)
        assert [(row.event, row.received_at, row.failures) for row in rows] == [
            (message("$1", "one"), NOW, 0),
            (message("$2", "two"), NOW, 0),
        ]
        await transaction.handled(rows[0].seq)
        assert [row.event for row in await transaction.inbox(10)] == [
            message("$2", "two"),
            message("$3", "three"),
        ]
        assert [row.event for row in await transaction.inbox(10, after=rows[1].seq)] == [
            message("$3", "three")
        ]


async def test_an_event_is_taken_in_once(either: Store) -> None:
    """Twice in a batch, in a later batch, after it was handled: it is not handled again, for 14 days."""
    async with either.transaction("test") as transaction:
        await transaction.take_in([message("$1"), message("$1", "changed"), message("$2")], NOW)
        await transaction.take_in([message("$2")], NOW)
        assert [row.event for row in await transaction.inbox(10)] == [message("$1"), message("$2")]
    async with either.transaction("test") as transaction:
        for row in await transaction.inbox(10):
            await transaction.handled(row.seq)
        await transaction.purge_old(NOW + timedelta(days=14))
        await transaction.take_in([message("$1"), message("$3")], NOW + timedelta(days=14))
        assert [row.event for row in await transaction.inbox(10)] == [message("$3")]
        await transaction.purge_old(NOW + timedelta(days=14, milliseconds=1))
        await transaction.take_in([message("$1")], NOW + timedelta(days=15))
        assert [row.event for row in await transaction.inbox(10)] == [message("$3"), message("$1")]


async def test_seen_tells_which_of_many_were_taken_in(either: Store) -> None:
    """Of any number of event ids, those taken in or marked are given back, and no others."""
    known = [EventId(f"${at}") for at in range(600)]
    async with either.transaction("test") as transaction:
        await transaction.take_in([message(event) for event in known[:500]], NOW)
        await transaction.mark_seen(known[500:], NOW)
        assert await transaction.seen([]) == set()
        assert await transaction.seen([EventId("$new")]) == set()
        assert await transaction.seen([*known, EventId("$new")]) == set(known)
        assert await transaction.seen(known[:3]) == set(known[:3])


async def test_what_somebody_wrote_is_unheard_until_it_is_handled(either: Store) -> None:
    """However much of others' waits before it; and nobody else's counts."""
    ana, ben = MatrixId("@ana:example.org"), MatrixId("@ben:example.org")
    async with either.transaction("test") as transaction:
        assert not await transaction.unheard(ana)
        await transaction.take_in([message(f"${at}") for at in range(250)], NOW)
        assert await transaction.unheard(ana)
        assert not await transaction.unheard(ben)
        await transaction.take_in([replace(message("$last"), sender=ben)], NOW)
        assert await transaction.unheard(ben)
        for row in await transaction.inbox(1000):
            await transaction.handled(row.seq)
        assert not await transaction.unheard(ben)


async def test_of_an_inbox_too_long_to_look_through_anything_may_be_theirs(either: Store) -> None:
    """A turn reads so much of it and no more, and then takes it that something of theirs waits."""
    async with either.transaction("test") as transaction:
        await transaction.take_in([message(f"${at}") for at in range(1000)], NOW)
        assert await transaction.unheard(MatrixId("@ben:example.org"))


async def test_failures_are_counted(either: Store) -> None:
    """Each failure counts one, is there after the commit, and an event that is gone has none."""
    async with either.transaction("test") as transaction:
        await transaction.take_in([message("$1"), message("$2")], NOW)
    async with either.transaction("test") as transaction:
        seq = (await transaction.inbox(1))[0].seq
        assert await transaction.failed(seq) == 1
        assert await transaction.failed(seq) == 2
        assert await transaction.failed(seq + 100) == 0
    async with either.transaction("test") as transaction:
        assert [row.failures for row in await transaction.inbox(10)] == [2, 0]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(event=generated.events())
async def test_any_event_comes_back_as_it_was_taken_in(store: Store, event: FromMatrix) -> None:
    """Every field of every kind of event comes back equal."""
    async with store.transaction("test") as transaction:
        known = await transaction.seen([event.event_id])
        await transaction.take_in([event], NOW)
        rows = await transaction.inbox(10)
        assert [row.event for row in rows] == ([] if known else [event])
        for row in rows:
            await transaction.handled(row.seq)


async def test_numbers_in_the_inbox_are_never_used_again(either: Store) -> None:
    """An inbox that was emptied goes on counting, so that a number names one event for good."""
    async with either.transaction("test") as transaction:
        await transaction.take_in([message("$1")], NOW)
        first = (await transaction.inbox(1))[0].seq
        await transaction.handled(first)
        await transaction.take_in([message("$2")], NOW)
        assert (await transaction.inbox(1))[0].seq > first


# --- Outbox


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    effects=st.lists(
        generated.effects(), max_size=5, unique_by=lambda one: getattr(one, "mark", "") or id(one)
    )
)
async def test_any_effect_comes_back_as_it_was_added(store: Store, effects: list[Any]) -> None:
    """Every field of every kind of effect comes back equal, in order, under the ids that were given."""
    async with store.transaction("test") as transaction:
        added = await transaction.add_effects([("lane", "near", effect) for effect in effects], NOW)
        rows = await transaction.outbox(10)
        assert [row.effect for row in rows] == effects
        assert [replace(row, seq=0) for row in rows] == added
        await transaction.outbox_done([row.id for row in rows])


async def test_equal_lanes_stay_equal_and_say_nothing(either: Store) -> None:
    """Rows of one lane bear one hash, of two lanes two, and no lane is to be read in it."""
    leave = LeaveRoom(RoomId("!r"))
    async with either.transaction("test") as transaction:
        rows = await transaction.add_effects(
            [("!a", "far", leave), ("!b", "far", leave), ("!a", "far", leave)], NOW
        )
        assert rows[0].lane == rows[2].lane != rows[1].lane
        assert {row.lane for row in await transaction.outbox(10)} == {row.lane for row in rows}
    assert "!a" not in rows[0].lane


async def test_an_effect_put_off_holds_its_lane(either: Store) -> None:
    """Later rows of the lane wait with it and for it, other lanes go on, and at its time it is back alone."""
    async with either.transaction("test") as transaction:
        a1, b1, a2 = await transaction.add_effects(
            [
                (lane, "far", LeaveRoom(RoomId(name)))
                for lane, name in (("a", "!1"), ("b", "!2"), ("a", "!3"))
            ],
            NOW,
        )
        await transaction.outbox_retry(a1.id, NOW + MINUTE, 1)
        assert await transaction.outbox_next(NOW) == NOW + MINUTE
        assert await transaction.outbox_ready("far", NOW, 10) == [b1.id]
        assert await transaction.outbox_ready("far", NOW + MINUTE, 10) == [a1.id, b1.id]
        assert await transaction.outbox_next(NOW + MINUTE) is None
        (row,) = await transaction.outbox_rows([a1.id])
        assert (row.attempts, row.next_at) == (1, NOW + MINUTE)
        assert row.again(NOW) == replace(row, attempts=2, next_at=NOW)
        await transaction.outbox_done([a1.id])
        assert await transaction.outbox_ready("far", NOW, 10) == [b1.id, a2.id]


async def test_effects_of_one_way_are_found_apart_from_the_others(either: Store) -> None:
    """Each way gives its own, the oldest first and so many; in a lane one of another way goes before."""
    async with either.transaction("test") as transaction:
        leave = LeaveRoom(RoomId("!r"))
        places = [("a", "near"), ("b", "far"), ("a", "far"), ("a", "near"), ("c", "near"), ("d", "near")]
        rows = await transaction.add_effects([(lane, way, leave) for lane, way in places], NOW)
        ids = [row.id for row in rows]
        assert await transaction.outbox_ready("near", NOW, 10) == [ids[0], ids[4], ids[5]]
        assert await transaction.outbox_ready("near", NOW, 2) == [ids[0], ids[4]]
        assert await transaction.outbox_ready("far", NOW, 10) == [ids[1]]
        assert await transaction.outbox_ready(None, NOW, 10) == []
        assert await transaction.outbox_lanes(2) == [(row.id, row.lane) for row in rows[:2]]
        assert (await transaction.outbox_count())[0] == 6
        assert await transaction.outbox_holds(ids[2])
        await transaction.outbox_done([ids[0]])
        assert not await transaction.outbox_holds(ids[0])
        assert await transaction.outbox_ready("far", NOW, 10) == [ids[1], ids[2]]
        assert [row.id for row in await transaction.outbox_rows(ids[:4])] == ids[1:4]


async def test_what_an_earlier_version_kept_has_no_way_and_is_found(url: str, either: Store) -> None:
    """A row without a way is found for itself, and holds back what came later in its lane."""
    leave = LeaveRoom(RoomId("!r"))
    async with either.transaction("test") as transaction:
        old, new = await transaction.add_effects([("a", "far", leave), ("a", "far", leave)], NOW)
    await raw(url, f"UPDATE outbox SET way = NULL WHERE id = '{old.id}'")
    async with either.transaction("test") as transaction:
        assert await transaction.outbox_ready(None, NOW, 10) == [old.id]
        assert await transaction.outbox_ready("far", NOW, 10) == []
        await transaction.outbox_done([old.id])
        assert await transaction.outbox_ready("far", NOW, 10) == [new.id]


# --- The schedule


async def test_due_records_come_in_the_order_of_their_times(either: Store) -> None:
    """Of all kinds, the longest due first, none before its time, and none without one."""
    await put(
        either,
        request(1, due_at=NOW),
        request(2),
        request(3, due_at=NOW + MINUTE),
        offer(4, due_at=NOW - MINUTE),
        room(5, due_at=NOW - timedelta(days=30)),
    )
    async with either.transaction("test") as transaction:
        assert await transaction.due(NOW, 10) == [
            Due("peer_rooms", number(5)),
            Due("offers", number(4)),
            Due("requests", number(1)),
        ]
        assert await transaction.due(NOW, 1) == [Due("peer_rooms", number(5))]
        assert await transaction.next_due() == NOW - timedelta(days=30)
        await transaction.delete(PeerRoom, number(5))
        await transaction.delete(Offer, number(4))
        assert await transaction.next_due() == NOW
        await transaction.put(request(1))
        await transaction.put(request(3))
        assert await transaction.next_due() is None
        assert await transaction.due(NOW + timedelta(days=999), 10) == []


# --- Sealed rows of others


async def test_rows_of_others_are_kept_replaced_and_taken_away(either: Store) -> None:
    """Instance, crypto and chat rows: written, written again, taken away, in one call or many."""
    a, b = number(1), number(2)
    async with either.transaction("test") as transaction:
        assert await transaction.read_instance("sync") is None
        await transaction.write_instance("sync", b"one")
        await transaction.write_instance("sync", b"two")
        await transaction.write_instance("generation", b"")
        await transaction.write_crypto({("olm", a): b"1", ("olm", b): b"2", ("megolm", a): b"\0" * 5000})
        await transaction.write_chats({a: b"1", b: b"2"})
    async with either.transaction("test") as transaction:
        assert await transaction.read_instance("sync") == b"two"
        assert await transaction.read_instance("generation") == b""
        assert await transaction.read_crypto() == [
            ("megolm", a, b"\0" * 5000),
            ("olm", a, b"1"),
            ("olm", b, b"2"),
        ]
        await transaction.write_crypto({("olm", a): None, ("olm", b): b"changed", ("olm", number(9)): None})
        await transaction.write_instance("sync", None)
        await transaction.write_chats({a: None})
        assert await transaction.read_crypto() == [("megolm", a, b"\0" * 5000), ("olm", b, b"changed")]
        assert await transaction.read_instance("sync") is None
        assert await transaction.read_chats() == [(b, b"2")]


async def test_unread_events_wait_until_they_are_dropped(either: Store) -> None:
    """By age, the oldest first, each once, until they are dropped."""
    async with either.transaction("test") as transaction:
        await transaction.keep_unread(EventId("$2"), b"two", NOW + MINUTE)
        await transaction.keep_unread(EventId("$1"), b"one", NOW)
        await transaction.keep_unread(EventId("$1"), b"again", NOW + MINUTE)
        await transaction.keep_unread(EventId("$3"), b"three", NOW)
        first = await transaction.unread_since(NOW)
        assert {(one.raw, one.since) for one in first} == {(b"one", NOW), (b"three", NOW)}
        assert [one.raw for one in await transaction.unread_since(NOW + MINUTE)][-1] == b"two"
        await transaction.drop_unread([one.id for one in first])
        assert [one.raw for one in await transaction.unread_since(NOW + MINUTE)] == [b"two"]


# --- Transactions


async def test_transactions_take_their_turn(either: Store) -> None:
    """Two that read, wait and write the same record lose no update."""
    await put(either, offer(1))

    async def add() -> None:
        async with either.transaction("test") as transaction:
            found = await transaction.get(Offer, number(1))
            assert found is not None
            await asyncio.sleep(0)
            await transaction.put(replace(found, card=found.card + "x"))

    await asyncio.gather(*(add() for _ in range(20)))
    async with either.transaction("test") as transaction:
        assert await transaction.find(Offer) == [offer(1, card="a card" + "x" * 20)]


async def test_a_transaction_inside_another_is_our_mistake(either: Store) -> None:
    """It would wait for itself for ever, so it is refused, and the outer one goes on."""
    async with either.transaction("outer") as transaction:
        await transaction.put(offer(1))
        with pytest.raises(RuntimeError):
            async with either.transaction("inner"):
                pass
    async with either.transaction("test") as transaction:
        assert await transaction.find(Offer) == [offer(1)]


async def test_reading_begins_and_writes_nothing(either: Store) -> None:
    """What reads only takes its turn as others do, leaves no transaction open, and may not write."""
    await put(either, offer(1))
    async with either.reading() as transaction:
        assert await transaction.find(Offer) == [offer(1)]
        assert not transaction.begun
        with pytest.raises(RuntimeError):
            async with either.transaction("inner"):
                pass
        with pytest.raises(RuntimeError):
            await transaction.put(offer(2))
    await put(either, offer(3))
    async with either.reading() as transaction:
        assert await transaction.find(Offer) == [offer(1), offer(3)]


async def test_records_are_opened_ahead_in_slices(either: Store) -> None:
    """Every record of a kind is remembered, and others' turns come between the slices."""
    await put(either, *(offer(at) for at in range(1, 8)))
    either.remembered.clear()
    opening = asyncio.create_task(either.open_ahead(Offer, slice_of=3))
    await asyncio.sleep(0)  # It has the first turn now.
    async with either.transaction("test") as transaction:
        assert 0 < len(either.remembered) < 7
        await transaction.put(offer(9))
    await opening
    assert {id for _, id in either.remembered} >= {number(at) for at in range(1, 8)}


async def test_a_cancelled_transaction_is_undone(either: Store) -> None:
    """Whoever is cancelled within a transaction changes nothing, and the next one does not wait."""
    inside = asyncio.Event()

    async def hang() -> None:
        async with either.transaction("test") as transaction:
            await transaction.put(offer(1))
            await transaction.find(Offer)
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hang())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await put(either, offer(2))
    async with either.transaction("test") as transaction:
        assert await transaction.find(Offer) == [offer(2)]


async def test_cancelling_at_any_moment_commits_all_or_nothing(either: Store) -> None:
    """However far a transaction was when it was cancelled, both of its records are there or neither."""

    async def both(at: int) -> None:
        async with either.transaction("test") as transaction:
            await transaction.put(offer(2 * at))
            await transaction.find(Offer)
            await transaction.put(offer(2 * at + 1))

    for steps in range(40):
        task = asyncio.create_task(both(steps))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with either.transaction("test") as transaction:
        found = {int(one.id, 16) for one in await transaction.find(Offer)}
    assert {at ^ 1 for at in found} == found


async def test_a_failed_statement_ends_its_transaction(either: Store) -> None:
    """Whoever swallows a database's error and goes on commits nothing half."""

    async def swallow() -> None:
        async with either.transaction("test") as transaction:
            await transaction.put(room(1, "!one:example.org"))
            await transaction.put(room(2, "!one:example.org"))
            with pytest.raises(Exception, match=r"(?i)unique"):
                await transaction.find(PeerRoom)
            await transaction.put(offer(1))

    with pytest.raises(RuntimeError):
        await swallow()
    async with either.transaction("test") as transaction:
        assert await transaction.find(Offer) == []
        assert await transaction.find(PeerRoom) == []


async def test_rows_moved_or_changed_at_rest_do_not_open(either: Store, url: str) -> None:
    """Whoever exchanges two rows' sealed bytes in the database gets SealBroken, not another's words."""
    await put(either, member(1, "ana"), member(2, "ben"))
    rows = dict(await raw(url, "SELECT id, sealed FROM members"))
    await raw(url, "UPDATE members SET sealed = $1 WHERE id = $2", rows[number(2)], number(1))
    async with either.transaction("test") as transaction:
        with pytest.raises(SealBroken):
            await transaction.get(Member, number(1))
        assert await transaction.get(Member, number(2)) == member(2, "ben")


async def test_what_another_changed_is_not_remembered(either: Store, url: str) -> None:
    """A record that was opened before is opened anew when its row changed by any hand."""
    await put(either, offer(1), offer(2, card="other"))
    async with either.transaction("test") as transaction:
        assert len(await transaction.find(Offer)) == 2
    await raw(url, "UPDATE offers SET state = $1 WHERE id = $2", "ended", number(1))
    async with either.transaction("test") as transaction:
        assert [one.id for one in await transaction.find(Offer, state=OfferState.OPEN)] == [number(2)]
        changed = await transaction.get(Offer, number(1))
        assert changed is not None
        assert changed.state is OfferState.ENDED


async def test_a_deleted_record_is_not_remembered(either: Store) -> None:
    """What is deleted leaves memory too."""
    await put(either, offer(1))
    async with either.transaction("test") as transaction:
        await transaction.find(Offer)
        await transaction.delete(Offer, number(1))
    assert not either.remembered


# --- At rest


async def fill(store: Store, mark: str) -> None:
    """Put something into every sealed field and every look-up of every table, each with `mark` in it."""
    at = iter(range(1000, 2000))
    async with store.transaction("fill") as transaction:
        for kind in get_args(Record):
            record = generated.sample(kind)
            changes: dict[str, object] = {}
            table = SHAPES[kind].table
            for name, value in vars(record).items():
                if name in table.c:
                    changes[name] = number(next(at)) if isinstance(value, str) and len(value) == 32 else value
                elif isinstance(value, str) and not isinstance(value, Enum):
                    changes[name] = mark
                elif value == () and "str" in str(get_type_hints(kind)[name]):
                    changes[name] = (mark,)
            if kind is PeerRoom:
                changes["room"] = f"!{mark}:example.org"
                changes["early"] = ((mark, mark, mark),)
                changes["early"] = ((RoomId(mark), MemberId(mark), mark),)
            if kind is Concern:
                changes["answers"] = ((MemberId(mark), mark),)
            if kind is Member:
                changes["waiting"] = (Prompt(mark, NOW, mark, {mark: mark}),)
            if kind is Stewardship:
                changes["paused"] = Pause(mark, NOW)
                changes["checked"] = {mark: NOW.date()}
            await transaction.put(replace(record, **changes))
        await transaction.take_in(
            [
                message(f"${mark}", mark),
                Invited(EventId(f"$i{mark}"), RoomId(mark), MatrixId(mark), True, True),
            ],
            NOW,
        )
        await transaction.add_effects([(mark, "near", SendText(RoomId(mark), MatrixId(mark), mark))], NOW)
        await transaction.write_crypto({("olm", number(1)): mark.encode()})
        await transaction.write_chats({number(1): mark.encode()})
        await transaction.write_instance("sync", mark.encode())
        await transaction.keep_unread(EventId(mark), mark.encode(), NOW)


async def test_every_sealed_column_holds_sealed_bytes_only(either: Store, url: str) -> None:
    """In each table of a filled store every value in a column of bytes opens with the seal, in its place."""
    await fill(either, "mark")
    for table in tables.metadata.sorted_tables:
        for column in table.c:
            if not isinstance(column.type, LargeBinary | tables.Sealed):
                continue
            if (table.name, column.name) == ("keyring", "wrapped"):
                continue
            assert isinstance(column.type, tables.Sealed), f"{table.name}.{column.name}"
            assert table in tables.SEALED
            naming = tables.naming_columns(table)
            rows = await raw(url, f"SELECT {', '.join(naming)}, {column.name} FROM {table.name}")
            assert rows, f"{table.name} was not filled"
            for *names, sealed in rows:
                assert either.seal.open(table.name, column.name, "/".join(names), sealed)


def test_every_plain_column_refuses_names() -> None:
    """A column of text is an opaque id or a name of ours, but for states and the lease's holder."""
    for table in tables.metadata.sorted_tables:
        for column in table.c:
            if isinstance(column.type, String):
                assert column.name == "state" or (table.name, column.name) == ("lease", "holder")


def test_every_table_says_how_long_it_is_kept() -> None:
    """There is no table without a rule of retention."""
    assert all(table.info.get("kept") for table in tables.metadata.sorted_tables)


async def test_nothing_that_was_typed_is_readable_at_rest(
    either: Store, url: str, tmp_path: Path, postgres_or_none: Postgres | None
) -> None:
    """A scan of all of the database's files finds no canary of a filled store, and finds a planted one."""
    hidden, planted = canary("hidden"), canary("planted")
    await fill(either, hidden)
    await raw(url, "UPDATE lease SET holder = $1", planted)
    await raw(url, "INSERT INTO lease (id, epoch, holder) VALUES (7, 1, $1)", planted)
    if postgres_or_none is not None:
        await raw(postgres_or_none.url, "CHECKPOINT")
    places = [tmp_path if postgres_or_none is None else postgres_or_none.directory]
    if postgres_or_none is None:
        assert (tmp_path / "alongside.db-wal").stat().st_size > 0
    assert scan(places, [hidden]) == []
    assert scan(places, [planted]) != []


def windows(raw_bytes: bytes, size: int = 8) -> Iterator[bytes]:
    """All runs of `size` bytes."""
    return (raw_bytes[at : at + size] for at in range(len(raw_bytes) - size + 1))


@pytest.mark.parametrize("others", [0, 3, pytest.param(300, marks=pytest.mark.slow)])
async def test_an_erased_person_leaves_no_byte(store: Store, tmp_path: Path, others: int) -> None:
    """After deletion and checkpoint no eight bytes of any ciphertext or hash of theirs are in any file."""
    url = f"sqlite:///{tmp_path}/alongside.db"
    gone: set[bytes] = set()
    texts: set[str] = set()
    for first in range(0, others, 30):
        few = range(first, min(first + 30, others))
        await put(store, *(member(10_000 + at, "other" * (at % 40 + 1)) for at in few))
        await put(store, *(offer(20_000 + at, card="x" * (at * 7 % 900)) for at in few))
    ana = store.member_id(MatrixId("@ana:example.org"))
    for size in (1, 40, 700, 5000, 90, 20_000, 3):
        async with store.transaction("live") as transaction:
            await transaction.put(replace(member(1), id=ana, prompt=Prompt("p", NOW, "s" * size)))
            for at in range(3):
                await transaction.put(offer(at + 1, card="c" * size * at))
                await transaction.put(replace(offer(at + 1, card="c" * size * at), member=ana))
            await transaction.take_in([message(f"${size}", "m" * size)], NOW)
            await transaction.add_effects(
                [("lane", "near", SendText(RoomId("!r"), MatrixId("@ana:x"), "b" * size))], NOW
            )
            await transaction.keep_unread(EventId(f"$u{size}"), b"u" * size, NOW)
        for table in ("members", "offers", "inbox", "outbox", "unread"):
            theirs = await raw(
                url, f"SELECT sealed, id FROM {table} WHERE id NOT LIKE '0000%' OR id <= '{number(9)}'"
            )
            gone.update(sealed for sealed, _ in theirs)
        texts |= {
            one
            for (one,) in await raw(
                url, "SELECT id FROM inbox UNION SELECT id FROM outbox UNION SELECT id FROM unread"
            )
        }
    texts.add(ana)
    async with store.transaction("forget") as transaction:
        await transaction.delete(Member, ana)
        for one in await transaction.find(Offer, member=ana):
            await transaction.delete(Offer, one.id)
        for row in await transaction.inbox(1000):
            await transaction.handled(row.seq)
        await transaction.outbox_done([row.id for row in await transaction.outbox(1000)])
        await transaction.drop_unread([one.id for one in await transaction.unread_since(NOW)])
        await transaction.purge_old(NOW + timedelta(days=15))

    files = [tmp_path / "alongside.db", tmp_path / "alongside.db-wal"]
    before = b"".join(file.read_bytes() for file in files)
    pieces = {sealed[at : at + 8] for sealed in gone for at in range(1, len(sealed) - 8)} | {
        text.encode()[at : at + 16] for text in texts for at in range(17)
    }
    assert not pieces.isdisjoint(windows(before)), "the write-ahead log should still have them"

    await store.erase_checkpoint()
    content = b"".join(file.read_bytes() for file in files)
    assert pieces.isdisjoint(windows(content))
    assert pieces.isdisjoint(windows(content, 16))
    assert (tmp_path / "alongside.db-wal").stat().st_size == 0
    assert len(await raw(url, "SELECT 1 FROM members")) == others


async def test_an_erasure_can_be_told_to_postgresql_too(either: Store) -> None:
    """The call is the same for both databases, changes nothing that is kept, and is due after each commit."""
    await put(either, offer(1), offer(2))
    async with either.transaction("test") as transaction:
        await transaction.delete(Offer, number(1))
    before = either.holds_traces
    await either.erase_checkpoint()
    assert (before, either.holds_traces) == (True, False)
    async with either.transaction("test") as transaction:
        assert await transaction.find(Offer) == [offer(2)]


async def test_an_erasure_waits_for_other_readers(store: Store, tmp_path: Path) -> None:
    """While another program reads an old state the log cannot be emptied, and that is said."""
    await put(store, offer(1))
    reader = sqlite3.connect(tmp_path / "alongside.db", isolation_level=None)
    try:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM offers").fetchall()
        async with store.transaction("test") as transaction:
            await transaction.delete(Offer, number(1))
        with pytest.raises(WorldError):
            await store.erase_checkpoint()
    finally:
        reader.close()
    before = store.holds_traces
    await store.erase_checkpoint()
    assert (before, store.holds_traces) == (True, False)
    assert (tmp_path / "alongside.db-wal").stat().st_size == 0
