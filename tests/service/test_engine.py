"""The engine: one event, one turn, whole or not at all, and one bad event never stops the others."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

import pytest

from schema.effects import SendText
from schema.errors import Unreachable
from schema.events import Message, Unreadable
from schema.ids import MatrixId, MemberId, RoomId
from schema.records import Member
from schema.states import Flood, Standing
from service.store import Store
from service.store.driver import Driver, Row, Step
from service.turn import Turn
from tests.clock import FakeClock
from tests.service.running import Running, message, reply


@pytest.fixture
def store(either: Store) -> Store:
    """An open database, of each kind in turn."""
    return either


def _member(turn: Turn, sender: MatrixId) -> Member:
    return Member(id=turn.identify(sender), matrix_id=sender, since=turn.now)


async def test_what_a_turn_wrote_and_what_it_does_come_together(store: Store) -> None:
    """Records are written, the effect is delivered, the inbox and the outbox are empty again."""

    async def dispatch(turn: Turn) -> None:
        assert isinstance(turn.event, Message)
        await turn.records.put(_member(turn, turn.event.sender))
        turn.do(reply("hello " + turn.event.body))

    async with Running(store, dispatch) as running:
        async with store.transaction("test") as transaction:
            await transaction.take_in([message("you")], running.clock.now())
        running.engine.wake()
        await running.until(lambda: len(running.sent) == 1)

        async def all_gone() -> bool:
            async with store.transaction("test") as transaction:
                return not await transaction.inbox(10) and not await transaction.outbox(10)

        await running.until(all_gone)
        assert running.sent[0][1] == reply("hello you")
        async with store.transaction("test") as transaction:
            kept = await transaction.get(Member, store.member_id(MatrixId("@ana:example.org")))
        assert kept is not None
        assert kept.matrix_id == "@ana:example.org"


async def test_a_turn_that_fails_changes_nothing_and_is_set_aside_with_an_apology(store: Store) -> None:
    """After three failures the sender's event comes back as unreadable; another's message is not held up."""
    tries: list[str] = []

    async def dispatch(turn: Turn) -> None:
        if isinstance(turn.event, Message) and turn.event.body == "bad":
            tries.append("bad")
            await turn.records.put(_member(turn, turn.event.sender))
            turn.do(reply("never"))
            raise ZeroDivisionError
        if isinstance(turn.event, Unreadable):
            turn.do(reply("please again"))
        elif isinstance(turn.event, Message):
            turn.do(reply("fine", "ben"))

    async with Running(store, dispatch) as running:
        async with store.transaction("test") as transaction:
            await transaction.take_in([message("bad"), message("good", who="ben")], running.clock.now())
        running.engine.wake()
        await running.until(lambda: len(running.sent) == 2)
        assert len(tries) == 4  # Once beside the other, then three times alone.
        assert {effect.body for _, effect in running.sent if isinstance(effect, SendText)} == {
            "please again",
            "fine",
        }
        async with store.transaction("test") as transaction:
            assert await transaction.get(Member, store.member_id(MatrixId("@ana:example.org"))) is None


async def test_more_messages_than_a_person_writes_are_marked(store: Store) -> None:
    """The first too many of one member, and those after it; another's beside them are heard as always."""
    seen: list[tuple[str, Flood]] = []

    async def dispatch(turn: Turn) -> None:
        assert isinstance(turn.event, Message)
        seen.append((turn.event.sender, turn.event.flood))

    async with Running(store, dispatch) as running:
        async with store.transaction("test") as transaction:
            events = [message("flood", number) for number in range(70)]
            await transaction.take_in([*events, message("hello", who="ben")], running.clock.now())
        running.engine.wake()
        await running.until(lambda: len(seen) == 71)
    floods = [flood for sender, flood in seen if sender == "@ana:example.org"]
    assert floods == [Flood.NONE] * 60 + [Flood.FIRST] + [Flood.MORE] * 9
    assert seen[-1] == ("@ben:example.org", Flood.NONE)


