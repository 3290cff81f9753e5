"""A link's states: how it comes to be, what crosses in each, and how it ends."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from schema.errors import IllegalMove
from schema.ids import MatrixId
from schema.states import LinkState, MakingState
from schema.wire import (
    KINDS,
    Answer,
    Body,
    Close,
    Consent,
    Cut,
    Error,
    Hours,
    Introduce,
    More,
    NewTerms,
    Note,
    Pause,
    Withdraw,
)
from service.core import links
from service.core.handshake import six_words
from service.core.links import (
    CROSSES,
    DRAIN,
    MAKING,
    MOVES,
    Agree,
    Differ,
    End,
    Lapse,
    Move,
    Refusal,
    Restored,
    Rotate,
    Same,
    SetPause,
    SetTerms,
)
from tests.linked import (
    ASK,
    ID,
    NORTH_AT,
    NOW,
    SOUTH_AT,
    TERMS,
    Desk,
    desks,
    exchange,
    linked,
    secrets,
    steps,
)


def _words(desk: Desk) -> tuple[str, ...]:
    assert desk.link.making is not None
    assert desk.link.making.epoch is not None
    return six_words(desk.link.making.epoch.made)


def _shown() -> tuple[Desk, Desk]:
    one, other = desks()
    exchange(one, other, one.propose())
    exchange(other, one, other.agree())
    return one, other


def _in(state: LinkState) -> Desk:
    """Our side of a link in that state."""
    if state is LinkState.LINKING:
        return _shown()[0]
    one, _ = linked()
    moves: dict[LinkState, Move] = {
        LinkState.PAUSED: SetPause(True),
        LinkState.RESYNC: Restored(),
        LinkState.CUT: End(),
    }
    if state in moves:
        one.move(moves[state])
    if state is LinkState.EXPIRED:
        one.now += timedelta(days=180)
        one.move(Lapse())
    assert one.link.state is state
    return one


def test_a_link_is_live_once_both_sides_stewards_compared_the_words() -> None:
    """Until then nothing is sealed; both rooms are shown the same six, and one confirmation is not enough."""
    one, other = desks()
    exchange(one, other, one.propose())
    assert one.link.making is not None
    assert one.link.making.state is MakingState.PROPOSED
    assert other.link.their_terms == TERMS
    exchange(other, one, other.agree())
    assert _words(one) == _words(other)
    assert len(set(_words(one))) > 3
    exchange(one, other, one.confirm())
    assert (one.link.state, other.link.state) == (LinkState.LINKING, LinkState.LINKING)
    exchange(other, one, other.confirm())
    assert (one.link.state, other.link.state) == (LinkState.LIVE, LinkState.LIVE)
    assert one.link.making is None


def test_the_keys_are_shown_when_both_have_committed() -> None:
    """Whoever proposes shows none before the other side's commitment is there."""
    one, other = desks()
    (hello,) = one.propose()
    assert isinstance(hello, dict)
    assert isinstance(hello["body"], dict)
    assert hello["body"]["kind"] == "hello"
    other.take(hello)
    first, second = other.agree()
    # In whatever order they come, ours follow the commitment.
    assert one.take(second).crosses == ()
    ((number, keys),) = one.take(first).crosses
    assert (number, keys.kind) == (0, "key_change")
    assert one.link.making is not None
    assert one.link.making.state is MakingState.SHOWN


def test_steps_said_again_change_nothing_and_show_no_keys_too_soon() -> None:
    """To whoever was not there when they were said first."""
    one, other = desks()
    exchange(one, other, one.propose())
    assert [body.kind for _, body in links.steps_again(one.link)] == ["hello"]
    exchange(other, one, other.agree())
    assert [body.kind for _, body in links.steps_again(one.link)] == ["hello", "key_change"]
    before = other.link
    exchange(one, other, one.carry(links.steps_again(one.link)))
    assert other.link == before
    one, other = linked()
    assert links.steps_again(one.link) == ()
    one.rotate()
    exchange(one, other, one.carry(links.steps_again(one.link)))
    assert other.link.making is not None
    assert links.keys_held(other.link) == {(1, 1)}


