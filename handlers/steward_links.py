"""What stewards say of links with other collectives: begin one, compare words, list, set terms, pause, cut.

Guards: each step is said again whole and done after one yes by the same steward; a yes to words is to those
that were shown; what a steward writes next is always said, and nothing is offered that cannot be done.
"""

import re
from dataclasses import replace
from urllib.parse import unquote

from handlers import link_life, link_terms, link_terms_draft
from handlers.across import carry
from handlers.answer import own_words
from handlers.question import Choice, Question, Reply
from handlers.steward_room import Draft, StewardRoom
from schema.effects import JoinRoom, LeaveRoom
from schema.ids import MatrixId
from schema.records import Link, LinkInvitation, Prompt
from schema.states import LinkState, MakingState
from service.core import links, terms
from service.core.links import Differ, End, Move, Same, SetPause

LONGEST_GREETING = 300
"""Characters of the words for the other side's stewards."""

_ADDRESS = re.compile(r"@[!-9;-~]+:[A-Za-z0-9.:\[\]-]+")
_BARE = re.compile(r"[a-z0-9._=/+-]+:[A-Za-z0-9-]*[.][A-Za-z0-9.-]+(:[0-9]+)?")
_LINKED = re.compile(r"(https?://)?matrix\.to/#/(?P<address>@[^/?]+)(\?.*)?|matrix:u/(?P<user>[^/?]+)(\?.*)?")
_YES_NO = (Choice("yes", "steward.choice_yes"), Choice("no", "steward.choice_no"))
_OR_TERMS = (_YES_NO[0], Choice("terms", "link.choice_terms"), _YES_NO[1])
_OR_WORDS = (*_OR_TERMS[:2], Choice("words", "link.choice_words"), _OR_TERMS[2])
_SAME = (
    Choice("yes", "link.choice_same"),
    Choice("differ", "link.choice_differ"),
    Choice("no", "link.choice_later"),
)


# Addresses


def address(typed: str) -> str | None:
    """What was typed as an address, as an app copies one, or without its first sign; None for other words."""
    said = typed.strip("<>")
    if said.startswith("@"):
        return said
    if (link := _LINKED.fullmatch(unquote(said))) is not None:
        return link["address"] or f"@{link['user']}"
    return f"@{said}" if _BARE.fullmatch(said) else None


def named(room: StewardRoom, rest: str) -> None:
    """Say which form an address has, where a name stands behind the word; stewards' talk stays theirs.

    A name is in quotation marks, or of up to four words that each begin with a capital; or it is one word
    with a dot or an @ in it, as a server's or a mail address has.
    """
    words = rest.split()
    capitals = 0 < len(words) <= 4 and all(word[:1].isupper() for word in words)
    quoted = len(rest) > 2 and rest[0] in _QUOTES and rest[-1] in _QUOTES
    almost = len(words) == 1 and "/" not in rest and re.search(r"\w[.@]\w", rest) is not None
    if capitals or quoted or almost:
        room.say("link.no_name", notice=False)


_QUOTES = "\"'“”„‘’«»"


# Which one


async def _which(room: StewardRoom, rest: str, word: str) -> Link | None:
    """The link that is meant, the only one where none is named; what to write instead is said."""
    found = await room.desk.records.find(Link)
    named = [link for link in found if link.desk == rest]
    made = [link for link in found if _is_made(link)]
    # What was only asked can be ended as a link can; else it is meant where it is named, or where it is all.
    meant = named if rest else found if word == _CUT else made or found
    if len(meant) == 1:
        return meant[0]
    listed = found if word == _CUT and not rest else made
    if not listed:
        await listing(room, "")
        return None
    key = "link.which" if rest else "link.which_of" if len(listed) == len(made) else "link.which_ends"
    room.say(key, notice=False, word=_word(room, word), desks=[link.desk for link in listed])
    return None


_CUT = "steward.command_cut"


def _is_made(link: Link) -> bool:
    """Whether both sides agreed to it, so that it is called a link."""
    making = link.making
    both = making is not None and making.our_hello is not None and making.their_hello is not None
    return link.state is not LinkState.LINKING or both


