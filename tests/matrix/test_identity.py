"""The identity under loss and malformed answers, and its chain broken at each link."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.errors import AlongsideError, IdentityLost, Malformed, OperatorError, WorldError
from schema.ids import MatrixId
from service.matrix import identity
from service.matrix.border import canonical, unpadded
from service.matrix.identity import Identity, signed_by
from tests.matrix.keys import PASSWORD, USER, Keys
from tests.matrix.rooms import Fault

OURS = MatrixId(USER)
FAULTS: tuple[Fault, ...] = ("lost", "unanswered", "throttled")


class Rows:
    """The instance's rows, in memory; each state they were in is remembered."""

    def __init__(self) -> None:
        self.rows: dict[str, bytes] = {}
        self.written: list[bytes] = []

    @asynccontextmanager
    async def transaction(self, name: str) -> AsyncIterator["Rows"]:
        """One transaction."""
        yield self

    async def read_instance(self, name: str) -> bytes | None:
        """The row, if there is one."""
        return self.rows.get(name)

    async def write_instance(self, name: str, value: bytes | None) -> None:
        """Write the row."""
        assert value is not None
        self.rows[name] = value
        self.written.append(value)


def device() -> dict[str, Any]:
    """Our device's keys, as uploaded."""
    keys = {"ed25519:DESK": unpadded(b"d" * 32), "curve25519:DESK": unpadded(b"c" * 32)}
    signatures = {USER: {"ed25519:DESK": unpadded(b"s" * 64)}}
    return {"user_id": USER, "device_id": "DESK", "algorithms": [], "keys": keys, "signatures": signatures}


def homeserver(faults: dict[int, Fault] | None = None) -> Any:
    """A homeserver that has our device and no identity."""
    keys = Keys(faults)
    keys.devices["DESK"] = device()
    return keys


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("new", [False, True])
async def test_one_identity_whatever_is_lost(fault: Fault, new: bool) -> None:
    """Each request fails in turn: afterwards what is published is what is kept, and the device is signed."""

    async def prepare(faults: dict[int, Fault]) -> tuple[Any, Rows]:
        server, rows = homeserver(), Rows()
        if new:
            await identity.establish(server, Rows(), OURS, device())
            server.count = 0
        server.faults = faults
        return server, rows

    calm, rows = await prepare({})
    await identity.establish(calm, rows, OURS, device(), password=PASSWORD, new=new)
    for number in range(1, calm.count + 1):
        server, rows = await prepare({number: fault})
        with pytest.raises(WorldError):
            await identity.establish(server, rows, OURS, device(), password=PASSWORD, new=new)
        made = await identity.establish(server, rows, OURS, device(), password=PASSWORD, new=new)
        read = await identity.verify_published(server, rows, OURS, device())
        assert made.master == read.master
        assert len(server.ever) == (6 if new else 3)
        assert server.devices["DESK"]["signatures"][USER].keys() >= {"ed25519:DESK"}
        assert json.loads(rows.written[-1])["next"] is None


async def test_the_seeds_are_kept_before_anything_is_published() -> None:
    """At the moment of the first upload the seeds are in the database already."""
    server, rows = homeserver({2: "lost"}), Rows()
    with pytest.raises(WorldError):
        await identity.establish(server, rows, OURS, device())
    assert server.calls == ["own keys query", "identity upload"]
    kept = Identity.unpack(OURS, json.loads(rows.written[-1])["next"])
    made = await identity.establish(server, rows, OURS, device())
    assert kept.master == made.master


async def test_an_old_identity_stays_until_the_new_one_is_published() -> None:
    """A wrong password while replacing an identity costs nothing: the old one is still kept and whole."""
    server, rows = homeserver(), Rows()
    first = await identity.establish(server, rows, OURS, device())
    with pytest.raises(OperatorError, match="password is wrong"):
        await identity.establish(server, rows, OURS, device(), password="wrong", new=True)
    assert (await identity.verify_published(server, rows, OURS, device())).master == first.master
    second = await identity.establish(server, rows, OURS, device(), password=PASSWORD, new=True)
    assert second.master != first.master
    assert (await identity.verify_published(server, rows, OURS, device())).master == second.master


def drop(part: str) -> Callable[[Any], None]:
    """Take a published key away."""
    return lambda server: server.keys.pop(part)