def test_keys_that_were_not_committed_to_are_refused() -> None:
    """Whoever has seen ours cannot choose theirs; the ones that were committed to are still taken."""
    one, other = desks()
    exchange(one, other, one.propose())
    hello, keys = other.agree()
    one.take(hello)
    chosen = secrets("chosen later").public(1)
    assert links.hear(one.link, chosen, 0, NOW).refusal is Refusal.COMMITMENT
    assert one.take(keys).refusal is None
    assert links.hear(one.link, chosen, 0, NOW).refusal is Refusal.TURN


def test_somebody_in_the_middle_shows_both_sides_other_words() -> None:
    """Who passes on their own keys, or changes a word of the terms, is seen in the words."""
    one, other = desks()
    (hello,) = one.propose()
    other.take(hello)
    other.agree()
    middle_hello, middle_keys = steps(one.them, secrets("middle"), 1, "link", TERMS)
    one.link = links.hear(one.link, middle_hello, 0, NOW).link
    one.link = links.hear(one.link, middle_keys, 0, NOW).link
    toward = steps(other.them, secrets("middle"), 1, "link", TERMS)
    making = other.link.making
    assert making is not None
    other.link = replace(other.link, making=replace(making, their_hello=toward[0]))
    other.link = links.hear(other.link, toward[1], 0, NOW).link
    assert _words(one) != _words(other)
    softer = TERMS.model_copy(update={"asks_a_day": 50})
    altered = middle_hello.model_copy(update={"terms": softer})
    other_one = desks()[0]
    other_one.propose()
    for step in (altered, middle_keys):
        other_one.link = links.hear(other_one.link, step, 0, NOW).link
    assert _words(other_one) != _words(one)


def test_words_that_differ_end_it() -> None:
    """A first link is over; one that had keys takes nothing more until new ones are compared."""
    one, _ = _shown()
    one.move(Differ())
    assert one.link.state is LinkState.CUT
    one, other = linked()
    exchange(one, other, one.rotate())
    exchange(other, one, other.rotate())
    one.move(Differ())
    assert one.link.state is LinkState.RESYNC
    assert one.take(other.say(ASK)).refusal is Refusal.KIND
    # It begins anew, on both sides.
    exchange(one, other, one.rotate())
    exchange(other, one, other.rotate())
    exchange(one, other, one.confirm())
    exchange(other, one, other.confirm())
    assert (one.link.state, other.link.state) == (LinkState.LIVE, LinkState.LIVE)


def test_a_yes_to_other_words_is_none() -> None:
    """Stewards confirm the words that they were shown, whatever was made meanwhile."""
    one, _ = _shown()
    with pytest.raises(IllegalMove):
        one.move(Same("0" * 64))


def test_new_keys_take_over_when_both_confirmed_them() -> None:
    """Nothing is lost on the way: what was sealed with the old ones is taken for as long as it may live."""
    one, other = linked()
    exchange(one, other, one.rotate())
    exchange(other, one, other.rotate())
    assert _words(one) == _words(other)
    early, late = one.say(ASK), one.say(ASK)
    exchange(one, other, one.confirm())
    assert other.take(early).refusal is None
    exchange(other, one, other.confirm())
    assert [epoch.number for epoch in other.link.epochs] == [2, 1]
    assert other.take(late).refusal is None
    assert other.take(one.say(ASK)).refusal is None
    other.now += DRAIN
    other.move(Lapse())
    assert [epoch.number for epoch in other.link.epochs] == [2]


@pytest.mark.parametrize("state", LinkState)
@pytest.mark.parametrize(
    "move",
    [
        lambda desk: Agree(*desk.steps(1, "link")),
        lambda desk: Rotate(*desk.steps(2, "rotate")),
        lambda desk: Same(desk.link.making.epoch.made if desk.link.making else ""),
        lambda _: Differ(),
        lambda _: SetPause(True),
        lambda _: SetTerms(TERMS.model_copy(update={"asks_a_day": 1})),
        lambda _: End(),
        lambda _: Restored(),
        lambda _: Lapse(),
    ],
    ids=["agree", "rotate", "same", "differ", "pause", "terms", "end", "restored", "lapse"],
)
def test_what_the_table_does_not_allow_raises(state: LinkState, move: Callable[[Desk], Move]) -> None:
    """In each state; what it does allow raises only where its own step is not due."""
    desk = _in(state)
    made = move(desk)
    due = {
        Agree: False,
        Same: state is LinkState.LINKING,
        Differ: state is LinkState.LINKING,
    }
    if type(made) in MOVES[state] and due.get(type(made), True):
        desk.move(made)
        return
    before = desk.link
    with pytest.raises(IllegalMove):
        desk.move(made)
    assert desk.link == before