def _word(room: StewardRoom, key: str) -> str:
    """The word of a command, as the room writes it."""
    return room.words(key).split("|")[0].strip()


# `link`: the next step, whatever it is


async def begin(room: StewardRoom, rest: str) -> None:
    """Put the next step to a link with the front desk that is named."""
    desk = room.desk
    if not rest:
        room.say("link.how", notice=False, desk_here=desk.community.desk)
        return
    if not _ADDRESS.fullmatch(rest) or len(rest) > 255:
        room.say("link.no_address", notice=False)
        return
    other = MatrixId(rest)
    if other == desk.community.desk:
        room.say("link.ourselves", notice=False)
        return
    link = await link_life.with_desk(desk, other)
    if link is None:
        asked = await link_life.invitation_of(desk, other)
        if asked is None or asked.room is None:
            room.ask("link", subject=other, draft={"step": "words"})
        elif asked.wanted:
            room.say("link.joining", desk_there=other, notice=False)
        else:
            room.ask("link", subject=other, draft={"step": "join"})
        return
    making = link.making
    if link.state is LinkState.LINKING and making is not None and making.our_hello is None:
        kept: Draft = {"step": "agree", "of": "agree", "words": link.greeting, "kept": True}
        kept |= link_terms_draft.draft_of(link.terms)
        # What was written when ours asked too is shown again; else the words come first.
        room.ask("link", subject=other, draft=kept if link.greeting else {"step": "agree words"})
    elif making is not None and making.state is MakingState.SHOWN and making.epoch is not None:
        room.ask("link_words", subject=other, draft={"made": making.epoch.made})
    else:
        room.say_text(await _line_of(room, link), notice=False)


async def show(room: StewardRoom, prompt: Prompt) -> Question | None:
    """The words for the other side's stewards, our terms, or all that would be done."""
    step, other = str(prompt.draft["step"]), prompt.subject
    if step in ("words", "agree words"):
        return Question(room.words("link.ask_words", desk_there=other, n=LONGEST_GREETING), free=True)
    if step == "join":
        return Question(room.words("link.ask_join", desk_there=other), _YES_NO, binding=True)
    if step in link_terms_draft.STEPS:
        return link_terms_draft.question(room, prompt.draft)
    if "terms" not in prompt.draft:
        # It was put by an older release.
        return None
    desk, chosen = room.desk, link_life.allowed(room.desk, link_terms_draft.of(prompt.draft))
    link = await link_life.with_desk(desk, MatrixId(other))
    text = room.words(
        "link.recap" if step == "recap" else "link.agree_recap",
        desk_there=other,
        name=desk.community.name,
        greeting=link_terms.quoted(desk, str(prompt.draft["words"])),
        terms=link_terms.described(desk, chosen, ours=True),
        holds="" if link is None else link_life.holds(desk, replace(link, terms=chosen), shown=True),
    )
    return Question(text, _OR_WORDS if prompt.draft.get("kept") else _OR_TERMS, binding=True)


