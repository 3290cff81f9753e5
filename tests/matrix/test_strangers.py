"""Nothing that somebody else sends raises out of a batch, and a good event beside it still arrives.

Hypothesis makes the malformed input, for every border: to-device events, room events, sync sections, device
keys, claimed keys, and the plaintexts inside Olm and Megolm.
"""

import asyncio
import contextlib
import json
import tempfile
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schema.errors import HomeserverRefused, Malformed, NotPrivate, WorldError
from schema.events import Message
from schema.ids import EventId, MatrixId, OutboxId, RoomId
from service.matrix import border, messages
from service.matrix.chats import Chat
from service.matrix.devices import Person, read_query
from tests.matrix.desk import DESK, DEVICE, Desk
from tests.matrix.generated import ANYTHING, OBJECTS, SCALARS, mutated, often
from tests.matrix.homeserver import Homeserver
from tests.matrix.peer import Peer

ALICE = "@alice:home.test"
MALLORY = "@mallory:evil.test"
CAROL = "@carol:home.test"


JOINED = {"type": "m.room.member", "state_key": CAROL, "event_id": "$x", "content": {"membership": "join"}}
ANSWERS = (
    OBJECTS
    | st.fixed_dictionaries({"joined_rooms": ANYTHING | st.lists(st.sampled_from(["!chat", "!"]) | SCALARS)})
    | st.fixed_dictionaries({"one_time_key_counts": st.fixed_dictionaries({"signed_curve25519": SCALARS})})
    | st.fixed_dictionaries({"chunk": st.lists(mutated(JOINED), min_size=1)})
)


class Scene:
    """A desk with one good member, on a loop of its own, so that each example of hypothesis uses it again."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.directory = tempfile.TemporaryDirectory()
        self.number = 0
        self.server = Homeserver()
        self.run(self._start)

    def run(self, call: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do `call` to its end."""
        self.loop.run_until_complete(call())

    async def _start(self) -> None:
        self.desk = Desk(self.server, Path(self.directory.name) / "alongside.db", timedelta(minutes=2))
        await self.desk.start()
        self.alice = Peer(self.server, ALICE)
        self.alice.cross_sign()
        self.mallory = Peer(self.server, MALLORY)
        await self.desk.sync.step()
        self.room = await self.desk.chat_with(self.alice)
        self.other = await self.desk.chat_with(self.mallory, "!mallory")
        self.third = await self.desk.chat_with(Peer(self.server, CAROL), "!carol")
        self.alice.share(self.room, DESK, DEVICE)
        self.mallory.share(self.other, DESK, DEVICE)
        await self.desk.sync.step()

    async def good_arrives(self) -> None:
        """Alice writes beside whatever is there, and is heard."""
        self.number += 1
        self.server.position += 1
        self.alice.say(self.room, f"good {self.number}")
        await self.desk.sync.step()
        async with self.desk.store.transaction("test") as transaction:
            rows = await transaction.inbox(1000)
            for row in rows:
                await transaction.handled(row.seq)
        heard = [row.event for row in rows if isinstance(row.event, Message)]
        assert [event.body for event in heard if event.sender == ALICE] == [f"good {self.number}"]

    def close(self) -> None:
        """End it."""
        self.run(self.desk.close)
        self.loop.close()
        self.directory.cleanup()


@pytest.fixture(scope="module")
def scene() -> Any:
    """One desk for all examples of this module."""
    scene = Scene()
    yield scene
    scene.close()


@often
@given(events=st.lists(OBJECTS | ANYTHING, max_size=3))
def test_any_to_device_event(scene: Scene, events: list[Any]) -> None:
    """Whatever comes to the device."""

    async def play() -> None:
        for event in events:
            scene.server.deliver(DESK, DEVICE, event)
        await scene.good_arrives()

    scene.run(play)


@often
@given(data=st.data())
def test_nearly_good_to_device_events(scene: Scene, data: st.DataObject) -> None:
    """Encrypted to-device events with parts taken away or replaced."""
    good = scene.mallory.olm(DESK, DEVICE, "m.room_key", scene.mallory.room_key(RoomId("!x")))
    bad = data.draw(mutated(good))

    async def play() -> None:
        scene.server.deliver(DESK, DEVICE, bad)
        await scene.good_arrives()

    scene.run(play)