@pytest.mark.parametrize("state", LinkState)
@pytest.mark.parametrize("kind", KINDS)
def test_what_crosses_in_each_state(state: LinkState, kind: str) -> None:
    """By the table; a body that does not cross changes nothing."""
    id = "33" * 16
    bodies: dict[str, Body] = {
        "terms": NewTerms(terms=TERMS),
        "ask": ASK,
        "answer": Answer(request=id, answer=id, wish="listening", minutes=30),
        "note": Note(request=id, answer=id, note="Hello.", how=()),
        "consent": Consent(request=id, answer=id, card="", fear="unsaid", until=ASK.until),
        "introduce": Introduce(request=id, answer=id, user=MatrixId("@a:b"), room=None, ends=None),
        "withdraw": Withdraw(request=id, answer=None),
        "more": More(request=id, answer=id, step="asked", wish=id, minutes=30, until=ASK.until, ends=None),
        "close": Close(request=id, answer=id, step="ended", reached=None),
        "pause": Pause(paused=True),
        "cut": Cut(),
        "error": Error(code="quota", versions=(1,)),
    }
    link = _in(state).link
    number = link.epochs[0].number if link.epochs else 1
    if kind in ("hello", "key_change"):
        steps = Desk("another", SOUTH_AT, NORTH_AT).steps(number + 1, "rotate")
        bodies["hello"], bodies["key_change"] = steps
    heard = links.hear(link, bodies[kind], number, NOW)
    if kind == "key_change" and kind in CROSSES[state] and state is not LinkState.LINKING:
        # It crosses, and is no step that is due.
        assert heard.refusal is Refusal.TURN
    elif kind in CROSSES[state] and (state is not LinkState.LINKING or kind == "terms"):
        assert heard.refusal is None
    else:
        assert (heard.refusal, heard.link) == (Refusal.KIND, link)


def test_either_side_pauses_alone_and_both_must_resume() -> None:
    """What is open can still be ended meanwhile."""
    one, other = linked()
    exchange(one, other, one.move(SetPause(True)))
    exchange(other, one, other.move(SetPause(True)))
    exchange(one, other, one.move(SetPause(False)))
    assert (one.link.state, other.link.state) == (LinkState.PAUSED, LinkState.PAUSED)
    assert other.take(one.say(ASK)).refusal is Refusal.KIND
    assert other.take(one.say(Withdraw(request=ASK.request, answer=None))).refusal is None
    exchange(other, one, other.move(SetPause(False)))
    assert (one.link.state, other.link.state) == (LinkState.LIVE, LinkState.LIVE)
    assert other.take(one.say(ASK)).refusal is None


def test_the_latest_word_holds_in_whatever_order_it_comes() -> None:
    """A pause that was taken back stays so when it comes late, and so do terms."""
    one, other = linked()
    stricter = TERMS.model_copy(update={"asks_a_day": 1})
    said = [*one.move(SetPause(True)), *one.move(SetTerms(stricter))]
    said += [*one.move(SetPause(False)), *one.move(SetTerms(TERMS))]
    for content in reversed(said):
        assert other.take(content).refusal is None
    assert (other.link.state, other.link.their_terms) == (LinkState.LIVE, TERMS)