async def answer(room: StewardRoom, prompt: Prompt, reply: Reply) -> None:
    """Go on with what was said, where it still can be done."""
    desk, step, other = room.desk, str(prompt.draft["step"]), MatrixId(prompt.subject)
    if step in ("words", "agree words"):
        words = own_words(reply.text, LONGEST_GREETING)
        if not words:
            room.say("link.words_long", n=len(reply.text), longest=LONGEST_GREETING)
            room.ask("link", subject=other, draft=prompt.draft)
        else:
            following = "recap" if step == "words" else "agree"
            kept = terms.words(words, 5 * LONGEST_GREETING)
            draft: Draft = {"step": following, "of": following, "words": kept}
            # Where other words are written for what is kept of ours, the terms stay.
            draft |= (
                {"terms": prompt.draft["terms"]}
                if "terms" in prompt.draft
                else link_terms_draft.draft_of(link_life.own_terms(desk))
            )
            room.ask("link", subject=other, draft=draft)
        return
    if step in link_terms_draft.STEPS:
        draft = link_terms_draft.take(room, prompt.draft, reply)
        room.ask("link", subject=other, draft=_recapped(draft))
        return
    if reply.name == "terms":
        room.ask("link", subject=other, draft={**prompt.draft, "step": "which"})
        return
    if reply.name == "words":
        room.ask("link", subject=other, draft={**prompt.draft, "step": "agree words"})
        return
    if reply.name != "yes":
        room.say("steward.kept")
        return
    link, asked = await link_life.with_desk(desk, other), await link_life.invitation_of(desk, other)
    if step in ("join", "recap") and link is None and asked is not None and asked.room is not None:
        # Also where they asked while the recap was open: of the two that would be one is enough.
        wanted = replace(asked, due_at=desk.now + links.ASKED_FOR, wanted=True)
        if step == "recap":
            greeting, chosen = str(prompt.draft["words"]), link_terms_draft.of(prompt.draft)
            wanted = replace(wanted, greeting=greeting, chosen=chosen)
        await desk.records.put(wanted)
        desk.turn.do(JoinRoom(asked.room))
        room.say("link.joining", desk_there=other)
    elif step == "recap" and link is None:
        await link_life.propose(desk, other, str(prompt.draft["words"]), link_terms_draft.of(prompt.draft))
        here = desk.community.desk
        room.say("link.begun", desk_there=other, desk_here=here, until=desk.now + links.MAKING)
    elif step == "agree" and link is not None and link.making is not None and link.making.our_hello is None:
        await link_life.agree(desk, link, str(prompt.draft["words"]), link_terms_draft.of(prompt.draft))
        room.say("link.agreed", name=link_life.called(desk, link))
    else:
        room.say("link.changed", desk_there=other)


def _recapped(draft: Draft) -> Draft:
    """The draft, at the recap that it is of where nothing more is asked about its terms."""
    return {**draft, "step": draft["of"]} if draft["step"] == "recap" else draft


# The terms


async def see_terms(room: StewardRoom, rest: str) -> None:
    """Show ours, theirs and what holds; where ours can be changed now, ask whether they are to be."""
    link = await _which(room, rest, "steward.command_terms")
    if link is None:
        return
    if link.state in _RUNS:
        room.ask("link_terms", subject=link.desk, draft={"step": "show"})
        return
    room.say_text(_terms_of(room, link), notice=False)
    agreed_to = link.making is not None and link.making.our_hello is not None
    key = "link.terms_later" if agreed_to else "link.terms_first"
    room.say(key, notice=False, desk_there=link.desk)


def _terms_of(room: StewardRoom, link: Link) -> str:
    """Ours, theirs and what holds."""
    desk, theirs = room.desk, link.their_terms
    return room.words(
        "link.terms",
        name=link_life.called(desk, link),
        ours=link_terms.described(desk, link.terms, ours=True),
        theirs=(
            room.words("link.terms_unknown")
            if theirs is None
            else link_terms.beside(desk, link.terms, theirs)
        ),
    ) + link_life.holds(desk, link, shown=True)


async def show_terms(room: StewardRoom, prompt: Prompt) -> Question | None:
    """The terms, a question about ours, or all that would be different; nothing once the link is over."""
    desk, step = room.desk, str(prompt.draft["step"])
    link = await link_life.with_desk(desk, MatrixId(prompt.subject))
    if link is None or link.state not in _RUNS:
        return None
    if step == "show":
        return Question(_terms_of(room, link), _CHANGE_TERMS)
    if step in link_terms_draft.STEPS:
        return link_terms_draft.question(room, prompt.draft)
    chosen = link_life.allowed(desk, link_terms_draft.of(prompt.draft))
    different = link_terms.changes(desk, link.terms, chosen, ours=True)
    if not different:
        return Question(room.words("link.terms_same"), _CHANGE_TERMS)
    text = room.words(
        "link.terms_recap",
        name=link_life.called(desk, link),
        changes=different,
        holds=link_life.holds(desk, replace(link, terms=chosen)),
    )
    return Question(text, _OR_TERMS_AGAIN, binding=True)