def swap(part: str) -> Callable[[Any], None]:
    """Put another identity's key in the place of a published one."""

    def change(server: Any) -> None:
        server.keys[part] = Identity.new(OURS).keys()[part]

    return change


def spoil(part: str, **fields: Any) -> Callable[[Any], None]:
    """Change fields of a published key."""
    return lambda server: server.keys[part].update(fields)


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        (drop("master_key"), "not published any more"),
        (swap("master_key"), "another identity"),
        (spoil("master_key", usage=["self_signing"]), "another identity"),
        (spoil("master_key", user_id="@other:home.test"), "another identity"),
        (drop("self_signing_key"), "self-signing key"),
        (swap("self_signing_key"), "self-signing key"),
        (spoil("self_signing_key", signatures={}), "self-signing key"),
        (spoil("self_signing_key", signatures={USER: {"ed25519:x": "y"}}), "self-signing key"),
        (spoil("self_signing_key", more="unsigned before"), "self-signing key"),
        (drop("user_signing_key"), "user-signing key"),
        (swap("user_signing_key"), "user-signing key"),
        (lambda server: server.devices.clear(), "other encryption keys"),
        (lambda server: server.devices["DESK"]["keys"].pop("curve25519:DESK"), "other encryption keys"),
    ],
)
async def test_each_broken_link_stops_the_start(broken: Callable[[Any], None], what: str) -> None:
    """A link of the published chain that is missing, foreign or broken stops the service, which says so."""
    server, rows = homeserver(), Rows()
    await identity.establish(server, rows, OURS, device())
    broken(server)
    uploads = server.calls.count("identity upload")
    with pytest.raises(IdentityLost, match=what) as lost:
        await identity.verify_published(server, rows, OURS, device())
    assert lost.value.fix
    assert USER not in str(lost.value)
    assert server.calls.count("identity upload") == uploads


async def test_an_unsigned_device_is_signed_again_at_start() -> None:
    """A signature that is gone, as after a new log-in, is put back by the same identity."""
    server, rows = homeserver(), Rows()
    first = await identity.establish(server, rows, OURS, device())
    server.devices["DESK"] = device()
    again = await identity.verify_published(server, rows, OURS, device())
    assert again.master == first.master
    server.devices["DESK"] = device()
    server.refuse_signatures = True
    with pytest.raises(IdentityLost, match="refused the signature"):
        await identity.verify_published(server, rows, OURS, device())


async def test_half_an_identity_is_completed_and_not_sent_twice() -> None:
    """Synapse fails on a key that it has already, so that only what is missing is sent."""
    server, rows = homeserver(), Rows()
    await identity.establish(server, rows, OURS, device())
    public = server.keys.pop("user_signing_key")["keys"]
    server.ever -= set(public.values())
    await identity.establish(server, rows, OURS, device(), password=PASSWORD)
    await identity.verify_published(server, rows, OURS, device())


@pytest.mark.parametrize(
    "lost", [("master_key", "self_signing_key", "user_signing_key"), ("self_signing_key",)]
)
async def test_an_identity_that_is_not_taken_back(lost: tuple[str, ...]) -> None:
    """Where the homeserver lost keys and fails at taking them again, a new one is the operator's to make."""
    server, rows = homeserver(), Rows()
    first = await identity.establish(server, rows, OURS, device())
    for name in lost:
        del server.keys[name]
    with pytest.raises(IdentityLost, match="fails when it is given the same key again") as told:
        await identity.establish(server, rows, OURS, device(), password=PASSWORD)
    assert "--new-identity" in told.value.fix
    second = await identity.establish(server, rows, OURS, device(), password=lambda: PASSWORD, new=True)
    assert second.master != first.master
    await identity.verify_published(server, rows, OURS, device())


@pytest.mark.parametrize("row", [b"", b"[]", b"{}", b'{"user_id":1,"seeds":["x"],"next":null}'])
async def test_a_broken_row_is_an_operators_matter(row: bytes) -> None:
    """What is kept and cannot be read stops the service with an explanation, and is not overwritten."""
    server, rows = homeserver(), Rows()
    rows.rows[identity.ROW] = row
    for step in (identity.verify_published, identity.establish):
        with pytest.raises(IdentityLost):
            await step(server, rows, OURS, device())
    assert rows.rows[identity.ROW] == row