def test_a_try_that_the_other_side_gave_up_is_left_for_a_later_one() -> None:
    """A later round takes over; an earlier one is answered with the round that is tried now."""
    one, other = linked()
    exchange(one, other, one.rotate())
    (first,) = other.rotate()[:1]
    other.move(Restored())
    assert links.wants_keys(other.link) == (2, 2)
    (second,) = other.rotate("restored")
    one.take(second)
    assert links.wants_keys(one.link) == (2, 2)
    hello, *_ = one.rotate("restored")
    taken = one.take(first)
    assert taken.refusal is Refusal.TURN
    assert [body.kind for _, body in taken.crosses] == ["hello"]
    other.take(hello)
    assert other.link.making is not None
    assert (other.link.making.round, other.link.making.state) == (2, MakingState.COMMITTED)


def test_no_partner_begins_anew_more_often_than_a_day_allows() -> None:
    """Each try shows the stewards other words: a ninth in a day is over quota, and the day after is not."""
    one, other = linked()
    for round in range(1, links.TRIES_A_DAY + 2):
        hello, _ = other.steps(2, "rotate", round)
        heard = links.hear(one.link, hello, 1, one.now)
        assert heard.refusal is (Refusal.QUOTA if round > links.TRIES_A_DAY else None)
        one.link = heard.link
    assert one.link.rounds == links.TRIES_A_DAY
    later = links.hear(one.link, other.steps(2, "rotate", 20)[0], 1, one.now + links.DAY)
    assert later.refusal is None
    assert len(later.link.tries) == 1


def test_no_partner_uses_up_the_rounds() -> None:
    """They are finite: the last that there is would leave no try to this side."""
    one, other = linked()
    far, near = (other.steps(2, "rotate", round)[0] for round in (links.AHEAD + 1, links.AHEAD))
    assert links.hear(one.link, far, 1, one.now).refusal is Refusal.TURN
    assert links.hear(one.link, near, 1, one.now).refusal is None


def test_few_strangers_are_told_of_and_one_of_a_server() -> None:
    """Whoever asks again from the same server, and all beyond the bound, are not."""
    kept: list[MatrixId] = []
    for at in range(20):
        desk = MatrixId(f"@desk:s{at}.example")
        assert links.is_told(kept, desk) is (at < links.MOST_TOLD)
        kept += [desk] if links.is_told(kept, desk) else []
    assert not links.is_told([NORTH_AT], MatrixId("@another:north.example"))
    assert links.gives_way(NORTH_AT, SOUTH_AT) is not links.gives_way(SOUTH_AT, NORTH_AT)


def test_no_private_key_stays_longer_than_it_is_needed() -> None:
    """Those in use, those being made, and those before until their days are over."""
    one, other = linked()
    assert links.keys_held(one.link) == {(1, 1)}
    exchange(one, other, one.rotate())
    assert links.keys_held(one.link) == {(1, 1), (2, 1)}
    exchange(other, one, other.rotate())
    exchange(one, other, one.confirm())
    exchange(other, one, other.confirm())
    assert links.keys_held(one.link) == {(1, 1), (2, 1)}
    one.now += DRAIN
    one.move(Lapse())
    assert links.keys_held(one.link) == {(2, 1)}
    one.move(End())
    assert links.keys_held(replace(one.link, epochs=())) == frozenset()


def test_a_cut_is_at_once_and_needs_nobody() -> None:
    """Whoever cuts takes nothing more, whether or not the other side ever hears of it."""
    one, other = linked()
    on_its_way = other.say(ASK)
    (said,) = one.move(End())
    assert one.take(on_its_way).refusal is Refusal.OVER
    other.take(said)
    assert other.link.state is LinkState.CUT
    assert links.due_at(other.link) is None


def test_asks_are_counted_in_a_day() -> None:
    """As many as the stricter side takes; a day later there are as many again."""
    one, other = linked(south=TERMS.model_copy(update={"asks_a_day": 2}))
    for refusal in (None, None, Refusal.QUOTA):
        assert other.take(one.say(ASK)).refusal is refusal
    one.now = other.now = NOW + timedelta(days=1)
    assert other.take(one.say(ASK)).refusal is None