_CHANGE_TERMS = (Choice("terms", "link.choice_change"), Choice("no", "link.choice_leave"))
_OR_TERMS_AGAIN = (_YES_NO[0], Choice("terms", "link.choice_terms_again"), _YES_NO[1])


async def answer_terms(room: StewardRoom, prompt: Prompt, reply: Reply) -> None:
    """Ask on, or have them cross after a yes."""
    desk, step = room.desk, str(prompt.draft["step"])
    link = await link_life.with_desk(desk, MatrixId(prompt.subject))
    if link is None or link.state not in _RUNS:
        room.say("link.changed", desk_there=prompt.subject)
    elif step in link_terms_draft.STEPS:
        room.ask("link_terms", subject=link.desk, draft=link_terms_draft.take(room, prompt.draft, reply))
    elif reply.name == "no":
        room.say("steward.kept")
    elif reply.name == "terms":
        draft = prompt.draft
        if step == "show":
            anew = terms.anew(link.chosen or link.terms, desk.community, desk.languages)
            draft = {**link_terms_draft.draft_of(anew), "of": _as_chosen(link)}
        room.ask("link_terms", subject=link.desk, draft={**draft, "step": "which"})
    elif prompt.draft["of"] != _as_chosen(link):
        # Another steward was faster, and this yes would take back what they changed.
        room.say("link.changed", desk_there=prompt.subject)
    else:
        after = await link_life.set_terms(desk, link, link_terms_draft.of(prompt.draft))
        name = link_life.called(desk, after)
        room.say("link.terms_set" if after.here else "link.terms_set_away", name=name)


def _as_chosen(link: Link) -> str:
    """The terms that a change begins from."""
    return (link.chosen or link.terms).model_dump_json()


# The six words


async def show_words(room: StewardRoom, prompt: Prompt) -> Question | None:
    """Whether they are the same on both sides; nothing where others are shown by now."""
    link = await link_life.with_desk(room.desk, MatrixId(prompt.subject))
    if link is None or _made(link) != prompt.draft["made"]:
        return None
    words = link_life.words_of(str(prompt.draft["made"]))
    text = room.words("link.compare", name=link_life.called(room.desk, link), words=words)
    return Question(text, _SAME, binding=True)


async def answer_words(room: StewardRoom, prompt: Prompt, reply: Reply) -> None:
    """The same, so that the keys are confirmed; or not, so that nothing comes of them."""
    desk, made = room.desk, str(prompt.draft["made"])
    link = await link_life.with_desk(desk, MatrixId(prompt.subject))
    if link is None or _made(link) != made:
        room.say("link.changed", desk_there=prompt.subject)
        return
    if reply.name == "no":
        room.say("link.later", desk_there=link.desk)
        return
    first = link.state is LinkState.LINKING
    move: Move = Same(made) if reply.name == "yes" else Differ()
    after, sent = links.advance(link, move, desk.now)
    after = await link_life.settle(desk, await carry(desk, after, sent))
    if reply.name != "yes":
        key = "link.differed" if first else "link.differed_again"
        text = room.words(key, name=link_life.called(desk, link), desk_there=link.desk)
        room.say_text(text + (await link_life.asked_anew(desk, link.desk) if first else ""))
    elif after.making is None:
        if first:
            # Until when it holds is said with it.
            await link_life.settle(desk, links.knows_end(after, desk.now))
        room.say_text(link_life.in_use(desk, after, first=first))
    else:
        room.say("link.confirmed", name=link_life.called(desk, after))


def _made(link: Link) -> str:
    """The transcript whose words are shown now, where some are and our side has not said yes."""
    making = link.making
    shown = making is not None and making.state is MakingState.SHOWN and making.epoch is not None
    return making.epoch.made if shown and making is not None and making.epoch is not None else ""


# What there is


async def listing(room: StewardRoom, _: str) -> None:
    """Every link, how it stands, and the next word for it; and who asks for one."""
    found = await room.desk.records.find(Link)
    asked = [one for one in await room.desk.records.find(LinkInvitation) if one.room is not None]
    desks = {one.desk for one in asked}
    lines = [_line(room, link, asked=link.desk in desks) for link in found]
    lines += [
        room.words("link.joining" if one.wanted else "link.asked", desk_there=one.desk, until=one.due_at)
        for one in asked
        if all(link.desk != one.desk for link in found)
    ]
    if not lines:
        room.say("link.none", notice=False)
        return
    if any(link.state in _RUNS for link in found):
        lines.append(room.words("link.can"))
    room.say_text("\n\n".join(lines), notice=False)


