"""Verification by SAS: whole runs with the other client's part played here, and what strangers may send."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vodozemac import Account, Curve25519PublicKey, EstablishedSas, Sas, SasException

from schema.errors import HomeserverRefused, Malformed, Unreachable
from schema.ids import DeviceId, EventId, MatrixId, RoomId
from service.matrix.border import canonical, unpadded
from service.matrix.messages import read_plain_step
from service.matrix.verification import Ended, Exchange, Incoming, Outgoing, Own, Verification

NOW = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
DESK = Own(MatrixId("@desk:home.test"), DeviceId("DESK"), unpadded(b"d" * 32), unpadded(b"m" * 32))
ROOM = RoomId("!direct:home.test")
TOO_LATE = timedelta(minutes=10, seconds=1)


class Starter:
    """A member's client that starts a verification, in `room` or to our device."""

    def __init__(self, room: RoomId | None, name: str = "ada", transaction: str = "$request") -> None:
        self.user_id = MatrixId(f"@{name}:home.test")
        self.device = "PHONE"
        self.room = room
        self.transaction = transaction
        self.device_key = Account().ed25519_key.to_base64()
        self.master_key = unpadded(b"a" * 32)
        self.sas = Sas()
        self.public = self.sas.public_key.to_base64()
        self.start_content: dict[str, Any] = {}
        self.commitment = ""
        self.established: EstablishedSas | None = None

    @property
    def keys(self) -> dict[str, str]:
        """What the homeserver publishes of this member."""
        return {f"ed25519:{self.device}": self.device_key, f"ed25519:{self.master_key}": self.master_key}

    def event(self, word: str, content: Mapping[str, Any]) -> Incoming:
        """An event of this verification."""
        if self.room is None:
            place: dict[str, Any] = {"transaction_id": self.transaction}
        else:
            place = {"m.relates_to": {"rel_type": "m.reference", "event_id": self.transaction}}
        return Incoming(self.user_id, f"m.key.verification.{word}", dict(content) | place, self.room)

    def request(self, **changed: Any) -> Incoming:
        """The first event."""
        content: dict[str, Any] = {"from_device": self.device, "methods": ["m.sas.v1", "m.qr_code.show.v1"]}
        if self.room is None:
            content |= {"timestamp": int(NOW.timestamp() * 1000), "transaction_id": self.transaction}
            return Incoming(self.user_id, "m.key.verification.request", content | changed)
        content |= {"msgtype": "m.key.verification.request", "to": DESK.user_id, "body": "verify"}
        event_id = EventId(self.transaction)
        return Incoming(self.user_id, "m.room.message", content | changed, self.room, event_id, NOW)

    def start(self, **changed: Any) -> Incoming:
        """The choice of a method."""
        content = {
            "from_device": self.device,
            "method": "m.sas.v1",
            "key_agreement_protocols": ["curve25519-hkdf-sha256", "curve25519"],
            "hashes": ["sha256"],
            "message_authentication_codes": ["hkdf-hmac-sha256.v2", "hkdf-hmac-sha256"],
            "short_authentication_string": ["decimal", "emoji"],
        }
        event = self.event("start", content | changed)
        assert isinstance(event.content, dict)
        self.start_content = event.content
        return event

    def key(self, **changed: Any) -> Incoming:
        """Our ephemeral key."""
        return self.event("key", {"key": self.public} | changed)

    def accepted(self, out: Outgoing) -> None:
        """The desk's accept."""
        self.commitment = out.content["commitment"]

    def take_key(self, out: Outgoing) -> None:
        """The desk's ephemeral key, checked against its commitment."""
        theirs = out.content["key"]
        committed = hashlib.sha256(theirs.encode() + canonical(self.start_content)).digest()
        assert unpadded(committed) == self.commitment
        self.established = self.sas.diffie_hellman(Curve25519PublicKey.from_base64(theirs))

    def mac(self, **changed: Any) -> Incoming:
        """The person has confirmed: a MAC over each of our keys."""
        assert self.established is not None
        info = f"MATRIX_KEY_VERIFICATION_MAC{self.user_id}{self.device}{DESK.user_id}{DESK.device_id}"
        info += self.transaction
        macs = {name: self.established.calculate_mac(key, info + name) for name, key in self.keys.items()}
        over = self.established.calculate_mac(",".join(sorted(macs)), info + "KEY_IDS")
        return self.event("mac", {"mac": macs, "keys": over} | changed)

    def check_mac(self, out: Outgoing) -> dict[str, str]:
        """The desk's keys, each under a right MAC. Raises SasException."""
        assert self.established is not None
        info = f"MATRIX_KEY_VERIFICATION_MAC{DESK.user_id}{DESK.device_id}{self.user_id}{self.device}"
        info += self.transaction
        macs = out.content["mac"]
        self.established.verify_mac(",".join(sorted(macs)), info + "KEY_IDS", out.content["keys"])
        ours = {"ed25519:DESK": DESK.device_key, f"ed25519:{DESK.master_key}": DESK.master_key}
        for name, mac in macs.items():
            self.established.verify_mac(ours[name], info + name, mac)
        return {name: ours[name] for name in macs}