def test_an_ask_counts_for_the_hour_at_which_it_was_sent() -> None:
    """One that a homeserver held back is neither outside of the hours nor one too many by the delay."""
    hour = Hours(zone="UTC", days=tuple(range(7)), start=16 * 60, end=17 * 60)
    one, other = linked(south=TERMS.model_copy(update={"hours": (hour,), "asks_a_day": 2}))
    held = []
    for day in range(3):
        one.now = NOW + timedelta(days=day)
        held += one.carry(((1, ASK), (1, ASK)), links.LONGEST)
    late = one.carry(((1, ASK),), links.LONGEST)
    other.now = one.now + timedelta(hours=7)
    assert [other.take(content).refusal for content in reversed(held)] == [None] * 6
    assert other.take(late[0]).refusal is Refusal.QUOTA
    one.now = other.now
    assert other.take(one.say(ASK)).refusal is Refusal.TERMS
    one.now = other.now = NOW + timedelta(days=11)
    assert other.take(one.say(ASK)).refusal is None
    assert len(other.link.asks) == 1


def test_a_partner_whose_clock_goes_back_loses_no_ask() -> None:
    """By its own rule it says the later hour still; one that does not is taken, and counted at that hour."""
    one, other = linked()
    one.now = other.now = NOW + timedelta(days=3)
    assert other.take(one.say(ASK)).refusal is None
    one.now -= timedelta(days=2)
    assert other.take(one.say(ASK, links.LONGEST)).refusal is None
    for at, refusal in enumerate((None, None, None, Refusal.QUOTA)):
        back = replace(one.link.epochs[0], sent_at=0)
        one.link = replace(one.link, epochs=(back,))
        assert other.take(one.say(ASK, links.LONGEST)).refusal is refusal, at
    assert set(other.link.asks) == {other.now}


def test_a_partner_that_was_restored_is_met_with_new_keys() -> None:
    """Both sides' stewards compare words again; what it sent before its backup never counts again."""
    one, other = linked()
    backup, seconds = one.link, one.now
    sent = [one.say(ASK) for _ in range(3)]
    for content in sent:
        other.take(content)
    one.link, one.now = backup, seconds + timedelta(hours=1)
    other.now = one.now
    assert other.take(one.say(ASK)).refusal is Refusal.KIND
    assert other.link.state is LinkState.RESYNC
    assert all(other.take(content).refusal is Refusal.AGAIN for content in sent)
    exchange(other, one, other.rotate("restored"))
    assert one.link.state is LinkState.RESYNC
    exchange(one, other, one.rotate("restored"))
    exchange(one, other, one.confirm())
    exchange(other, one, other.confirm())
    assert [epoch.number for epoch in other.link.epochs] == [2]
    one.now += timedelta(seconds=1)
    assert other.take(one.say(ASK)).refusal is None


def test_a_side_that_knows_it_was_restored_takes_nothing_from_before() -> None:
    """What it had taken after its backup may be sent again by whoever kept it, and counts for nothing."""
    one, other = linked()
    backup = one.link
    sent = [other.say(ASK) for _ in range(3)]
    for content in sent:
        one.take(content)
    one.link = backup
    one.move(Restored())
    assert [one.take(content).refusal for content in sent] == [Refusal.KIND] * 3
    exchange(one, other, one.rotate("restored"))
    assert other.link.state is LinkState.RESYNC
    exchange(other, one, other.rotate("restored"))
    exchange(one, other, one.confirm())
    exchange(other, one, other.confirm())
    assert [one.take(content).refusal for content in sent] == [Refusal.EPOCH] * 3


def test_what_nobody_finishes_is_over_at_its_hour() -> None:
    """A first making in two weeks, later ones as well; the link itself at the earlier of both ends."""
    one, _ = _shown()
    assert links.due_at(one.link) == NOW + MAKING
    one.now += MAKING
    one.move(Lapse())
    assert one.link.state is LinkState.EXPIRED
    one, other = linked(north=TERMS.model_copy(update={"until": int((NOW + 2 * MAKING).timestamp())}))
    exchange(one, other, one.rotate())
    assert links.due_at(other.link) == NOW + MAKING
    other.now += MAKING
    other.move(Lapse())
    assert (other.link.state, other.link.making) == (LinkState.LIVE, None)
    other.now += MAKING
    other.move(Lapse())
    assert other.link.state is LinkState.EXPIRED
    assert other.link.epochs == ()