async def test_messages_that_wait_together_share_a_commit(store: Store) -> None:
    """Their turns come in order, each sees what the one before wrote; nothing leaves before the commit."""
    seen: list[tuple[str, str, int]] = []

    async def dispatch(turn: Turn) -> None:
        assert isinstance(turn.event, Message)
        member = await turn.records.get(Member, turn.identify(turn.event.sender))
        seen.append((turn.event.body, member.language if member else "", len(running.sent)))
        await turn.records.put(replace(_member(turn, turn.event.sender), language=turn.event.body))
        turn.do(reply(turn.event.body))

    words = [f"w{number}" for number in range(20)]
    async with store.transaction("test") as transaction:
        events = [message(word, number) for number, word in enumerate(words)]
        await transaction.take_in(events, FakeClock().now())
    async with Running(store, dispatch) as running:
        await running.until(lambda: len(running.sent) == len(words))
    assert [effect for _, effect in running.sent] == [reply(word) for word in words]
    assert [(word, before) for word, before, _ in seen] == list(zip(words, ["", *words[:-1]], strict=True))
    assert [sent for _, _, sent in seen[:16]] == [0] * 16


class _Counted:
    """The connection to a database: visits and commits are counted, but for what forgets what is sent."""

    begin: ClassVar[str]
    settings: ClassVar[tuple[str, ...]] = ()

    def __init__(self, inner: Driver) -> None:
        self._inner = inner
        self.dialect = inner.dialect
        type(self).begin = inner.begin
        self.visits = self.commits = 0

    @property
    def alive(self) -> bool:
        return self._inner.alive

    async def run(self, steps: Sequence[Step]) -> list[Row]:
        if not any(step.sql.startswith("DELETE FROM outbox") for step in steps):
            self.visits += 1
            self.commits += sum(step.sql == "COMMIT" for step in steps)
        return await self._inner.run(steps)

    async def rollback(self) -> None:
        await self._inner.rollback()