@often
@given(data=st.data())
def test_any_olm_plaintext(scene: Scene, data: st.DataObject) -> None:
    """Whatever stands inside a valid Olm message."""
    keys = scene.server.devices[DESK][DEVICE]["keys"]
    good = {
        "type": "m.room_key",
        "content": scene.mallory.room_key(RoomId("!x")),
        "sender": MALLORY,
        "recipient": DESK,
        "recipient_keys": {"ed25519": keys[f"ed25519:{DEVICE}"]},
        "keys": {"ed25519": scene.mallory.ed25519},
    }
    plaintext = data.draw(
        st.binary(max_size=40)
        | ANYTHING.map(lambda value: json.dumps(value).encode())
        | mutated(good).map(lambda value: json.dumps(value).encode())
    )

    async def play() -> None:
        scene.server.deliver(DESK, DEVICE, scene.mallory.raw_olm(DESK, DEVICE, plaintext))
        await scene.good_arrives()

    scene.run(play)


@often
@given(data=st.data())
def test_any_megolm_plaintext(scene: Scene, data: st.DataObject) -> None:
    """Whatever stands inside a valid Megolm message; a message of hers is only what has a good form."""
    good = {
        "type": "m.room.message",
        "room_id": scene.other,
        "content": {
            "msgtype": "m.text",
            "body": "b",
            "m.relates_to": {"rel_type": "m.thread", "event_id": "$x", "m.in_reply_to": {"event_id": "$y"}},
        },
    }
    plaintext = data.draw(
        st.binary(max_size=40)
        | ANYTHING.map(lambda value: json.dumps(value).encode())
        | mutated(good).map(lambda value: json.dumps(value).encode())
        | st.just(b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}")
    )

    async def play() -> None:
        content = scene.mallory.raw_megolm(scene.other, plaintext)
        scene.server.send(scene.other, MALLORY, "m.room.encrypted", content)
        await scene.good_arrives()

    scene.run(play)


@often
@given(data=st.data())
def test_any_room_event(scene: Scene, data: st.DataObject) -> None:
    """Whatever stands in a room's timeline, encrypted or state."""
    content = scene.mallory.encrypt(scene.other, "m.room.message", {"msgtype": "m.text", "body": "b"})
    good = {"type": "m.room.encrypted", "sender": MALLORY, "content": content, "event_id": "$x"}
    state = {
        "type": "m.room.member",
        "state_key": MALLORY,
        "sender": MALLORY,
        "content": {"membership": "join"},
    }
    event = data.draw(OBJECTS | mutated(good) | mutated(state))

    async def answer(path: str, body: Any) -> dict[str, Any]:
        answer = await scene.desk.client.transport.request(
            "other sync", "GET", path, query={"since": since[0]}
        )
        rooms = answer["rooms"]["join"]
        section = rooms.setdefault(scene.other, {"timeline": {"events": []}})
        section["timeline"]["events"].insert(0, event)
        return answer

    async def play() -> None:
        await scene.desk.sync._restore()
        since.append(str(scene.desk.sync._token))
        scene.server.fail("sync", answer)
        await scene.good_arrives()

    since: list[str] = []
    scene.run(play)


@often
@given(
    extra=st.dictionaries(
        st.sampled_from(
            [
                "device_lists",
                "device_one_time_keys_count",
                "device_unused_fallback_key_types",
                "presence",
                "groups",
            ]
        ),
        ANYTHING,
    ),
    rooms=st.dictionaries(st.sampled_from(["leave", "invite", "knock"]), ANYTHING),
    room=ANYTHING,
)
def test_any_sync_section(scene: Scene, extra: dict[str, Any], rooms: dict[str, Any], room: Any) -> None:
    """Whatever the sections of an answer hold beside the good room."""

    async def answer(path: str, body: Any) -> dict[str, Any]:
        answer = await scene.desk.client.transport.request(
            "other sync", "GET", path, query={"since": since[0]}
        )
        answer.update(extra)
        for name, section in rooms.items():
            # Nobody but the homeserver says that we left, and that it may say: so not of the good room.
            answer["rooms"][name] = section if name != "leave" else {"!elsewhere": section}
        answer["rooms"]["join"]["!odd"] = room
        answer["rooms"]["join"]["no room"] = room
        return answer

    async def play() -> None:
        await scene.desk.sync._restore()
        since.append(str(scene.desk.sync._token))
        scene.server.fail("sync", answer)
        await scene.good_arrives()

    since: list[str] = []
    scene.run(play)


