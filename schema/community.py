"""What a community decided for its instance, as handlers and core need it; read from the configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from schema.ids import MatrixId
from schema.records import Window


@dataclass(frozen=True)
class PlaceTexts:
    """What members read of a place of help in another language; empty where nothing was written there."""

    name: str = ""
    contact: str = ""
    hours: str = ""
    languages: str = ""


@dataclass(frozen=True)
class Place:
    """One entry of the community's own list of help: `may_send_police` is "yes", "no" or "not known".

    `checked_on` is the date, as the community wrote it, on which somebody last made sure of it. `ages` says
    whom it is for: "all", "adults" or "young". `texts` has by language what is read there instead.
    """

    name: str
    contact: str
    hours: str
    languages: str
    may_send_police: str
    checked_on: str
    ages: str = "all"
    texts: Mapping[str, PlaceTexts] = field(default_factory=dict)


@dataclass(frozen=True)
class OwnWords:
    """A community's own words in another language than its first; empty where it wrote none there.

    `topics` has the name and the line of each topic that has them there.
    """

    name: str = ""
    limits: str = ""
    who_runs: str = ""
    guide: str = ""
    agreement: str = ""
    questions: tuple[str, ...] = ()
    topics: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Reader:
    """Somebody whom members may choose to read a concern of theirs, by the name that members know.

    `must_report`: a law, or their work, obliges them to report some things.
    """

    user: MatrixId
    name: str
    must_report: bool = False


@dataclass(frozen=True)
class Timings:
    """How long things take here. All are lengths of time; the demo and tests make them short.

    ask_again: between two rounds of asks (others are asked then). ask_open: how long one ask stays good:
    as long as a request, or longer, so that it does until the request ends.
    consent_open: how long the second consent stays open. request_open: when a request that found nobody
    lapses. longest: of a peer room. reading: how long a closed room can be read. settle: between removing
    people and the purge. prompt_pause: a bare number this soon after a prompt that came by itself gets
    the prompt again. idle: an own question left unanswered this long lets what came by itself go first.
    join: whoever is not in an opened room after this long is invited again, once; after as long again the
    room closes. rest: after a room its peer is asked nothing for so long. afterwards: how long the two of a
    room that ended can still say something about one another, at most 14 days. again: how long it holds that
    both would talk again. warning: how long before a room's end both are told, but never more than half of
    its time. longest_in_all: the longest that a peer room may become when both ask for more; None: as
    `longest`. chat: what was said in a direct chat is taken back after this long. concern: how long what a
    member said was wrong is kept.
    """

    ask_again: timedelta = timedelta(minutes=10)
    ask_open: timedelta = timedelta(hours=24)
    consent_open: timedelta = timedelta(hours=2)
    request_open: timedelta = timedelta(hours=24)
    longest: timedelta = timedelta(days=3)
    reading: timedelta = timedelta(days=1)
    settle: timedelta = timedelta(days=1)
    prompt_pause: timedelta = timedelta(seconds=3)
    idle: timedelta = timedelta(minutes=15)
    join: timedelta = timedelta(minutes=15)
    rest: timedelta = timedelta(hours=12)
    afterwards: timedelta = timedelta(days=14)
    again: timedelta = timedelta(days=182)
    warning: timedelta = timedelta(minutes=10)
    longest_in_all: timedelta | None = None
    chat: timedelta = timedelta(days=7)
    concern: timedelta = timedelta(days=28)


@dataclass(frozen=True)
class Community:
    """`server` is the homeserver's name (the part of a Matrix ID after the first colon).

    `limits` is the community's own statement of what this is not and cannot do, required. `topics` are
    offered as choices, in this order; `topic_lines` says in a line what one is, and `hard` are those about
    which only peers who chose them are asked. `zone` is the IANA zone in which hours are said until a member
    names their own. `who_runs` says who runs the homeserver, for the consent question. `keeper` is the
    account that invites to peer rooms, `desk` the one that members write to. `guide` is the community's own
    short guide for peers; where it is empty the catalogue's is read out. `talk_in` are the codes of the
    languages in which members talk with one another, from which they choose. `members` says who may write:
    "room", "server" or "anyone". `languages` are those in which members can be spoken to, by code: the first
    until they choose another; where it names none, all that there are. `own_words` are by language what
    members read instead of the community's words here. `ages` says who it is for: "adults" (from `adult_from`
    years on), "young" (below that) or "both", kept apart. `opens` says when requests are taken: "always",
    "enough" (while `enough` people have offered) or "hours" (in `hours`, weekly in the community's `zone`).
    Of fewer than `enough` people nothing is told to anybody. `messages_at_once` is how many messages of one
    member are answered one after another; then one each five seconds. `readers` are those who read concerns;
    where there are none, no concern is taken. `stewards` look after the instance, from their room; where
    there are none, nothing that needs one is to be had. `vouchers`: whoever offers company needs one yes of a
    steward, or two of members. `agreement` is what the community agreed, which members can read. `questions`
    are the community's own that a check-in can ask. `purges`: the homeserver deletes the rooms that are
    over, at the service's order or by itself. `draft` is the line of the agreement that still says that it is
    one, which no linked community is sent.
    """

    name: str
    server: str
    limits: str
    who_runs: str
    zone: str = "UTC"
    guide: str = ""
    topics: tuple[str, ...] = ()
    talk_in: tuple[str, ...] = ()
    topic_lines: Mapping[str, str] = field(default_factory=dict)
    hard: frozenset[str] = frozenset()
    places: tuple[Place, ...] = ()
    timings: Timings = Timings()
    asks_at_once: int = 2
    asks_a_day: int = 2
    purges: bool = False
    keeper: MatrixId = MatrixId("")
    desk: MatrixId = MatrixId("")
    members: str = "anyone"
    messages_at_once: int = 60
    ages: str = "adults"
    adult_from: int = 18
    opens: str = "always"
    enough: int = 3
    hours: tuple[Window, ...] = ()
    languages: tuple[str, ...] = ()
    own_words: Mapping[str, OwnWords] = field(default_factory=dict)
    readers: tuple[Reader, ...] = ()
    stewards: tuple[MatrixId, ...] = ()
    vouchers: bool = False
    agreement: str = ""
    draft: str = ""
    questions: tuple[str, ...] = ()