async def test_what_answers_cost_the_database(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages that came together are taken in by one commit and answered by one.

    Each commit is a visit to the database's thread, the look into the inbox is one, and so is each turn's own
    read. What was sent is forgotten together besides, at most five times a second.
    """

    async def dispatch(turn: Turn) -> None:
        assert isinstance(turn.event, Message)
        await turn.records.get(Member, turn.identify(turn.event.sender))
        await turn.records.put(_member(turn, turn.event.sender))
        turn.do(reply("answer"))

    async with Running(store, dispatch) as running:
        await running.until(lambda: running.clock.next_wake() is not None)
        for count in (1, 16):
            counted = _Counted(await store._ready())
            monkeypatch.setattr(store, "_driver", counted)
            running.sent.clear()
            async with store.transaction("test") as transaction:
                events = [message("hello", number, f"one-of-{count}") for number in range(count)]
                await transaction.take_in(events, running.clock.now())
            running.engine.wake()

            def all_sent(count: int = count) -> bool:
                return len(running.sent) == count

            await running.until(all_sent)
            assert (counted.visits, counted.commits) == (1 + 1 + count + 1, 2)
            monkeypatch.undo()


async def test_a_slow_turn_lets_the_answers_before_it_go(store: Store) -> None:
    """After a turn that took long no other joins its commit."""
    sent: list[int] = []

    async def dispatch(turn: Turn) -> None:
        sent.append(len(running.sent))
        await running.clock.advance(timedelta(seconds=1))
        turn.do(reply("later"))

    async with store.transaction("test") as transaction:
        await transaction.take_in([message("one", number) for number in range(3)], FakeClock().now())
    async with Running(store, dispatch) as running:
        await running.until(lambda: len(running.sent) == 3)
    assert sent[0] == 0
    assert sent[2] > 0


async def test_what_a_crash_left_in_the_inbox_is_handled_at_the_next_start(store: Store) -> None:
    """Nobody has to wake the engine for what was taken in before it started."""
    seen: list[str] = []

    async def dispatch(turn: Turn) -> None:
        assert isinstance(turn.event, Message)
        seen.append(turn.event.body)

    async with store.transaction("test") as transaction:
        await transaction.take_in([message("one"), message("two", 2)], Running(store, dispatch).clock.now())
    async with Running(store, dispatch) as running:
        await running.until(lambda: seen == ["one", "two"])


async def test_an_event_that_comes_twice_is_handled_once(store: Store) -> None:
    """The same event id is taken in once, however often a homeserver shows it."""
    seen: list[str] = []

    async def dispatch(turn: Turn) -> None:
        assert isinstance(turn.event, Message)
        seen.append(turn.event.body)

    async with Running(store, dispatch) as running:
        for _ in range(2):
            async with store.transaction("test") as transaction:
                await transaction.take_in([message("one")], running.clock.now())
            running.engine.wake()
            await running.until(lambda: bool(seen))
        async with store.transaction("test") as transaction:
            await transaction.take_in([message("two", 2)], running.clock.now())
        running.engine.wake()
        await running.until(lambda: "two" in seen)
        assert seen == ["one", "two"]


async def test_privacy_is_looked_at_when_the_message_is_handled(store: Store) -> None:
    """`private` is filled in by the engine, whatever the inbox says."""
    seen: list[bool] = []

    async def dispatch(turn: Turn) -> None:
        assert isinstance(turn.event, Message)
        seen.append(turn.event.private)

    async with Running(store, dispatch) as running:
        async with store.transaction("test") as transaction:
            await transaction.take_in([message("one")], running.clock.now())
        running.engine.wake()
        await running.until(lambda: seen == [True])


async def test_a_chat_that_is_not_known_yet_waits_and_holds_up_nobody(store: Store) -> None:
    """A message waits until who is in its room is known, in its order; others are handled meanwhile."""
    seen: list[str] = []
    known = False

    async def dispatch(turn: Turn) -> None:
        assert isinstance(turn.event, Message)
        assert turn.event.private
        seen.append(turn.event.body)

    def standing(room: RoomId, member: MatrixId) -> Standing:
        return Standing.PRIVATE if known or "ben" in room else Standing.UNKNOWN

    running = Running(store, dispatch, standing=standing)
    async with running:
        async with store.transaction("test") as transaction:
            events = [message(str(number), number) for number in range(150)]
            await transaction.take_in([*events, message("from ben", who="ben")], running.clock.now())
        running.engine.wake()
        await running.until(lambda: seen == ["from ben"])
        known = True
        running.engine.wake()
        await running.until(lambda: len(seen) == 151)
    assert seen[1:] == [str(number) for number in range(150)]


async def test_the_member_id_is_a_hash(store: Store) -> None:
    """A member's id says nothing of their name, and is the same each time."""
    found: list[MemberId] = []

    async def dispatch(turn: Turn) -> None:
        assert isinstance(turn.event, Message)
        found.append(turn.identify(turn.event.sender))

    async with Running(store, dispatch) as running:
        async with store.transaction("test") as transaction:
            await transaction.take_in([message("one"), message("two", 2)], running.clock.now())
        running.engine.wake()
        await running.until(lambda: len(found) == 2)
    assert found[0] == found[1]
    assert "ana" not in found[0]


async def test_a_row_that_does_not_open_stops_nobody(store: Store) -> None:
    """A row whose bytes were changed on disk is passed over, in the inbox and in the outbox."""
    seen: list[str] = []

    async def dispatch(turn: Turn) -> None:
        assert isinstance(turn.event, Message)
        seen.append(turn.event.body)

    now = FakeClock().now()
    async with store.transaction("test") as transaction:
        await transaction.take_in([message("spoilt"), message("whole", 2)], now)
        await transaction.add_effects([("a", "near", reply("spoilt")), ("b", "near", reply("whole"))], now)
    driver = await store._ready()
    for table in ("inbox", "outbox"):
        # The first row alone is broken: by its length, which both kinds of database can cut.
        await driver.run([Step(f"UPDATE {table} SET sealed = substr(sealed, 1, 40) WHERE seq = 1", ())])
    async with Running(store, dispatch) as running:
        await running.until(lambda: seen == ["whole"])
        await running.until(lambda: [effect for _, effect in running.sent] == [reply("whole")])


async def test_a_database_that_comes_back_serves_the_same_task(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that could not be made once leaves nothing behind that refuses the next transaction."""
    ready = store._ready

    async def down() -> Driver:
        raise Unreachable("database: connection refused")

    monkeypatch.setattr(store, "_ready", down)
    with pytest.raises(Unreachable):
        async with store.transaction("test"):
            pass
    monkeypatch.setattr(store, "_ready", ready)
    async with store.transaction("test") as transaction:
        assert await transaction.inbox(1) == []