def words(out: list[Outgoing]) -> list[str]:
    """The types of what is sent, without their prefix."""
    return [one.type.removeprefix("m.key.verification.") for one in out]


def code(out: list[Outgoing]) -> str:
    """The code of the one cancel that is sent."""
    (one,) = out
    assert one.type == "m.key.verification.cancel"
    assert one.content["reason"]
    return str(one.content["code"])


def until(exchange: Exchange, starter: Starter, step: str) -> None:
    """Bring a verification to where the member's `step` comes next."""
    for word, send in (("request", starter.request), ("start", starter.start), ("key", starter.key)):
        if word == step:
            return
        out, _ = exchange.receive(send(), NOW)
        if word == "start":
            starter.accepted(out[0])
        if word == "key":
            starter.take_key(out[0])


@pytest.mark.parametrize("room", [ROOM, None])
def test_a_verification_comes_to_its_end(room: RoomId | None) -> None:
    """Request to done, in a room and to our device: the member's client gets our device and master key."""
    exchange, starter = Exchange(DESK), Starter(room)
    out, _ = exchange.receive(starter.request(), NOW)
    assert words(out) == ["ready"]
    assert out[0].content["from_device"] == "DESK"
    assert out[0].content["methods"] == ["m.sas.v1"]
    out, _ = exchange.receive(starter.start(), NOW)
    assert words(out) == ["accept"]
    starter.accepted(out[0])
    out, _ = exchange.receive(starter.key(), NOW)
    assert words(out) == ["key"]
    starter.take_key(out[0])
    event = starter.mac()
    assert exchange.wants_keys(event)
    out, ended = exchange.receive(event, NOW, starter.keys)
    assert words(out) == ["mac", "done"]
    assert set(starter.check_mac(out[0]).values()) == {DESK.device_key, DESK.master_key}
    assert ended == [Ended(starter.user_id, room, True)]
    for one in out:
        assert (one.member, one.room, one.device) == (starter.user_id, room, "PHONE")
        relation = {"rel_type": "m.reference", "event_id": "$request"}
        assert (one.content.get("m.relates_to"), one.content.get("transaction_id")) == (
            (relation, None) if room else (None, "$request")
        )
    assert exchange.receive(starter.event("done", {}), NOW) == ([], [])
    assert len(exchange) == 0


Change = Callable[[Starter], Incoming]


@pytest.mark.parametrize(
    ("step", "event", "expected"),
    [
        ("start", lambda one: one.key(), "m.unexpected_message"),
        ("start", lambda one: one.event("done", {}), "m.unexpected_message"),
        ("start", lambda one: one.event("ready", {}), "m.unexpected_message"),
        ("start", lambda one: one.event("unheard-of", {}), "m.unexpected_message"),
        ("start", lambda one: one.start(from_device="OTHER"), "m.invalid_message"),
        ("start", lambda one: one.start(method="m.reciprocate.v1"), "m.unknown_method"),
        ("start", lambda one: one.start(hashes="sha256"), "m.invalid_message"),
        ("start", lambda one: one.start(hashes=["sha3"]), "m.unknown_method"),
        ("start", lambda one: one.start(key_agreement_protocols=["curve25519"]), "m.unknown_method"),
        (
            "start",
            lambda one: one.start(message_authentication_codes=["hkdf-hmac-sha256"]),
            "m.unknown_method",
        ),
        ("start", lambda one: one.start(short_authentication_string=[]), "m.unknown_method"),
        ("start", lambda one: one.start(short_authentication_string=None), "m.invalid_message"),
        ("start", lambda one: one.start(more=0.5), "m.invalid_message"),
        ("start", lambda one: one.start(more="\ud800"), "m.invalid_message"),
        ("key", lambda one: one.start(), "m.unexpected_message"),
        ("key", lambda one: one.key(key=None), "m.invalid_message"),
        ("key", lambda one: one.key(key="short"), "m.invalid_message"),
        ("key", lambda one: one.key(key="\N{SNOWMAN}" * 43), "m.invalid_message"),
        ("key", lambda one: one.key(key=unpadded(bytes(32))), "m.invalid_message"),
        ("mac", lambda one: one.key(), "m.unexpected_message"),
        ("mac", lambda one: one.mac(mac={}), "m.invalid_message"),
        ("mac", lambda one: one.mac(mac={"ed25519:PHONE": 1}), "m.invalid_message"),
        ("mac", lambda one: one.mac(keys=None), "m.invalid_message"),
        ("mac", lambda one: one.mac(keys="no base64!"), "m.key_mismatch"),
        ("mac", lambda one: one.mac(keys=unpadded(bytes(32))), "m.key_mismatch"),
        ("mac", lambda one: one.mac(mac={"ed25519:PHONE": unpadded(bytes(32))}), "m.key_mismatch"),
    ],
)
def test_what_is_wrong_is_cancelled_with_its_code(step: str, event: Change, expected: str) -> None:
    """Whatever is malformed, unknown or out of turn ends the verification with the right code, and no MAC."""
    exchange, starter = Exchange(DESK), Starter(ROOM)
    until(exchange, starter, step)
    out, ended = exchange.receive(event(starter), NOW, starter.keys)
    assert code(out) == expected
    assert ended == [Ended(starter.user_id, ROOM, False, mismatch=expected == "m.key_mismatch")]
    assert len(exchange) == 0