def test_a_first_hello_is_the_only_one_that_proposes() -> None:
    """One to rotate keys of a link that is not there makes none, nor do steps that do not fit."""
    one, other = desks()
    hello, keys = one.steps(1, "link")
    wrong = hello.model_copy(update={"reason": "rotate"})
    assert links.proposed(ID, other.us, other.them, wrong, TERMS, NOW) is None
    assert links.proposed(ID, other.us, other.them, hello, TERMS, NOW) is not None
    for other_hello, other_keys in ((wrong, keys), (hello, secrets("another").public(1))):
        with pytest.raises(IllegalMove):
            links.propose(ID, one.us, one.them, other_hello, other_keys, NOW)


def test_terms_said_between_our_yes_and_theirs_are_the_ones_that_hold() -> None:
    """In the keys that come as in those in use, whichever the other side takes up."""
    one, other = linked()
    exchange(one, other, one.rotate())
    exchange(other, one, other.rotate())
    exchange(one, other, one.confirm())
    stricter = TERMS.model_copy(update={"asks_a_day": 1})
    exchange(one, other, one.move(SetTerms(stricter)))
    assert other.link.their_terms == stricter
    exchange(other, one, other.confirm())
    assert other.link.their_terms == stricter


def test_terms_count_again_where_the_keys_that_were_made_come_to_nothing() -> None:
    """What was said with those that nobody finished does not stand above what is said after."""
    one, other = linked()
    exchange(one, other, one.rotate())
    exchange(other, one, other.rotate())
    exchange(one, other, one.confirm())
    assert other.link.terms_from == (2, 1)
    for side in (one, other):
        side.now += links.MAKING
        side.move(Lapse())
        assert side.link.making is None
    stricter = TERMS.model_copy(update={"asks_a_day": 1})
    exchange(one, other, one.move(SetTerms(stricter)))
    assert other.link.their_terms == stricter


def test_a_step_that_is_said_again_takes_no_later_terms_back() -> None:
    """It carries the terms of when it was first said: a desk that comes back repeats it."""
    one, other = linked()
    exchange(one, other, one.rotate())
    stricter = TERMS.model_copy(update={"asks_a_day": 1})
    exchange(one, other, one.move(SetTerms(stricter)))
    exchange(one, other, one.carry(links.steps_again(one.link)))
    assert other.link.their_terms == stricter


def test_a_step_that_was_lost_brings_the_terms_of_now() -> None:
    """Said again to whoever never had it, it does not leave them with terms of before."""
    one, other = linked()
    one.rotate()
    stricter = TERMS.model_copy(update={"asks_a_day": 1})
    exchange(one, other, one.move(SetTerms(stricter)))
    exchange(one, other, one.carry(links.steps_again(one.link)))
    assert other.link.their_terms == stricter


def _differs(one: Desk, other: Desk) -> None:
    other.move(Differ())


def _is_restored(one: Desk, other: Desk) -> None:
    other.move(Restored())


def _begins_a_later_round(one: Desk, other: Desk) -> None:
    one.move(Differ())
    exchange(one, other, one.rotate("restored"))


def _says_two_in_a_round(one: Desk, other: Desk) -> None:
    second, _ = steps(one.us, secrets("another"), 2, "rotate", one.terms)
    assert links.hear(other.link, second, 1, other.now, 9).refusal is Refusal.TURN
    other.link = links.hear(other.link, second, 1, other.now, 9).link


def _goes_back(one: Desk, other: Desk) -> None:
    for side in (one, other):
        side.now += timedelta(minutes=1)
    exchange(one, other, [one.say(Pause(paused=False))])
    in_use = one.link.epochs[0]
    one.link = replace(one.link, epochs=(replace(in_use, sent=in_use.sent - 1),), making=None)
    for side in (one, other):
        side.now += timedelta(minutes=1)
    other.take(one.say(Pause(paused=False)))
    assert other.link.state is LinkState.RESYNC