_RUNS = (LinkState.LIVE, LinkState.PAUSED, LinkState.RESYNC)


def _line(room: StewardRoom, link: Link, *, asked: bool) -> str:
    """How a link stands, and what a steward does next; `asked`: their desk asks for another one."""
    text = _standing(room, link, asked=asked)
    if not asked or link_life.unanswered(link):
        return text
    name = link_life.called(room.desk, link)
    return f"{text} {room.words('link.asked_meanwhile', name=name, desk_there=link.desk)}"


async def _line_of(room: StewardRoom, link: Link) -> str:
    """The same, where nobody looked yet whether they ask for another one."""
    asked = await link_life.invitation_of(room.desk, link.desk)
    return _line(room, link, asked=asked is not None and asked.room is not None)


def _standing(room: StewardRoom, link: Link, *, asked: bool) -> str:
    making, desk = link.making, link.desk
    if link.state is LinkState.LINKING and making is not None:
        until = making.begun_at + links.MAKING
        if making.our_hello is None:
            key = "link.is_asked"
        elif making.state is MakingState.SHOWN:
            key = "link.is_shown"
        elif making.state is MakingState.CONFIRMED:
            key = "link.is_confirmed"
        else:
            key = "link.is_both" if asked and link_life.unanswered(link) else "link.is_begun"
        here, name = room.desk.community.desk, link_life.called(room.desk, link)
        return room.words(key, name=name, desk_there=desk, desk_here=here, until=until)
    if link.state is LinkState.RESYNC:
        text = room.words("link.is_resync", name=link_life.called(room.desk, link))
    elif link.paused_here:
        text = room.words("link.is_paused_here", name=link_life.called(room.desk, link), desk_there=desk)
    elif link.paused_there:
        text = room.words("link.is_paused_there", name=link_life.called(room.desk, link))
    else:
        name = link_life.called(room.desk, link)
        text = room.words("link.is_live", name=name, until=links.agreed(link).until)
    if link.their_terms is not None and (why := link_terms.nothing(room.desk, link.terms, link.their_terms)):
        text += " " + why
    if making is not None:
        text += " " + room.words(_NEW_KEYS.get(making.state, "link.is_begun_again"), desk_there=desk)
    if link.here and (at := links.says_again_at(link)) is not None:
        text += " " + room.words("link.is_said_again", at=at)
    if (at := links.takes_again_at(link, room.desk.now)) is not None:
        text += " " + room.words("link.is_tried_enough", n=links.TRIES_A_DAY, at=at)
    if not link.here:
        text += " " + room.words("link.is_gone")
    elif link.heard_at is not None:
        text += " " + room.words("link.is_heard", at=link.heard_at)
    return text


_NEW_KEYS = {
    MakingState.SHOWN: "link.is_shown_again",
    MakingState.CONFIRMED: "link.is_confirmed_again",
}


# Pause, renew, cut


async def pause(room: StewardRoom, rest: str) -> None:
    """Ask whether nothing new is to begin across it."""
    await _change(room, rest, "pause", "steward.command_pause")


async def resume(room: StewardRoom, rest: str) -> None:
    """Ask whether it may again."""
    await _change(room, rest, "resume", "steward.command_resume")


async def rotate(room: StewardRoom, rest: str) -> None:
    """Ask whether both are to make new keys."""
    await _change(room, rest, "rotate", "steward.command_rotate")


async def cut(room: StewardRoom, rest: str) -> None:
    """Ask whether it is to end."""
    await _change(room, rest, "cut", _CUT)