@often
@given(data=st.data())
def test_any_device_keys(scene: Scene, data: st.DataObject) -> None:
    """Whatever a homeserver says of somebody's keys, the member beside stays known."""
    signing = scene.server.cross_signing[ALICE]
    good = {
        "device_keys": {MALLORY: {"PEER": scene.mallory.device_keys()}, ALICE: scene.server.devices[ALICE]},
        "master_keys": {ALICE: signing["master_keys"], MALLORY: signing["master_keys"]},
        "self_signing_keys": {ALICE: signing["self_signing_keys"]},
    }
    answer = data.draw(mutated(good) | OBJECTS)
    for name in ("device_keys", "master_keys", "self_signing_keys"):
        section = answer.get(name)
        answer[name] = {**(section if isinstance(section, dict) else {}), ALICE: good[name][ALICE]}

    async def query(path: str, body: Any) -> dict[str, Any]:
        return answer

    async def play() -> None:
        scene.server.fail("keys query", query, times=2)
        scene.server.news(MALLORY)
        scene.server.news(ALICE)
        await scene.good_arrives()
        scene.server.faults.clear()
        person = scene.desk.client.machine.people[MatrixId(ALICE)]
        assert [device.device_id for device in person.counting()] == ["PEER"]

    scene.run(play)


@often
@given(claimed=ANYTHING | st.fixed_dictionaries({"one_time_keys": ANYTHING}))
def test_any_claimed_key(scene: Scene, claimed: Any) -> None:
    """Whatever a claim gives, the send says that it could not, and the next member is answered."""

    async def claim(path: str, body: Any) -> dict[str, Any]:
        return claimed if isinstance(claimed, dict) else {"one_time_keys": {CAROL: claimed}}

    async def play() -> None:
        scene.desk.client.sharing.drop_all()
        scene.desk.client.machine._correspondents.clear()
        scene.server.fail("keys claim", claim)
        with pytest.raises(WorldError):
            await scene.desk.say(scene.third, "hello", f"c{scene.number}")
        scene.alice.add_one_time_keys(2)
        scene.number += 1
        await scene.desk.say(scene.room, "hello", f"a{scene.number}")

    scene.run(play)


@often
@given(data=st.data())
def test_any_page_of_a_gap(scene: Scene, data: st.DataObject) -> None:
    """Whatever stands where a limited timeline left messages out."""
    content = scene.mallory.encrypt(scene.other, "m.room.message", {"msgtype": "m.text", "body": "b"})
    good = {"type": "m.room.encrypted", "sender": MALLORY, "content": content, "event_id": "$gap"}
    pages = data.draw(
        st.lists(
            OBJECTS | st.fixed_dictionaries({"chunk": st.lists(ANYTHING | mutated(good)), "end": ANYTHING}),
            min_size=1,
            max_size=3,
        )
    )

    async def page(path: str, body: Any) -> dict[str, Any]:
        read.append(path)
        return {"end": f"never the same {len(read)}", **pages[len(read) % len(pages)]}

    read: list[str] = []

    async def play() -> None:
        for _ in range(3):
            scene.mallory.say(scene.other, "left out")
        scene.server.timeline_limit = 1
        scene.server.fail("read gap", page, times=50)
        await scene.good_arrives()
        assert 0 < len(read) < 50, "a gap is read for a bounded number of pages"
        scene.server.faults.clear()
        scene.server.timeline_limit = 20

    scene.run(play)