@pytest.mark.parametrize(
    "gives_up", [_differs, _is_restored, _begins_a_later_round, _says_two_in_a_round, _goes_back]
)
def test_terms_count_again_however_a_making_ends(gives_up: Callable[[Desk, Desk], None]) -> None:
    """What was said in keys that are not used outranks nothing that is said after."""
    one, other = linked()
    exchange(one, other, one.rotate())
    exchange(other, one, other.rotate())
    exchange(one, other, one.confirm())
    assert other.link.terms_from == (2, 1)
    gives_up(one, other)
    assert other.link.making is None or other.link.making.epoch is None
    stricter = TERMS.model_copy(update={"asks_a_day": 1})
    assert other.take(one.say(NewTerms(terms=stricter))).refusal is None
    assert other.link.their_terms == stricter


@pytest.mark.parametrize("first", [True, False])
def test_two_who_confirmed_while_neither_was_there_come_to_the_same_keys(first: bool) -> None:
    """What was said in keys that are not in use yet is said again too, to whoever comes back."""
    one, other = _shown() if first else linked()
    if not first:
        exchange(one, other, one.rotate())
        exchange(other, one, other.rotate())
    for side in (one, other):
        side.confirm()
    exchange(one, other, one.carry(links.steps_again(one.link)))
    exchange(other, one, other.carry((*links.steps_again(other.link), *links.standing(other.link))))
    assert (one.link.state, other.link.state) == (LinkState.LIVE, LinkState.LIVE)
    assert one.link.making is other.link.making is None
    assert one.link.epochs[0].made == other.link.epochs[0].made


def test_the_end_is_near_once_for_each_end() -> None:
    """Two weeks before, and again where another end is set; never of a link that is over or not made yet."""
    one, _ = linked()
    until = links.agreed(one.link).until
    assert links.due_at(one.link) == until - links.NOTICE
    assert links.ends_soon(one.link, until - links.NOTICE - timedelta(seconds=1)) is None
    assert links.ends_soon(one.link, until - links.NOTICE) == until
    told = links.knows_end(one.link, until - links.NOTICE)
    assert links.ends_soon(told, until - timedelta(days=1)) is None
    assert links.due_at(told) == until
    sooner = TERMS.model_copy(update={"until": TERMS.until - 60})
    changed, _ = links.advance(told, SetTerms(sooner), NOW)
    assert links.ends_soon(changed, until - links.NOTICE) == until - timedelta(seconds=60)
    for state in (LinkState.LINKING, LinkState.CUT, LinkState.EXPIRED):
        assert links.ends_soon(_in(state).link, until) is None


def test_what_stands_is_said_again_where_it_counts() -> None:
    """Of a link that stands its terms and its pause; of any other nothing."""
    one, other = linked()
    assert [body.kind for _, body in links.standing(one.link)] == ["terms", "pause"]
    before = other.link
    exchange(one, other, one.carry(links.standing(one.link)))
    assert (other.link.state, other.link.their_terms) == (before.state, before.their_terms)
    for state in (LinkState.LINKING, LinkState.RESYNC, LinkState.CUT, LinkState.EXPIRED):
        assert links.standing(_in(state).link) == ()


_MONDAY = Hours(zone="UTC", days=(0,), start=0, end=60)
_TUESDAY = Hours(zone="UTC", days=(1,), start=0, end=60)


@pytest.mark.parametrize(
    ("ours", "theirs", "allowed"),
    [
        ({}, {}, True),
        ({}, {"hours": (_MONDAY,)}, True),
        ({"hours": (_TUESDAY,)}, {"hours": (_MONDAY,)}, False),
        ({}, {"hours": (_MONDAY,), "topics": ()}, False),
        ({}, {"asks_a_day": 0}, False),
        ({"sends": False}, {}, False),
    ],
)
def test_what_terms_let_cross_at_some_hour(
    ours: dict[str, object], theirs: dict[str, object], allowed: bool
) -> None:
    """However many went today; what no hour of both takes in crosses at none."""
    one, _ = linked()
    link = replace(
        one.link,
        terms=TERMS.model_copy(update=ours),
        their_terms=TERMS.model_copy(update=theirs),
        asked=(NOW,) * 100,
    )
    assert links.allows(link, ASK, NOW) is allowed
    assert links.may_ask(link, ASK, NOW) is None