@pytest.mark.parametrize(
    "published", [{}, {"ed25519:PHONE": unpadded(b"x" * 32)}, {"ed25519:" + unpadded(b"a" * 32): "y"}]
)
def test_other_keys_than_published_are_a_mismatch(published: dict[str, str]) -> None:
    """A member whose device key is not the published one gets no MAC of ours."""
    exchange, starter = Exchange(DESK), Starter(ROOM)
    until(exchange, starter, "mac")
    out, _ = exchange.receive(starter.mac(), NOW, published)
    assert code(out) == "m.key_mismatch"


def test_a_changed_start_breaks_the_commitment() -> None:
    """The commitment is over the start as it came, so that a start changed on its way is noticed."""
    exchange, starter = Exchange(DESK), Starter(ROOM)
    until(exchange, starter, "start")
    out, _ = exchange.receive(starter.start(extra="put in on the way"), NOW)
    starter.accepted(out[0])
    del starter.start_content["extra"]
    out, _ = exchange.receive(starter.key(), NOW)
    with pytest.raises(AssertionError):
        starter.take_key(out[0])


@pytest.mark.parametrize("room", [ROOM, None])
def test_ten_minutes_are_the_most(room: RoomId | None) -> None:
    """What is older is cancelled as timed out; a request too old or from the future is not heard."""
    exchange, starter = Exchange(DESK), Starter(room)
    until(exchange, starter, "key")
    out, ended = exchange.expire(NOW + TOO_LATE)
    assert code(out) == "m.timeout"
    assert ended == [Ended(starter.user_id, room, False)]
    for now in (NOW + TOO_LATE, NOW - TOO_LATE):
        assert exchange.receive(starter.request(), now) == ([], [])
    assert len(exchange) == 0


def test_after_a_restart_a_start_is_told_to_begin_again() -> None:
    """A start that we do not know is cancelled; nothing else that is unknown is answered."""
    exchange, starter = Exchange(DESK), Starter(ROOM)
    out, _ = exchange.receive(starter.start(), NOW)
    assert code(out) == "m.unknown_transaction"
    for event in (starter.key(), starter.event("done", {}), starter.event("cancel", {"code": "m.user"})):
        assert exchange.receive(event, NOW) == ([], [])


def test_a_member_who_cancels_is_not_answered() -> None:
    """A cancel ends the verification, and is never answered with one."""
    exchange, starter = Exchange(DESK), Starter(ROOM)
    until(exchange, starter, "mac")
    out, ended = exchange.receive(starter.event("cancel", {"code": "m.mismatched_sas"}), NOW)
    assert (out, ended) == ([], [Ended(starter.user_id, ROOM, False, mismatch=True)])


def test_a_member_who_only_stops_is_no_mismatch() -> None:
    """Whoever changes their mind is not told that somebody may be reading along."""
    for cancelled in ("m.user", ["m.mismatched_sas"], None):
        exchange, starter = Exchange(DESK), Starter(ROOM)
        until(exchange, starter, "mac")
        _, ended = exchange.receive(starter.event("cancel", {"code": cancelled}), NOW)
        assert ended == [Ended(starter.user_id, ROOM, False)]