@often
@given(answer=ANSWERS)
def test_any_answer_to_the_desks_requests(scene: Scene, answer: dict[str, Any]) -> None:
    """Whatever is answered where the desk asks or orders: a result, or an error that the outbox knows."""
    client, dave = scene.desk.client, MatrixId("@dave:home.test")

    async def same(path: str, body: Any) -> dict[str, Any]:
        return answer

    async def play() -> None:
        for call in ("keys upload", "joined rooms", "read state", "read members", "create chat", "find sent"):
            scene.server.fail(call, same, times=20)
        for call in ("send", "send plain", "invite to chat", "join", "leave", "forget"):
            scene.server.fail(call, same, times=20)
        plain = scene.server.create_room(f"!plain{scene.number}", encrypted=False)
        client.chats.enter(plain)
        client.chats.enter(scene.third).doubt()
        scene.number += 1
        for step in (
            lambda: client.upload_keys(None, fallback_used=False),
            lambda: client.create_direct_chat(dave),
            lambda: client.send_plain_answer(plain, "hello", OutboxId(f"p{scene.number}")),
            lambda: client.find_sent(scene.room, "one"),
            lambda: scene.desk.say(scene.third, "hello", f"d{scene.number}", again=True),
            lambda: client.join(plain),
            lambda: client.leave(plain),
        ):
            with contextlib.suppress(WorldError, HomeserverRefused, NotPrivate):
                await step()
        client.chats.drop(plain)
        client.chats.changed.discard(plain)
        scene.server.faults.clear()
        await scene.good_arrives()

    scene.run(play)


# ---- the parsers by themselves


@given(page=OBJECTS, token=ANYTHING)
@example(page={}, token="\ud800")
def test_reading_where_it_goes_on(page: dict[str, Any], token: Any) -> None:
    """A token is one that can be sent, or there is none; and one that leads back is none."""
    found = border.following({**page, "end": token}, "end")
    assert found is None or (found == token and found.encode())
    assert border.following({"end": found}, "end", found) is None


@given(count=ANYTHING | st.integers())
@example(count=-(2**40))
def test_reading_how_many_keys_are_left(count: Any) -> None:
    """Never fewer than none: a homeserver that says so would have the desk make keys for ever."""
    assert 0 <= border.count(count) <= (count if isinstance(count, int) and count > 0 else 0)


@given(answer=OBJECTS)
def test_reading_a_query(answer: dict[str, Any]) -> None:
    """An answer about devices is read or refused."""
    try:
        Person(MatrixId(ALICE)).update(border.attempt(read_query, answer, MatrixId(ALICE), ()))
    except Malformed:
        return


@given(type_=SCALARS, content=ANYTHING, outer=OBJECTS)
def test_reading_a_message(type_: Any, content: Any, outer: dict[str, Any]) -> None:
    """A message is read or refused, and what is read can be kept."""
    try:
        found = border.attempt(
            messages.read,
            type_,
            content,
            outer,
            EventId("$e"),
            RoomId("!r"),
            MatrixId(ALICE),
            messages.sent_at(outer),
        )
    except Malformed:
        return
    if isinstance(found, Message):
        assert found.body.encode() is not None
        assert len(found.body.encode()) <= 16 * 1024


@given(event=OBJECTS, summary=OBJECTS, answer=OBJECTS)
def test_reading_rooms(event: dict[str, Any], summary: dict[str, Any], answer: dict[str, Any]) -> None:
    """State, summaries and member lists are read or refused, and the record can be kept."""
    chat = Chat(RoomId("!r"))
    for call, value in ((chat.apply_state, event), (chat.apply_members, answer)):
        try:
            border.attempt(call, value)
        except Malformed:
            continue
    with contextlib.suppress(Malformed):
        border.attempt(chat.apply_summary, summary, DESK, True)
    assert Chat.from_row(chat.to_row()) == chat


@given(value=ANYTHING)
def test_ids_and_keys(value: Any) -> None:
    """Identifiers and keys are of their form, or refused."""
    for call in (border.text, border.matrix_id, border.room_id, border.event_id, border.key, border.mapping):
        try:
            border.attempt(call, value)
        except Malformed:
            continue


def test_a_panic_is_malformed() -> None:
    """What a library throws past Exception is set aside as well; the end of a task is not."""

    class Panic(BaseException):
        """As pyo3's."""

    def panic() -> None:
        raise Panic

    def cancel() -> None:
        raise asyncio.CancelledError

    with pytest.raises(Malformed):
        border.attempt(panic)
    with pytest.raises(asyncio.CancelledError):
        border.attempt(cancel)