async def _change(room: StewardRoom, rest: str, what: str, word: str) -> None:
    if what == "cut" and rest and await _asking(room, MatrixId(rest)) is not None:
        room.ask("link_change", subject=rest, draft={"what": "decline"})
        return
    link = await _which(room, rest, word)
    if link is None:
        return
    if what == "cut":
        what = _ends(link)
    if not _can(link, what):
        room.say_text(await _line_of(room, link), notice=False)
        return
    room.ask("link_change", subject=link.desk, draft={"what": what})


async def _asking(room: StewardRoom, other: MatrixId) -> LinkInvitation | None:
    """That desk's invitation, where it only asked; where there is a link with it none."""
    asked = await link_life.invitation_of(room.desk, other)
    waits = asked is not None and asked.room is not None
    return asked if waits and await link_life.with_desk(room.desk, other) is None else None


async def _decline(room: StewardRoom, other: MatrixId) -> None:
    """Leave it without a word, and hear no more of it."""
    asked = await _asking(room, other)
    if asked is None or asked.room is None:
        room.say("link.changed", desk_there=other)
        return
    declined = replace(asked, room=None, wanted=False, greeting="", chosen=None)
    await room.desk.records.put(declined)
    room.desk.turn.do(LeaveRoom(asked.room))
    room.say("link.declined", desk_there=asked.desk)


def _ends(link: Link) -> str:
    """What ending it is: to take back what was only asked, to stop the making of it, or to cut it."""
    if link_life.unanswered(link) and not link.here:
        return "take back"
    return "stop" if link.state is LinkState.LINKING else "cut"


_ENDS = ("take back", "stop", "cut")


def _can(link: Link, what: str) -> bool:
    """Whether the change is one that can be made now."""
    if what in _ENDS:
        return what == _ends(link)
    if what == "rotate":
        return link.state in _RUNS and link.here and link.making is None
    return link.state in _RUNS and link.paused_here is (what == "resume")


async def show_change(room: StewardRoom, prompt: Prompt) -> Question | None:
    """What would be done; nothing where it cannot be any more."""
    link = await link_life.with_desk(room.desk, MatrixId(prompt.subject))
    what = str(prompt.draft["what"])
    if what == "decline":
        if await _asking(room, MatrixId(prompt.subject)) is None:
            return None
        text = room.words("link.decline_recap", desk_there=prompt.subject)
        return Question(text, _YES_NO, binding=True)
    if link is None or not _can(link, what):
        return None
    text = room.words(_RECAPS[what], name=link_life.called(room.desk, link), desk_there=link.desk)
    return Question(text, _YES_NO, binding=True)


_RECAPS = {
    "pause": "link.pause_recap",
    "resume": "link.resume_recap",
    "rotate": "link.rotate_recap",
    "take back": "link.take_back_recap",
    "stop": "link.stop_recap",
    "cut": "link.cut_recap",
}
_DONE = {
    "pause": "link.paused",
    "resume": "link.resumed",
    "rotate": "link.rotated",
    "take back": "link.taken_back",
    "stop": "link.stopped",
    "cut": "link.cut",
}


async def answer_change(room: StewardRoom, prompt: Prompt, reply: Reply) -> None:
    """Do it after a yes."""
    desk, what = room.desk, str(prompt.draft["what"])
    link = await link_life.with_desk(desk, MatrixId(prompt.subject))
    if reply.name != "yes":
        room.say("steward.kept")
        return
    if what == "decline":
        await _decline(room, MatrixId(prompt.subject))
        return
    if link is None or not _can(link, what):
        room.say("link.changed", desk_there=prompt.subject)
        return
    name = link_life.called(room.desk, link)
    if what == "rotate":
        await link_life.settle(desk, await link_life.rotate(desk, link))
    elif what in _ENDS:
        after, sent = links.advance(link, End(), desk.now)
        says = bool(sent) and link.here
        after = await carry(desk, after, sent, last=True)
        await link_life.settle(desk, after, leaves=not says)
    else:
        after, sent = links.advance(link, SetPause(what == "pause"), desk.now)
        await link_life.settle(desk, await carry(desk, after, sent))
    text = room.words(_DONE[what], name=name, desk_there=prompt.subject)
    room.say_text(text + (await link_life.asked_anew(desk, link.desk) if what in _ENDS else ""))