def test_one_person_has_one_and_all_are_bounded() -> None:
    """A second request ends the first; strangers' requests to our device leave rooms their share."""
    exchange = Exchange(DESK)
    first, second = Starter(ROOM), Starter(ROOM, transaction="$second")
    until(exchange, first, "start")
    out, _ = exchange.receive(second.request(), NOW)
    assert words(out) == ["cancel", "ready"]
    assert len(exchange) == 1
    for number in range(100):
        out, _ = exchange.receive(Starter(None, f"stranger{number}").request(), NOW)
        assert words(out) == (["ready"] if number < 32 else ["cancel"])
    out, _ = exchange.receive(Starter(ROOM, "bea").request(), NOW)
    assert words(out) == ["ready"]
    assert len(exchange) == 34


def test_another_persons_event_does_not_reach_a_verification() -> None:
    """Somebody else's event with the same reference changes nothing."""
    exchange, starter, other = Exchange(DESK), Starter(ROOM), Starter(ROOM, "bea")
    until(exchange, starter, "key")
    assert exchange.receive(other.event("cancel", {"code": "m.user"}), NOW) == ([], [])
    assert exchange.receive(other.key(), NOW) == ([], [])
    out, _ = exchange.receive(starter.key(), NOW)
    assert words(out) == ["key"]


def test_a_request_for_another_method_is_told_so() -> None:
    """Without SAS among the methods it is cancelled; a request to somebody else is not ours."""
    exchange, starter = Exchange(DESK), Starter(ROOM)
    out, _ = exchange.receive(starter.request(methods=["m.qr_code.scan.v1"]), NOW)
    assert code(out) == "m.unknown_method"
    assert exchange.receive(starter.request(to="@other:home.test"), NOW) == ([], [])
    ours = Incoming(DESK.user_id, "m.room.message", starter.request().content, ROOM, EventId("$own"), NOW)
    assert exchange.receive(ours, NOW) == ([], [])


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    *(
        "from_device",
        "methods",
        "method",
        "timestamp",
        "transaction_id",
        "m.relates_to",
        "to",
        "msgtype",
        "key",
    ),
    *("hashes", "key_agreement_protocols", "message_authentication_codes", "short_authentication_string"),
    *("mac", "keys", "code"),
)
WORDS = ("request", "ready", "start", "accept", "key", "mac", "done", "cancel", "", "x")


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["request", "start", "key", "mac"]),
            st.booleans(),
            st.dictionaries(st.sampled_from(FIELDS), anything, max_size=3),
            st.sampled_from(WORDS),
            st.integers(0, 700),
        ),
        max_size=12,
    ),
    room=st.sampled_from([ROOM, None]),
    garbage=anything,
)
def test_no_stranger_can_make_it_raise_or_grow(
    steps: list[tuple[str, bool, dict[str, Any], str, int]], room: RoomId | None, garbage: object
) -> None:
    """Events in any order and spoilt: answers can be sent, and a MAC of ours follows a right one only."""
    exchange, starter, now = Exchange(DESK), Starter(room), NOW
    starter.established = Sas().diffie_hellman(Sas().public_key)
    for step, spoil, fields, word, seconds in steps:
        now += timedelta(seconds=seconds)
        changed = fields if spoil else {}
        event = {"request": starter.request, "start": starter.start, "key": starter.key, "mac": starter.mac}[
            step
        ](**changed)
        if spoil and word == "x":
            event = Incoming(event.sender, f"m.key.verification.{word}", garbage, event.room)
        elif spoil:
            assert isinstance(event.content, dict)
            content = event.content | fields
            event = Incoming(event.sender, f"m.key.verification.{word}", content, event.room, event.event_id)
        out, _ = exchange.receive(event, now, starter.keys)
        for one in out:
            canonical(one.content)
            one.device.encode()
        if "mac" in words(out):
            starter.check_mac(out[0])
        if words(out) == ["key"]:
            ours = Curve25519PublicKey.from_base64(out[0].content["key"])
            starter.established = starter.sas.diffie_hellman(ours)
            starter.sas = Sas()
            starter.public = starter.sas.public_key.to_base64()
        assert len(exchange) <= 1


