"""When something comes back: what members type is read whole or not at all, and what is said reads back."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.rhythm import lexicon, said
from schema.records import Rhythm
from service.core.recurrence import walls
from service.core.when import LONGEST, Lexicon, Reason, Unread, read
from tests.handlers.story import WORDS

LEXICONS = {language: lexicon(WORDS, language) for language in WORDS.languages}
NOW = datetime(2026, 11, 25, 11)  # noqa: DTZ001  What the clock on a member's wall shows, on a Wednesday.
TODAY = NOW.date()
MON, TUE, WED, THU, FRI, SAT, SUN = range(7)
WORKDAYS = (MON, TUE, WED, THU, FRI)


def once(day: str, minute: int) -> Rhythm:
    """That day of the next months, at the minute since midnight."""
    return Rhythm("once", date.fromisoformat(day), minute)


def weekly(start: str, minute: int, *days: int, step: int = 1) -> Rhythm:
    """On those days, from the start on."""
    return Rhythm("weeks", date.fromisoformat(start), minute, step, days)


def daily(start: str, minute: int, step: int = 1) -> Rhythm:
    """Each so many days."""
    return Rhythm("days", date.fromisoformat(start), minute, step)


def monthly(start: str, minute: int, *days: int, nth: int = 0, month_day: int = 0, step: int = 1) -> Rhythm:
    """On one day of the month."""
    return Rhythm("months", date.fromisoformat(start), minute, step, days, nth, month_day)


H = 60
ENGLISH = {
    "every friday 17:00": weekly("2026-11-27", 17 * H, FRI),
    "Every Friday, 17.00!": weekly("2026-11-27", 17 * H, FRI),
    "fridays at 5pm": weekly("2026-11-27", 17 * H, FRI),
    "fridays at 5 p.m.": weekly("2026-11-27", 17 * H, FRI),
    "fridays at 5": weekly("2026-11-27", 5 * H, FRI),
    "fridays around 5": weekly("2026-11-27", 5 * H, FRI),
    "every day at about 7ish": daily("2026-11-26", 7 * H),
    "5 o'clock in the afternoon on fridays": weekly("2026-11-27", 17 * H, FRI),
    "weekdays at 9": weekly("2026-11-26", 9 * H, *WORKDAYS),
    "every weekday at 12": weekly("2026-11-25", 12 * H, *WORKDAYS),
    "monday to friday 9:00": weekly("2026-11-26", 9 * H, *WORKDAYS),
    "mon-fri 9": weekly("2026-11-26", 9 * H, *WORKDAYS),
    "every weekend at 11": weekly("2026-11-28", 11 * H, SAT, SUN),
    "monday, wednesday and friday at noon": weekly("2026-11-25", 12 * H, MON, WED, FRI),
    "mon/wed/fri 9:30": weekly("2026-11-27", 9 * H + 30, MON, WED, FRI),
    "sat to mon 8:00": weekly("2026-11-28", 8 * H, MON, SAT, SUN),
    "every wednesday evening at 7": weekly("2026-11-25", 19 * H, WED),
    "quarter to nine every monday": weekly("2026-11-30", 8 * H + 45, MON),
    "every other week on tuesday 18:00": weekly("2026-12-01", 18 * H, TUE, step=2),
    "every other tuesday at 6 pm": weekly("2026-12-01", 18 * H, TUE, step=2),
    "every second tuesday at 6 pm": weekly("2026-12-01", 18 * H, TUE, step=2),
    "every 3rd tuesday at 6 pm": weekly("2026-12-01", 18 * H, TUE, step=3),
    "fortnightly on thursday, 7am": weekly("2026-11-26", 7 * H, THU, step=2),
    "every 2 weeks on monday at 9 from 7 december": weekly("2026-12-07", 9 * H, MON, step=2),
    "every two weeks from next monday at 9": weekly("2026-11-30", 9 * H, MON, step=2),
    "every 3 days at 20:30": daily("2026-11-25", 20 * H + 30, 3),
    "every third day at 10": daily("2026-11-26", 10 * H, 3),
    "every other day at 10": daily("2026-11-26", 10 * H, 2),
    "every day at midnight": daily("2026-11-26", 0),
    "daily at 7.30": daily("2026-11-26", 7 * H + 30),
    "every night at 9": daily("2026-11-25", 21 * H),
    "every morning at 8": daily("2026-11-26", 8 * H),
    "mornings at 8": daily("2026-11-26", 8 * H),
    "monday mornings at 9": weekly("2026-11-30", 9 * H, MON),
    "9 every day": daily("2026-11-26", 9 * H),
    "10 tomorrow": once("2026-11-26", 10 * H),
    "1st of the month, 9am": monthly("2026-12-01", 9 * H, month_day=1),
    "fridays at 1730": weekly("2026-11-27", 17 * H + 30, FRI),
    "check in with me every friday at 5pm, please": weekly("2026-11-27", 17 * H, FRI),
    "weekday mornings at 8": weekly("2026-11-26", 8 * H, *WORKDAYS),
    "every day at 9 at night": daily("2026-11-25", 21 * H),
    "every day at 12 am": daily("2026-11-26", 0),
    "every day at 12 pm": daily("2026-11-25", 12 * H),
    "first monday of the month 10:00": monthly("2026-12-07", 10 * H, MON, nth=1),
    "on the 1st monday of each month at 10": monthly("2026-12-07", 10 * H, MON, nth=1),
    "every first monday at 10": monthly("2026-12-07", 10 * H, MON, nth=1),
    "every second tuesday of the month 10:00": monthly("2026-12-08", 10 * H, TUE, nth=2),
    "the last friday of every month at half past 5 pm": monthly("2026-11-27", 17 * H + 30, FRI, nth=-1),
    "every month on the last friday at 6pm": monthly("2026-11-27", 18 * H, FRI, nth=-1),
    "last day of the month 10:00": monthly("2026-11-30", 10 * H, month_day=-1),
    "on the 15th of each month at 10": monthly("2026-12-15", 10 * H, month_day=15),
    "every month on the 1st at noon": monthly("2026-12-01", 12 * H, month_day=1),
    "every other month on day 31 at 10": monthly("2026-11-30", 10 * H, month_day=31, step=2),
    "every 3 months on the first monday at 10": monthly("2026-12-07", 10 * H, MON, nth=1, step=3),
    "every year on 3 december at 10": monthly("2026-12-03", 10 * H, month_day=3, step=12),
    "tomorrow 8am": once("2026-11-26", 8 * H),
    "tomorrow morning at 8": once("2026-11-26", 8 * H),
    "the day after tomorrow at 8:15": once("2026-11-27", 8 * H + 15),
    "tonight at 9": once("2026-11-25", 21 * H),
    "today at 12": once("2026-11-25", 12 * H),
    "friday 17:00": once("2026-11-27", 17 * H),
    "wednesday 10:00": once("2026-12-02", 10 * H),
    "next friday at 5pm": once("2026-11-27", 17 * H),
    "once on 3 December 14:00": once("2026-12-03", 14 * H),
    "december 3 at 2pm": once("2026-12-03", 14 * H),
    "3rd of december, 2pm": once("2026-12-03", 14 * H),
    "3 dec 2027 14h30": once("2027-12-03", 14 * H + 30),
    "1 march 8:00": once("2027-03-01", 8 * H),
    "25 november 10:00": once("2027-11-25", 10 * H),
    "29 february 10:00": once("2028-02-29", 10 * H),
    "friday 27 november 17:00": once("2026-11-27", 17 * H),
    "on the 15th at 10": once("2026-12-15", 10 * H),
    "2026-12-24 18:00": once("2026-12-24", 18 * H),
    "31/12/2026 at 5pm": once("2026-12-31", 17 * H),
    "in 3 days at 10:00": once("2026-11-28", 10 * H),
    "in two weeks at 10": once("2026-12-09", 10 * H),
    "tomorow at 9am": once("2026-11-26", 9 * H),
    "evrey firday at 17:00": weekly("2026-11-27", 17 * H, FRI),
    "in 2 minutes": once("2026-11-25", 11 * H + 2),
    "check in with me in an hour": once("2026-11-25", 12 * H),
    "in half an hour please": once("2026-11-25", 11 * H + 30),
    "in 1 hour and 20 min": once("2026-11-25", 12 * H + 20),
    "in 14 hours": once("2026-11-26", 1 * H),
}
SPANISH = {
    "todos los viernes a las 17:00": weekly("2026-11-27", 17 * H, FRI),
    "cada viernes a las 17h": weekly("2026-11-27", 17 * H, FRI),
    "todos los dias a eso de las 7 y pico": daily("2026-11-26", 7 * H),
    "cada viernes sobre las 17": weekly("2026-11-27", 17 * H, FRI),
    "los viernes a las 5 de la tarde": weekly("2026-11-27", 17 * H, FRI),
    "sabados 10:00": weekly("2026-11-28", 10 * H, SAT),
    "entre semana a las 9": weekly("2026-11-26", 9 * H, *WORKDAYS),
    "de lunes a viernes a las 9": weekly("2026-11-26", 9 * H, *WORKDAYS),
    "cada fin de semana a las 11": weekly("2026-11-28", 11 * H, SAT, SUN),
    "lunes, miércoles y viernes al mediodía": weekly("2026-11-25", 12 * H, MON, WED, FRI),
    "lunes, miercoles y viernes al mediodia": weekly("2026-11-25", 12 * H, MON, WED, FRI),
    "a la una de la tarde los domingos": weekly("2026-11-29", 13 * H, SUN),
    "cada dos semanas los martes a las 9": weekly("2026-12-01", 9 * H, TUE, step=2),
    "cada dos martes a las 9": weekly("2026-12-01", 9 * H, TUE, step=2),
    "una semana sí y otra no, los martes a las 9": weekly("2026-12-01", 9 * H, TUE, step=2),
    "cada quince días los lunes a las 10": weekly("2026-11-30", 10 * H, MON, step=2),
    "cada 15 días a las 10": daily("2026-11-26", 10 * H, 15),
    "cada 3 días a las 20:30": daily("2026-11-25", 20 * H + 30, 3),
    "un día sí y otro no a las 10": daily("2026-11-26", 10 * H, 2),
    "todos los días a las once": daily("2026-11-26", 11 * H),
    "todas las noches a las 9": daily("2026-11-25", 21 * H),
    "los lunes por las noches a las 9": weekly("2026-11-30", 21 * H, MON),
    "todos los días laborables a las 9": weekly("2026-11-26", 9 * H, *WORKDAYS),
    "a diario a las 7 y media": daily("2026-11-26", 7 * H + 30),
    "a las 9 menos cuarto todos los días": daily("2026-11-26", 8 * H + 45),
    "todos los días a medianoche": daily("2026-11-26", 0),
    "el primer lunes del mes a las 10": monthly("2026-12-07", 10 * H, MON, nth=1),
    "el primer lunes de cada mes a las 10": monthly("2026-12-07", 10 * H, MON, nth=1),
    "el último viernes de cada mes a las 9 de la noche": monthly("2026-11-27", 21 * H, FRI, nth=-1),
    "el ultimo dia del mes a las 10:00": monthly("2026-11-30", 10 * H, month_day=-1),
    "el 15 de cada mes a las 10": monthly("2026-12-15", 10 * H, month_day=15),
    "todos los meses el día 15 a las 10": monthly("2026-12-15", 10 * H, month_day=15),
    "cada año el 3 de diciembre a las 10": monthly("2026-12-03", 10 * H, month_day=3, step=12),
    "mañana a las 8 de la mañana": once("2026-11-26", 8 * H),
    "manana a las 8": once("2026-11-26", 8 * H),
    "mañana por la mañana a las 8": once("2026-11-26", 8 * H),
    "pasado mañana a las 8": once("2026-11-27", 8 * H),
    "una vez el 3 de diciembre a las 14:00": once("2026-12-03", 14 * H),
    "3 dic 14h": once("2026-12-03", 14 * H),
    "el viernes a las 17": once("2026-11-27", 17 * H),
    "el próximo viernes a las 17": once("2026-11-27", 17 * H),
    "el viernes que viene a las 17": once("2026-11-27", 17 * H),
    "dentro de 3 días a las 10": once("2026-11-28", 10 * H),
    "todos los vienres a las 17": weekly("2026-11-27", 17 * H, FRI),
    "en dos horas": once("2026-11-25", 13 * H),
    "dentro de media hora": once("2026-11-25", 11 * H + 30),
}


@pytest.mark.parametrize(
    ("language", "text", "rhythm"),
    [
        (language, text, rhythm)
        for language, sentences in (("en", ENGLISH), ("es", SPANISH))
        for text, rhythm in sentences.items()
    ],
)
def test_a_sentence_is_read(language: str, text: str, rhythm: Rhythm) -> None:
    """Each form that people use; accents, capitals and punctuation do not matter."""
    assert read(text, LEXICONS[language], NOW) == rhythm
    assert read(f"  {text.upper()} ", LEXICONS[language], NOW) == rhythm


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Reason.HOUR),
        ("friday", Reason.HOUR),
        ("every fridge at 9", Reason.WORD),
        ("every day at 25:00", Reason.HOUR),
        ("every day at 24", Reason.HOUR),
        ("every day at 17:60", Reason.HOUR),
        ("every day at 15 in the morning", Reason.HOUR),
        ("at 5", Reason.DAY),
        ("every week at 9", Reason.DAY),
        ("every month at 9", Reason.DAY),
        ("every month on friday at 9", Reason.DAY),
        ("every year at 9", Reason.DAY),
        ("30 february 10:00", Reason.DATE),
        ("29 february 2027 10:00", Reason.DATE),
        ("thursday 27 november 17:00", Reason.DATE),
        ("2026-13-01 10:00", Reason.DATE),
        ("3/12 at 5", Reason.ORDER),
        ("3/12/2026 at 5", Reason.ORDER),
        ("today at 10", Reason.PAST),
        ("3 december 2025 14:00", Reason.PAST),
        ("3 december 2099 14:00", Reason.FAR),
        ("in 9999999 days at 10", Reason.FAR),
        ("every 99 weeks on monday 9:00", Reason.FAR),
        ("every 2 hours", Reason.OFTEN),
        ("in 2 hours at 9", Reason.HOURS),
        ("in 0 minutes", Reason.UNCLEAR),
        ("in 200 hours", Reason.FAR),
        ("every minute", Reason.OFTEN),
        ("twice a day", Reason.OFTEN),
        ("2 mondays at 9", Reason.UNCLEAR),
        ("every day at 9 and 21:00", Reason.HOURS),
        ("every day at 9 until friday", Reason.END),
        ("for 8 weeks every day at 9", Reason.END),
        ("first and third monday of the month 10:00", Reason.UNCLEAR),
        ("fifth monday of the month 10:00", Reason.UNCLEAR),
        ("once every friday 10:00", Reason.UNCLEAR),
        ("every day on friday 10:00", Reason.UNCLEAR),
        ("every 0 days at 9", Reason.UNCLEAR),
        ("every day 3 december 9:00", Reason.UNCLEAR),
        ("every day at 9 " * 20, Reason.UNCLEAR),
        ("9 " * 100, Reason.UNCLEAR),
    ],
)
def test_what_is_not_read_has_its_reason(text: str, reason: Reason) -> None:
    """Nothing is half understood: the reason says where the examples are to begin."""
    found = read(text, LEXICONS["en"], NOW)
    assert isinstance(found, Unread)
    assert found.reason == reason


def test_a_word_that_is_not_known_is_named() -> None:
    """So that a slip can be seen; so is one that could be two."""
    assert read("every fridge at 9", LEXICONS["en"], NOW) == Unread(Reason.WORD, "fridge")
    assert read("every munday at 9", LEXICONS["en"], NOW) == Unread(Reason.WORD, "munday")


@pytest.mark.parametrize(
    ("zone", "now", "said"),
    [
        # The clock goes forward at 2:00, and back at 3:00.
        ("Europe/Berlin", "2026-03-29T00:30", "2026-03-29T04:30"),
        ("Europe/Berlin", "2026-10-25T00:30", "2026-10-25T02:30"),
        ("Asia/Kolkata", "2026-10-25T23:10", "2026-10-26T02:10"),
    ],
)
def test_hours_from_now_are_hours_that_pass(zone: str, now: str, said: str) -> None:
    """Whatever the clock on the wall does meanwhile."""
    place = ZoneInfo(zone)
    begun = datetime.fromisoformat(now).replace(tzinfo=place).astimezone(UTC)

    def ahead(length: timedelta) -> datetime:
        return (begun + length).astimezone(place).replace(tzinfo=None, fold=0)

    found = read("in 3 hours", LEXICONS["en"], ahead(timedelta()), ahead)
    assert isinstance(found, Rhythm)
    assert next(walls(found, ahead(timedelta()))) == datetime.fromisoformat(said)


_DATES = st.dates(TODAY, TODAY + timedelta(days=4 * 365))
_MINUTES = st.integers(0, 24 * 60 - 1)
_DAYS = st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days)))
_RHYTHMS = st.one_of(
    st.builds(Rhythm, st.just("once"), _DATES, _MINUTES),
    st.builds(Rhythm, st.just("days"), _DATES, _MINUTES, st.integers(1, 366)),
    st.builds(Rhythm, st.just("weeks"), _DATES, _MINUTES, st.integers(1, 52), _DAYS),
    st.builds(
        Rhythm,
        st.just("months"),
        _DATES,
        _MINUTES,
        st.integers(1, 24),
        _DAYS,
        st.sampled_from((1, 2, 3, 4, -1)),
    ),
    st.builds(
        Rhythm,
        st.just("months"),
        _DATES,
        _MINUTES,
        st.integers(1, 24),
        st.just(()),
        st.just(0),
        st.sampled_from((*range(1, 32), -1)),
    ),
)


@pytest.mark.parametrize("language", WORDS.languages)
@given(rhythm=_RHYTHMS)
def test_what_is_said_reads_back_as_the_same(language: str, rhythm: Rhythm) -> None:
    """Any rhythm, in each language, with its first day said."""
    midnight = NOW.replace(hour=0) - timedelta(minutes=1)
    assert read(said(WORDS, language, rhythm), LEXICONS[language], midnight) == rhythm


@pytest.mark.parametrize("language", WORDS.languages)
@given(rhythm=_RHYTHMS)
def test_what_is_said_without_its_first_day_comes_at_the_same_times(language: str, rhythm: Rhythm) -> None:
    """Where the first day is left out it says nothing more than the rest."""
    found = read(said(WORDS, language, rhythm, NOW), LEXICONS[language], NOW)
    if rhythm.every == "once" and rhythm.start == TODAY and rhythm.minute <= NOW.hour * 60:
        assert found == Unread(Reason.PAST)
        return
    assert isinstance(found, Rhythm)
    assert replace(found, start=rhythm.start) == rhythm
    assert _next(found) == _next(rhythm)


def _next(rhythm: Rhythm) -> list[datetime]:
    return list(islice((wall for wall in walls(rhythm, NOW) if wall > NOW), 5))


def _garbled(lexicon: Lexicon) -> st.SearchStrategy[str]:
    """Words of the language in any order, with numbers and anything else among them."""
    words = st.sampled_from(sorted(lexicon.phrases))
    numbers = st.integers(0, 99).map(str)
    other = st.sampled_from([":", "-", "/", "17:00", "2026-12-03", "30/2/2027", "1st", "5pm", ",", "9999"])
    return st.lists(st.one_of(words, numbers, other, st.text(max_size=3)), max_size=12).map(" ".join)


@pytest.mark.parametrize("language", WORDS.languages)
@given(data=st.data())
def test_any_text_at_all_is_read_or_refused(language: str, data: st.DataObject) -> None:
    """Nothing raises, and what is read is a rhythm that a record can hold and that comes."""
    text = data.draw(st.one_of(st.text(max_size=LONGEST + 5), _garbled(LEXICONS[language])))
    found = read(text, LEXICONS[language], NOW)
    if isinstance(found, Rhythm):
        assert 0 <= found.minute < 24 * 60
        assert found.step >= 1
        assert isinstance(said(WORDS, language, found), str)
