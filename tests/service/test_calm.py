"""Who writes or asks more than a person does: told once, heard again when it is calm, forgotten soon."""

from schema.ids import EventId, MatrixId, MemberId
from schema.states import Flood
from service.calm import Calm, Levels
from service.core.pace import Pace

ANA, BEN = MatrixId("@ana:example.org"), MatrixId("@ben:example.org")


class Watch:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_flood_is_told_once_and_another_person_is_heard() -> None:
    """After the first too many all are silent, until it is calm; a flood after that is told again."""
    watch = Watch()
    calm = Calm(watch, 20)
    heard = [calm.message(ANA, EventId(f"${number}")) for number in range(30)]
    assert heard == [Flood.NONE] * 20 + [Flood.FIRST] + [Flood.MORE] * 9
    assert calm.message(BEN, EventId("$ben")) is Flood.NONE
    watch.now += 51
    assert calm.message(ANA, EventId("$calm")) is Flood.NONE
    again = [calm.message(ANA, EventId(f"$again{number}")) for number in range(20)]
    assert again.count(Flood.FIRST) == 1


def test_whoever_goes_on_is_not_heard_in_between() -> None:
    """One message a second after the flood: silence to its end, and then calm as soon as after any other."""
    watch = Watch()
    calm = Calm(watch, 20)
    for number in range(25):
        calm.message(ANA, EventId(f"${number}"))
    for number in range(200):
        watch.now += 1
        assert calm.message(ANA, EventId(f"$on{number}")) is Flood.MORE
    watch.now += 51
    assert calm.message(ANA, EventId("$calm")) is Flood.NONE


def test_nothing_is_remembered_longer_than_an_hour() -> None:
    """Whatever a community lets one person write at once."""
    watch = Watch()
    levels = Levels(Pace(100_000, 5.0), watch)
    for who in ("ana", *["ben"] * 1000):
        levels.count(who)
    watch.now += 3600
    assert levels.count("ben").used > 1
    watch.now += 1
    assert levels.count("cleo").used == 1
    assert not levels.was_over("ana")
    watch.now += 3601
    assert levels.count("ben").used == 1


def test_an_event_that_comes_twice_is_answered_both_times() -> None:
    """A turn that was not committed is taken again, and its kind answer must not be lost."""
    calm = Calm(Watch(), 20)
    for number in range(20):
        calm.message(ANA, EventId(f"${number}"))
    assert [calm.message(ANA, EventId("$over")) for _ in range(3)] == [Flood.FIRST] * 3
    assert calm.message(ANA, EventId("$other")) is Flood.MORE


def test_requests_wait_for_calm_and_are_counted_by_person() -> None:
    """The sixth at once is told how long, and another member's counts for itself."""
    watch = Watch()
    calm = Calm(watch, 20)
    waits = [calm.request(MemberId("a")) for _ in range(6)]
    assert not any(waits[:5])
    assert 0 < waits[5].total_seconds() <= 3600
    assert not calm.request(MemberId("b"))
    watch.now += waits[5].total_seconds() + 1
    assert not calm.request(MemberId("a"))


def test_nobody_is_remembered_longer_than_it_counts() -> None:
    """Not an hour after the last of theirs is anything left, and there are never more than a bound."""
    watch = Watch()
    levels = Levels(Pace(5, 720), watch)
    for number in range(20_000):
        levels.count(f"{number}")
    assert len(levels._levels) == 10_000
    watch.now += 3601
    levels.count("new")
    assert list(levels._levels) == ["new"]