def test_a_mac_from_another_agreement_is_refused() -> None:
    """Whoever sat in between has another secret: their MAC is wrong, and ours is never sent."""
    exchange, starter = Exchange(DESK), Starter(ROOM)
    until(exchange, starter, "mac")
    starter.established = Sas().diffie_hellman(Sas().public_key)
    out, _ = exchange.receive(starter.mac(), NOW, starter.keys)
    assert code(out) == "m.key_mismatch"
    with pytest.raises(SasException):
        starter.established.verify_mac("x", "y", unpadded(bytes(32)))


class Leaf:
    """A homeserver's answers to key queries, and what is sent through it."""

    def __init__(self, starter: Starter) -> None:
        self.starter = starter
        self.sent: list[tuple[str, Any]] = []
        self.failure: Exception | None = None
        self.token: str | None = None

    async def request(self, call: str, method: str, path: str, **more: Any) -> dict[str, Any]:
        """Answer one request."""
        if self.failure is not None:
            raise self.failure
        if call == "verification send":
            self.sent.append((path.split("/")[-2], more["body"]))
            return {}
        starter = self.starter
        device = {"keys": {"ed25519:PHONE": starter.device_key, "curve25519:PHONE": "c"}}
        master = {"keys": {f"ed25519:{starter.master_key}": starter.master_key}}
        return {
            "device_keys": {starter.user_id: {"PHONE": device, "BROKEN": []}},
            "master_keys": {starter.user_id: master},
        }


@pytest.mark.parametrize("room", [ROOM, None])
async def test_answers_go_where_the_verification_is(room: RoomId | None) -> None:
    """In a room encrypted, to a device by to-device events; the end is told once."""
    starter = Starter(room)
    leaf, told = Leaf(starter), list[Ended]()
    sent: list[tuple[str, Any]] = leaf.sent

    async def send(where: RoomId, kind: str, content: dict[str, Any], transaction: str) -> None:
        assert where == ROOM
        assert transaction
        sent.append((kind, content))

    async def end(ended: Ended) -> None:
        told.append(ended)

    def content() -> dict[str, Any]:
        body = sent[-1][1]
        found = body if room else body["messages"][starter.user_id]["PHONE"]
        assert isinstance(found, dict)
        return found

    def outgoing() -> Outgoing:
        return Outgoing(starter.user_id, room, "PHONE", sent[-1][0], content())

    verification = Verification(leaf, DESK, lambda: NOW, send, end)  # type: ignore[arg-type]  # A leaf.

    async def hand(event: Incoming) -> None:
        await verification.handle(event.sender, event.type, event.content, event.room, event.event_id)

    await hand(starter.request())
    await hand(starter.start())
    starter.accepted(outgoing())
    await hand(starter.key())
    starter.take_key(outgoing())
    await hand(starter.mac())
    assert [kind.rpartition(".")[2] for kind, _ in sent] == ["ready", "accept", "key", "mac", "done"]
    assert told == [Ended(starter.user_id, room, True)]


@pytest.mark.parametrize("failure", [Unreachable("x"), HomeserverRefused(403, "M_FORBIDDEN", "x")])
async def test_a_failing_homeserver_ends_the_verification_alone(failure: Exception) -> None:
    """Where keys cannot be asked for or answers not be sent, that one ends, and nothing is raised."""
    starter = Starter(None)
    leaf, told = Leaf(starter), list[Ended]()

    async def send(where: RoomId, kind: str, content: dict[str, Any], transaction: str) -> None:
        raise AssertionError(kind)

    async def end(ended: Ended) -> None:
        told.append(ended)

    verification = Verification(leaf, DESK, lambda: NOW, send, end)  # type: ignore[arg-type]  # A leaf.
    for event in (starter.request(), starter.start(), starter.key()):
        await verification.handle(event.sender, event.type, event.content, None, None)
    starter.established = Sas().diffie_hellman(Sas().public_key)
    leaf.failure = failure
    event = starter.mac()
    await verification.handle(event.sender, event.type, event.content, None, None)
    assert told == [Ended(starter.user_id, None, False)]


@given(
    event=st.fixed_dictionaries(
        {
            "type": st.sampled_from(["m.room.message", "m.key.verification.start", "m.key.verification."])
            | anything
        },
        optional={
            "content": anything
            | st.fixed_dictionaries({"msgtype": st.just("m.key.verification.request") | anything}),
            "event_id": st.just("$event") | anything,
        },
    )
)
def test_steps_in_clear_are_read_or_refused(event: dict[str, Any]) -> None:
    """An unencrypted event is a verification step, something else, or malformed; nothing else comes of it."""
    try:
        step = read_plain_step(event, ROOM, MatrixId("@ada:home.test"))
    except Malformed:
        return
    assert step is None or step.type.startswith("m.key.verification.")
