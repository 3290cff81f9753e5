"""Asking for people's devices: whatever homeservers answer, nobody's part of it costs anybody else theirs."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schema.errors import HomeserverRefused, Throttled, Unreachable, WorldError
from schema.ids import MatrixId
from service.matrix import border
from tests.matrix.desk import Desk
from tests.matrix.generated import ANYTHING, OBJECTS, mutated, often
from tests.matrix.homeserver import Homeserver
from tests.matrix.peer import Peer

ALICE = MatrixId("@alice:home.test")
CAROL = MatrixId("@carol:far.test")
OTHERS = [CAROL, *map(MatrixId, ("@bob:home.test", "@dan:far.test", "@:[::1]", "@é:far.test:8448"))]
KINDS = ("device_keys", "master_keys", "self_signing_keys")

faults = st.sampled_from(
    [HomeserverRefused(400, "M_UNKNOWN", "keys query"), Unreachable("keys query"), Throttled(1.0)]
)


def published(server: Homeserver, user: MatrixId) -> dict[str, Any]:
    """What a homeserver says of somebody who has one device, signed by their identity."""
    Peer(server, user).cross_sign()
    return {"device_keys": {user: server.devices[user]}} | {
        kind: {user: server.cross_signing[user][kind]} for kind in KINDS[1:]
    }


@often
@given(data=st.data())
async def test_any_answer_about_people(server: Homeserver, desk: Desk, data: st.DataObject) -> None:
    """One who is answered for is known, whatever stands beside; whoever is not is asked again, later."""
    good, carol = published(server, ALICE), published(server, CAROL)
    answers = data.draw(st.lists(OBJECTS | mutated(carol) | faults, min_size=1, max_size=3))
    broken = data.draw(st.none() | st.fixed_dictionaries({"far.test": ANYTHING}))
    turns = 0

    async def query(path: str, body: Any) -> dict[str, Any]:
        nonlocal turns
        asked = body["device_keys"].keys()
        if asked == {ALICE}:
            return good
        turns += 1
        answer = answers[turns % len(answers)]
        if isinstance(answer, Exception):
            raise answer
        beside = {kind: border.part(answer, kind) for kind in KINDS if kind in answer}
        told = (
            {kind: {**border.part(beside, kind), **good[kind]} for kind in KINDS}
            if ALICE in asked
            else beside
        )
        return {**answer, **told} | ({} if broken is None else {"failures": broken})

    directory, people = desk.client.directory, desk.client.machine.people
    people.clear()
    await directory.refresh([], 1.0)
    server.fail("keys query", query, times=1000)
    for _ in range(6):
        before = turns
        await directory.refresh([ALICE, *OTHERS], 5.0, urgent=True)
        told = not any(isinstance(answer, WorldError) for answer in answers)
        assert not told or not people[ALICE].stale
        again = directory.next_try()
        assert (again is None) == (not any(person.stale for person in people.values()))
        assert again is None or desk.clock.monotonic() < again <= desk.clock.monotonic() + 3600
        assert turns - before <= 20
    # Whom a homeserver fails over is asked about apart from the others in the end.
    assert [device.device_id for device in people[ALICE].counting()] == ["PEER"]
    server.faults.clear()