async def test_another_accounts_row_is_refused() -> None:
    """A database that was made for another account is not used."""
    server, rows = homeserver(), Rows()
    await identity.establish(server, rows, OURS, device())
    with pytest.raises(IdentityLost, match="another account"):
        await identity.verify_published(server, rows, MatrixId("@other:home.test"), device())


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_keepers_key_whatever_is_lost(fault: Fault) -> None:
    """Publishing is done once, through every loss; nothing of the private half is kept."""
    calm = homeserver()
    assert await identity.publish_keeper_master(calm, OURS)
    for number in range(1, calm.count + 1):
        server = homeserver({number: fault})
        with pytest.raises(WorldError):
            await identity.publish_keeper_master(server, OURS)
        await identity.publish_keeper_master(server, OURS)
        assert not await identity.publish_keeper_master(server, OURS)
        assert len(server.ever) == 2
        assert signed_by(
            server.keys["self_signing_key"], USER, next(iter(server.keys["master_key"]["keys"].values()))
        )


def test_the_fingerprint_is_the_master_key() -> None:
    """What is published for people to compare is the whole key, and its representation gives no seed away."""
    ours = Identity(OURS, (b"1" * 32, b"2" * 32, b"3" * 32))
    assert ours.fingerprint().replace(" ", "") == ours.master
    assert all(len(group) <= 4 for group in ours.fingerprint().split())
    assert b"1".hex() * 4 not in repr(ours)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ({}, "{}"),
        ({"one": 1, "two": "Two"}, '{"one":1,"two":"Two"}'),
        ({"b": "2", "a": "1"}, '{"a":"1","b":"2"}'),
        ({"a": "日本語"}, '{"a":"日本語"}'),
        ({"本": 2, "日": 1}, '{"日":1,"本":2}'),
        ({"a": None, "b": [True, {"d": "\\", "c": "\n"}]}, '{"a":null,"b":[true,{"c":"\\n","d":"\\\\"}]}'),
    ],
)
def test_canonical_json_of_the_specification(value: object, form: str) -> None:
    """The examples of the specification's appendix, and what they leave out."""
    assert canonical(value) == form.encode()


@pytest.mark.parametrize(
    "value", [0.5, 2**53, -(2**53), "\ud800", {1: 2}, {"a": [float("nan")]}, b"x", {"x"}]
)
def test_what_has_no_canonical_form(value: object) -> None:
    """Fractions, too large integers, half surrogates and what is no JSON are refused."""
    with pytest.raises(Malformed):
        canonical(value)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@given(anything)
def test_canonical_json_is_itself_again_or_refused(value: object) -> None:
    """Every JSON value is refused, or its form reads back as the same value and has the same form again."""
    try:
        form = canonical(value)
    except Malformed:
        return
    assert json.loads(form) == value
    assert canonical(json.loads(form)) == form


PUBLIC = Identity.new(OURS)


@given(
    value=anything
    | st.fixed_dictionaries(
        {
            "signatures": anything
            | st.fixed_dictionaries(
                {USER: anything | st.dictionaries(st.just(f"ed25519:{PUBLIC.master}"), anything)}
            )
        }
    )
)
def test_no_signature_is_taken_from_garbage(value: object) -> None:
    """Whatever is no right signature is false, and nothing is raised."""
    assert not signed_by(value, USER, PUBLIC.master)


NAMES = ("device_keys", "master_keys", "self_signing_keys", "user_signing_keys", "failures")


class Answers:
    """A homeserver that gives one answer to everything."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def request(self, *args: Any, **more: Any) -> Any:
        """The answer."""
        return self.answer


key = anything | st.fixed_dictionaries({"user_id": anything, "usage": anything, "keys": anything})


@given(st.dictionaries(st.sampled_from(NAMES), anything | st.dictionaries(st.just(USER), key), max_size=5))
async def test_no_answer_breaks_the_start(answer: dict[str, Any]) -> None:
    """Whatever a homeserver answers, the start ends in one of our errors, and makes nothing new."""
    leaf: Any = Answers(answer)
    rows = Rows()
    rows.rows[identity.ROW] = json.dumps({"user_id": USER, "seeds": PUBLIC.pack(), "next": None}).encode()
    with pytest.raises(AlongsideError):
        await identity.verify_published(leaf, rows, OURS, device())
    assert rows.written == []
