"""What the service keeps: frozen dataclasses, one for each table of records.

A field whose name is a column of the record's table lies there in clear (ids, states, times, counts); every
other field is sealed together in that row's `sealed` column. A new field comes with its retention rule, in
`schema.tables`.

`due_at` (aware UTC) is when the scheduler must hand the record to its handler; `None` is never.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from schema.ids import (
    AskAcrossId,
    AskId,
    BuddyId,
    CheckInId,
    ConcernId,
    GuestRoomId,
    LinkId,
    LinkInvitationId,
    LinkKeysId,
    MatrixId,
    MeetingId,
    MemberId,
    OfferId,
    OutboxId,
    OutlookId,
    PairingId,
    PairingPauseId,
    RequestId,
    RoomId,
    SeparationId,
    StewardshipId,
    VoucherId,
)
from schema.states import (
    AskState,
    BuddyState,
    CheckInState,
    ConcernState,
    Ending,
    GuestRoomState,
    LinkState,
    MakingState,
    OfferState,
    PairingState,
    RequestState,
    RoomState,
)
from schema.wire import Hello, KeyChange, Terms


@dataclass(frozen=True)
class Consent:
    """What a member was asked to agree to, as it was shown, and `given_at`, when they said yes.

    `words` is the service's own part; what people wrote stands beside it in the record. `version` names the
    catalogue that the words are from. Deleted with its record; those that led to a room go over to it.
    """

    words: str
    version: str
    given_at: datetime | None = None


@dataclass(frozen=True)
class Put:
    """A message in which a question was put that may be taken back: in `room`, at `at`; it bears `mark`.

    Kept until the question is answered, or the message withdrawn.
    """

    room: RoomId
    mark: OutboxId
    at: datetime


@dataclass(frozen=True)
class Prompt:
    """A question that awaits a member's answer; `kind` names the conversation and the step.

    `subject` is the id of the ask, the pairing or the room it is about. `draft` holds what was gathered in
    earlier steps. `by_itself` says that no message of the member's brought it, `instead` which kind of
    question was open until it came: a short answer may be meant for that one. `brought` is the answer to the
    question before that brought it: the same again at once may be one sent twice; or a number or a word alone
    that was doubted as own words: the same again is meant so. `repeated` says that it was
    put again for such a reason, `aside` that the member turned to something else: only `back` brings it
    again. `until` is when it lapses, `consent` what a yes to it would agree to. `missed` counts how
    often words could not be read as an answer to it. `said` are the messages in which it was put, where they
    are withdrawn when somebody else takes the question back.
    """

    kind: str
    asked_at: datetime
    subject: str = ""
    draft: dict[str, str | int | bool | list[str] | None] = field(default_factory=dict)
    by_itself: bool = False
    until: datetime | None = None
    instead: str = ""
    repeated: bool = False
    aside: bool = False
    consent: Consent | None = None
    brought: str = ""
    missed: int = 0
    said: tuple[Put, ...] = ()


@dataclass(frozen=True)
class Member:
    """Somebody who wrote to the front desk. Kept until `forget me`.

    `room` is the encrypted direct chat that they last wrote from. `waiting` holds the prompts that came by
    themselves while another was open, oldest first. `language` is the one they chose, until then the
    community's own. `zone` is an IANA name, once they gave one. `lines` holds
    when a fixed line ("unreadable", "plain") was last said, so that a flood gets one answer. `how` is how
    they talk, where they wanted that kept for their next request. `age_group` is "adults" or "young", as they
    said it themselves, where the community keeps the two apart; `age_since` is when they first asked or
    offered in it. `due_at` is when the first draft among the
    prompts lapses, and is erased, or `sweep_at`, when what is old in the chats is taken back next. `said`
    holds in which chats something was said that is not taken back yet, and when that was last, to within a
    day; a chat goes from it with its last message. What is older than `swept_to` was taken back. `cards`
    holds when, in the last day, they were shown what somebody wrote about themselves, and did not say yes to
    them; it goes within two days. `asked` holds when, in the last day, they were asked because of an offer
    that has ended since, to the second; each goes within two days, all with the next offer, which has them.
    """

    id: MemberId
    matrix_id: MatrixId
    since: datetime
    room: RoomId | None = None
    language: str = "en"
    zone: str | None = None
    prompt: Prompt | None = None
    waiting: tuple[Prompt, ...] = ()
    told_limits: bool = False
    lines: dict[str, datetime] = field(default_factory=dict)
    how: tuple[str, ...] = ()
    due_at: datetime | None = None
    said: dict[RoomId, datetime] = field(default_factory=dict)
    swept_to: datetime | None = None
    sweep_at: datetime | None = None
    age_group: str = ""
    age_since: datetime | None = None
    cards: tuple[datetime, ...] = ()
    asked: tuple[datetime, ...] = ()


@dataclass(frozen=True)
class Talking:
    """How two talk: in one of `languages` (codes; none where the community names none), in writing, by voice.

    Kept with what it is in.
    """

    languages: tuple[str, ...] = ()
    writing: bool = True
    voice: bool = False


@dataclass(frozen=True)
class Across:
    """By what a linked collective knows something: over `link`, the `request`, and, once there is a yes, its
    `answer`.

    All three are random, and mean nothing to anybody else. Kept with what it is in.
    """

    link: LinkId
    request: str
    answer: str = ""


@dataclass(frozen=True)
class Request:
    """A member's wish for company. Deleted when it ended and what came of it is over.

    `length` is how long they would like to be together, `until` when the request itself lapses. `round`
    counts the times that peers were asked. `due_at` is the next try. `reporters` says that people who must
    report may be asked; `topics_only`: nobody is asked who did not name one of its topics; `voice`: talking
    by voice is welcome too; `languages`: the codes of those that the asker talks in; `how`: how the asker
    talks, for whoever reads the note. `told` is what the asker was last told about the search, `each_try`
    that they wish to hear of each. Before `note_until` the note is with one peer, whatever that one answers.
    `again`: whoever agreed to talk with the asker again is asked first; `again_only`: nobody else is.
    `age_group`: nobody of another one is asked.

    `too`: they may be asked about others who allow the same, and others about them. For that the request
    holds what an offer holds: `fear` is what its member would do if they feared for a life, `asked` and
    `asked_at` are when they were asked, and before `free_at` nothing is.

    `start` is from when they would like company, where that is not at once; `until` follows it. `answer` is
    how long somebody's yes waits for theirs, where they set it.

    `linked` holds the links over which it may be asked too, those that the member was named. `again_of` names
    rooms of theirs by what a link knows them by: whoever was with them in those is asked for there, before
    others, and alone where the link is not in `linked`. `across` is set where a linked community asks for one
    of its own: then `member` is empty, there is no note, the id is the one that came, and `again_of` is of
    ours.
    """

    id: RequestId
    member: MemberId
    state: RequestState
    made_at: datetime
    until: datetime
    due_at: datetime | None
    round: int
    wish: str
    topics: tuple[str, ...]
    length: timedelta
    note: str
    reporters: bool = False
    told: str = ""
    each_try: bool = False
    topics_only: bool = False
    voice: bool = False
    how: tuple[str, ...] = ()
    note_until: datetime | None = None
    consent: Consent | None = None
    again: bool = False
    languages: tuple[str, ...] = ()
    age_group: str = "adults"
    too: bool = False
    fear: str = "unsaid"
    asked: tuple[datetime, ...] = ()
    asked_at: datetime | None = None
    free_at: datetime | None = None
    start: datetime | None = None
    again_only: bool = False
    answer: timedelta | None = None
    linked: tuple[LinkId, ...] = ()
    across: Across | None = None
    again_of: tuple[Across, ...] = ()


@dataclass(frozen=True)
class Window:
    """Hours that come back each week, by the clock on the member's own wall.

    On `days` (0 is Monday), from `start` to `end`, in minutes since midnight; an `end` at or before the
    `start` is on the day after.
    """

    days: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Rhythm:
    """When something comes back, by the clock on the member's own wall; it names no zone.

    `every` is "once" (on `start`), "days", "weeks" or "months", and `step` how many of those lie between two.
    `start` is the first day that counts: its week and its month are those that `step` counts from. `days` are
    the days of the week (0 is Monday), of "weeks" and of "months" with an `nth`: which of those in the month,
    1 to 4, or -1 for the last. Where `nth` is 0 `month_day` is the day of the month, 1 to 31, or -1 for the
    last; a month that is shorter has it on its own last day. `minute` is counted from midnight. Kept with
    what it is in.
    """

    every: str
    start: date
    minute: int
    step: int = 1
    days: tuple[int, ...] = ()
    nth: int = 0
    month_day: int = 0


@dataclass(frozen=True)
class Offer:
    """A member's readiness to be asked. Deleted when it ends.

    `asked_at` is when they were last asked (for fairness); `asked` when they were shown asks in the last day.
    Nothing is asked before `rest_until`, until which they rest, nor at or after `until`. Nothing is asked
    before `free_at` either: a yes of theirs, taken back, was good until then. `asks_a_day` is how often in a
    day they may be asked, where the community allows that much. `topics` are those they are there for,
    `no_topics` those about which nothing is asked; `who` is "anyone", or "shares": nothing is asked of them
    but about one of their topics. `does` are the wishes that they can meet; where it names none, all.
    `languages` are the codes of those that they talk in; `writing` and `voice`: in which ways. Nobody
    of another `age_group` is asked about.

    `when` is "now" (from the yes to `until`, its end), "weekly" (in `windows`) or "standing" (at any time
    outside `quiet`, its two ends as a window has them); the latter two by the clock of IANA `zone`. For them
    `until` is when the member is asked once whether it goes on: unanswered it rests, and is deleted at
    `due_at`.
    """

    id: OfferId
    member: MemberId
    state: OfferState
    until: datetime
    due_at: datetime | None
    asked_at: datetime | None
    topics: tuple[str, ...]
    card: str
    fear: str
    asked: tuple[datetime, ...] = ()
    rest_until: datetime | None = None
    consent: Consent | None = None
    when: str = "now"
    windows: tuple[Window, ...] = ()
    quiet: tuple[int, int] = (22 * 60, 8 * 60)
    zone: str = "UTC"
    free_at: datetime | None = None
    asks_a_day: int = 2
    no_topics: tuple[str, ...] = ()
    who: str = "anyone"
    languages: tuple[str, ...] = ()
    writing: bool = True
    voice: bool = True
    age_group: str = "adults"
    does: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ask:
    """One private question about one request to one member with an offer.

    Deleted with its request, or at its own hour where its member still awaits an answer. `due_at` is that
    hour; `said_at` is when they said yes. `wish`, `topics` and `talking` are what the question says, so that
    it reads the same when the request is gone; `note_seen`: the asker's own words were shown. `card` and
    `fear` are the member's own as their offer had them, so that a yes stands for the same when the offer is
    gone. A smaller yes sets `length` and `wish` to what its member said yes to. `consents` are their yes to
    the question and their yes to the note. `own` is set where the member was asked as somebody who looks for
    company too: what their request, whose id then stands in `offer`, asks. `start` is when the room would
    open, where that is later, `answer` how long the member's last word would wait for the asker's.

    `across` is set where a linked community asked our member, and then `note` and `how` hold what its own
    wrote for this member once it came; or where somebody of a linked community gave a yes to our member's
    request: then `member` and `offer` are empty. The id is the answer's there too.
    """

    id: AskId
    request: RequestId
    member: MemberId
    offer: OfferId
    state: AskState
    made_at: datetime
    due_at: datetime | None
    length: timedelta
    wish: str
    topics: tuple[str, ...]
    said_at: datetime | None = None
    note_seen: bool = False
    card: str = ""
    fear: str = ""
    consents: tuple[Consent, ...] = ()
    talking: Talking = Talking()
    own: dict[str, str | int | bool | list[str] | None] = field(default_factory=dict)
    start: datetime | None = None
    answer: timedelta | None = None
    across: Across | None = None
    note: str = ""
    how: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pairing:
    """A request and an offer on their way through both consents.

    Deleted when the two have met in their room, or when it is over.

    `until` is the hour until which the second consent is open; a no, a silence and a withdrawal are all told
    to the peer at that hour and not before. `due_at` is that hour, or sooner while the question waits behind
    another. `length`, `wish` and `talking` are what the peer said yes to. `card` and `fear` are the peer's
    words as the asker sees them, until the pairing is over, and so is `own`, what the peer's request asks
    where they look for company too; `seen`: they were shown to the asker. `consent` is the asker's. `start`
    is when the room is to open, where that is later: once planned, the pairing waits for it. `across` is set
    where the peer is of a linked community; `peer` is empty then until that community said who it is.
    """

    id: PairingId
    request: RequestId
    ask: AskId
    asker: MemberId
    peer: MemberId
    state: PairingState
    made_at: datetime
    until: datetime
    due_at: datetime | None
    length: timedelta
    card: str
    fear: str
    seen: bool = False
    consent: Consent | None = None
    wish: str = ""
    talking: Talking = Talking()
    own: dict[str, str | int | bool | list[str] | None] = field(default_factory=dict)
    start: datetime | None = None
    across: Across | None = None


@dataclass(frozen=True)
class MoreTime:
    """More time for a peer room, which `member` asked for and the other may agree to until `until`.

    Kept with its room until then; whether the other saw it or said no is kept nowhere. `name` is what both
    sides of a link call it.
    """

    member: MemberId
    length: timedelta
    until: datetime
    name: str = ""


@dataclass(frozen=True)
class PeerRoom:
    """The room of one pairing (the id is the pairing's). Deleted once gone and the receipt is written.

    `due_at` is when its state moves on by itself: the end of its time, of the reading time, of the wait
    before the purge; while it opens, when the asker is told that it takes longer. `wish` is what the two
    agreed would help, `talking` how they agreed to talk, kept as long as the room. `warn_at` is when both are
    told that it ends soon, until they were. `more` is the wish for more time that is open now, and
    `asked_more` holds who has asked for it before this end. `sought` holds the words of the asker's request
    from when the two met until the room is closed, so that the asker can be offered somebody else; where the
    peer looked for company too, `peer_request` is their request and `peer_sought` its words. `joined`
    holds those of the two who are in it now; `changes` counts how often the keeper was told who may write;
    `erase_now` those who asked to erase at once. `done` lists what the erasure has reached so far, for the
    receipt. `reminded`: whoever had not come was invited again; `choosing`: the other was then asked whether
    to wait. `met`: both were in it and could write. `early` holds who went in or out of which room before we
    knew that it is this one. `consents` holds every yes that led to it, with whose it is, until the room is
    gone. Whoever is forgotten stands here as an empty id, and their consents go. `across` is set where the
    peer is of a linked community: `peer` is the keyed hash of an address that is no member's here.
    """

    id: PairingId
    asker: MemberId
    peer: MemberId
    request: RequestId
    state: RoomState
    made_at: datetime
    length: timedelta
    ends_at: datetime
    due_at: datetime | None
    room: RoomId | None = None
    asker_matrix_id: MatrixId = MatrixId("")
    peer_matrix_id: MatrixId = MatrixId("")
    joined: tuple[MemberId, ...] = ()
    ever_joined: tuple[MemberId, ...] = ()
    erase_now: tuple[MemberId, ...] = ()
    reminded: bool = False
    ending: Ending | None = None
    done: tuple[str, ...] = ()
    met: bool = False
    early: tuple[tuple[RoomId, MemberId, str], ...] = ()
    wish: str = ""
    consents: tuple[tuple[MemberId, Consent], ...] = ()
    warn_at: datetime | None = None
    more: MoreTime | None = None
    asked_more: tuple[MemberId, ...] = ()
    changes: int = 0
    choosing: bool = False
    sought: dict[str, str | int | bool | list[str] | None] = field(default_factory=dict)
    talking: Talking = Talking()
    peer_request: RequestId = RequestId("")
    peer_sought: dict[str, str | int | bool | list[str] | None] = field(default_factory=dict)
    across: Across | None = None


@dataclass(frozen=True)
class Separation:
    """That two are kept apart, as `member` asked. Kept until they end it, or are forgotten.

    `other` is the keyed hash of the other's Matrix ID, whether they were ever here or not. It stays when the
    other is forgotten, and holds when they come back. No name is kept.
    """

    id: SeparationId
    member: MemberId
    other: MemberId
    since: datetime


@dataclass(frozen=True)
class Meeting:
    """A mark that `member` was in a room with `other`, a keyed hash; each of the two has their own.

    Deleted at `due_at`: at the latest 14 days after the room ended, or, where both said that they would talk
    again, when that lapses; sooner where its member ended it, or is forgotten. `apart` is that by which
    its member has the two kept apart, while that stands: then the mark is there for a concern alone.
    `ended_at` is when the room ended. `again`: the member would talk with the other again; `agreed`: both
    said so. Whoever is forgotten stands in the other's as an empty id. `consent` is the member's yes to the
    keeping of that they would, and goes with it. `across` is set where the other is of a linked community,
    which keeps its own mark: then `again` is kept as long as an agreement, and neither side hears of the
    other's. `linked` is read alone, in a mark of before there was an `across`: no `again` counts in one.
    """

    id: MeetingId
    member: MemberId
    other: MemberId
    ended_at: datetime
    due_at: datetime
    again: bool = False
    agreed: bool = False
    consent: Consent | None = None
    across: Across | None = None
    linked: bool = False
    apart: SeparationId | None = None


@dataclass(frozen=True)
class Proposal:
    """That one of two readers of a concern would pause the other person's pairing, for `length`.

    `reason` is what that person would read. Kept with the concern until the second reader has answered.
    """

    reader: MemberId
    length: timedelta
    reason: str


@dataclass(frozen=True)
class Concern:
    """What was wrong, in the member's own words, for the readers whom they chose.

    Deleted at `until`, or when the member takes it back or is forgotten. `due_at` is that hour, or sooner the
    one at which the member hears that nobody has opened it; `reminded`: they heard so. `about` is "pairing",
    "ask" or "service". `other` is the keyed hash of whom they were in a room with, where it is about that; it
    stays when that person is forgotten. `link` is that over which the two met, empty where it is not known,
    and None where they met here. `readers` are the one or two who may read it, `opened` those who did,
    `spare` those who were chosen too: the first of them reads it where a reader gives it back, is forgotten,
    or is no reader any more, and goes from all three. `named`: the readers see the member's address.
    `answers` are what readers answered, with whose each is; a reader who is forgotten stands there as an
    empty id. `consent` is the yes to its recap.
    """

    id: ConcernId
    member: MemberId
    state: ConcernState
    made_at: datetime
    until: datetime
    due_at: datetime | None
    about: str
    words: str
    readers: tuple[MemberId, ...]
    other: MemberId = MemberId("")
    named: bool = False
    opened: tuple[MemberId, ...] = ()
    proposal: Proposal | None = None
    reminded: bool = False
    answers: tuple[tuple[MemberId, str], ...] = ()
    spare: tuple[MemberId, ...] = ()
    consent: Consent | None = None
    link: LinkId | None = None


@dataclass(frozen=True)
class PairingPause:
    """That `other`, a keyed hash, is paired with nobody until `due_at`. Deleted then, or when a reader ends
    it.

    It stays when the one it is about is forgotten, and holds when they come back; it names neither who had a
    concern nor which. `reason` is what they read, `readers` are those who decided it, less whoever is
    forgotten, and read the one `answer` that its person may give; `answered`: they gave it. The answer goes
    when that person is forgotten. `link` is the concern's: by a link nobody of that community hears of it.
    """

    id: PairingPauseId
    other: MemberId
    made_at: datetime
    due_at: datetime
    reason: str
    readers: tuple[MemberId, ...]
    answered: bool = False
    answer: str = ""
    link: LinkId | None = None


@dataclass(frozen=True)
class Pause:
    """That nobody is asked: `words` are what members are told, `since` when it began. Kept until it ends."""

    words: str
    since: datetime


@dataclass(frozen=True)
class Stewardship:
    """What the stewards decided for all, in one record; kept as long as the instance.

    `here` holds the stewards who are in their room, until they leave it or are named no more. `questions` are
    those that await one steward's answer, by whose they are; each goes when it is answered or lapses.
    `checked` holds the day on which a steward last made sure of a place of help, by its name and contact, as
    long as the configuration has that place. `flagged` are the places of which the stewards were told that
    nobody has checked them lately. `said` is when something was last said in their room, to a day, until it
    is taken back there; `swept_to` the hour before which all is, `sweep_at` when the rest is looked at.
    `due_at` is when that is, a question lapses, or the next place comes to count as not checked.
    """

    id: StewardshipId
    due_at: datetime | None = None
    here: tuple[MemberId, ...] = ()
    questions: dict[MemberId, Prompt] = field(default_factory=dict)
    paused: Pause | None = None
    checked: dict[str, date] = field(default_factory=dict)
    flagged: tuple[str, ...] = ()
    said: datetime | None = None
    swept_to: datetime | None = None
    sweep_at: datetime | None = None


@dataclass(frozen=True)
class Voucher:
    """That somebody knows `member`, who would offer company; asked for, or given.

    Deleted at `due_at`: a week after it was asked for, a year after it was given; or where its member is
    forgotten. `since` is when it was given. Until then `named` are those who may say yes, and `yes` those who
    did, each a keyed hash; `stewards`: one of them may. Of those who gave it nothing is kept afterwards. What
    was taken back before it was given stays without any of these until `due_at`: nobody is asked anew.
    `consent` is its member's yes to the asking, without the names in it, and goes with it.
    """

    id: VoucherId
    member: MemberId
    due_at: datetime
    stewards: bool = False
    named: tuple[MemberId, ...] = ()
    yes: tuple[MemberId, ...] = ()
    since: datetime | None = None
    consent: Consent | None = None


@dataclass(frozen=True)
class CheckIn:
    """A message that its member asked to be sent, at times that they chose.

    Deleted after its last time, or when its member ends it or is forgotten; one that is paused without an end
    after half a year. Of an answer nothing is kept, and of one that did not come nothing either: only that
    the turn is over.

    `rhythm` is by the clock of IANA `zone`. Its next time is `at`, for which the member's wall shows `wall`
    (naive); None where none is left. It ends with the day `ends`. `question` is what is asked, in the
    member's words or the community's; empty: as usual. After `late` a time that could not be kept is let go.
    `last` is what the wall showed at the last time that came, or was skipped. `due_at` is the next time, or
    sooner when it is looked at again. `turn` is the time whose question can be answered now, `puts` how often
    it was put, `said` the messages that hold it. While `paused_at` is set nothing comes, until `paused_until`
    where there is such a day; `clockless`: its zone is gone from the tz database, and it goes on when its
    member names a city. `asked_on`: its member was asked whether it goes on.

    Nothing is counted here: for a member who has a buddy, `Buddy` does.
    """

    id: CheckInId
    member: MemberId
    state: CheckInState
    made_at: datetime
    due_at: datetime | None
    rhythm: Rhythm
    zone: str
    wall: datetime | None
    at: datetime | None
    ends: date
    question: str
    late: timedelta
    last: datetime | None = None
    turn: datetime | None = None
    puts: int = 0
    said: tuple[Put, ...] = ()
    paused_at: datetime | None = None
    paused_until: datetime | None = None
    asked_on: bool = False
    clockless: bool = False


@dataclass(frozen=True)
class OwnPlan:
    """A member's own words to themselves, for hard days; the id is the member's.

    Kept until they change or delete them, or are forgotten. `at_check_ins`: their check-ins offer it as one
    of the answers.
    """

    id: MemberId
    words: str
    kept_at: datetime
    at_check_ins: bool = False


@dataclass(frozen=True)
class NewWords:
    """What a buddy is asked to be sent in place of what they said yes to; they can say yes until `until`.

    Kept with its buddy until their yes, until then, or until its member takes it back; whether they said no
    is kept nowhere. `consent` is the member's. `counts_at` is the hour at which something comes of the count.
    """

    words: str
    please: tuple[str, ...]
    please_not: tuple[str, ...]
    until: datetime
    consent: Consent | None = None
    counts_at: datetime | None = None


@dataclass(frozen=True)
class Buddy:
    """Whom `member` named to be told, in words that they wrote beforehand, where check-ins stay unanswered.

    Deleted where the buddy ends it or is forgotten, where its member is forgotten, or a week after it was
    asked for, at `due_at`, where there was no yes. Where its member ends it and the buddy is not to know,
    all but the buddy's own yes and the two addresses is erased, and that is kept until the buddy ends it.

    `other` is the keyed hash of whom `name` addresses, as the member typed it. `words`, `please` and
    `please_not` are all that the buddy is sent; of the latter two each is a sentence of ours, or their own.
    `after` check-ins without an answer, and `hours` after the last of them: the member is warned when half of
    that is over, and the buddy told when all of it is; with 0 only when the member says so. `unanswered`
    counts those put since `since` without a sign of life, and begins anew with any; `due_at` is what comes
    next of it. `tells_at` is the hour that the member was told, or at which the words were ordered or went
    (None where they could not), `arrived` that the warning reached the member. `agreed_at` is when the buddy
    said yes. `consents` holds the yes of both, with whose it is. `new` is what the buddy is asked to be sent
    instead; until their yes the old words stand. `age_group` is the one of both when it was asked for: where
    one of them says to be of another it ends.
    """

    id: BuddyId
    member: MemberId
    other: MemberId
    state: BuddyState
    made_at: datetime
    due_at: datetime | None
    name: MatrixId
    words: str
    please: tuple[str, ...]
    please_not: tuple[str, ...]
    after: int
    hours: timedelta
    unanswered: int = 0
    since: datetime | None = None
    tells_at: datetime | None = None
    arrived: bool = False
    agreed_at: datetime | None = None
    consents: tuple[tuple[MemberId, Consent], ...] = ()
    new: NewWords | None = None
    age_group: str = ""


@dataclass(frozen=True)
class Outlook:
    """How it looks for whoever asks now. One row, about nobody; it holds until `due_at` and is then deleted.

    `someone`: enough people to say so may be there in this part of the day. `later` is when the first part
    begins in which they may be, where this one is not such and one within a day is. `enough`: as many have
    offered as the community wants before it takes requests.
    """

    id: OutlookId
    due_at: datetime
    someone: bool
    later: datetime | None
    enough: bool


@dataclass(frozen=True)
class Received:
    """Which envelopes of one direction were received. Kept with its epoch.

    `newest` is the highest counter received; bit n of `bits` says whether `newest - n` was. `issued` is the
    latest issue time received, in seconds. Nothing issued at or before `after` counts: it is what was the
    latest when the sender's counter went back. Nothing was sent before `since`, when the making of its keys
    began. `gaps` has the runs of counters that were passed over: the last one of each, and the issue times
    of what was received before and behind it.
    """

    newest: int = 0
    bits: int = 0
    issued: int = 0
    after: int = -1
    since: int = 0
    gaps: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True)
class LinkEpoch:
    """One epoch of a link: both sides' keys, the digest of their making, and what was counted with them.

    `sent` is the counter of the newest envelope sent, `sent_at` its issue time in seconds. An epoch that
    another took the place of is received until `until`, and then deleted. Its private keys go with it.
    """

    number: int
    made: str
    ours: KeyChange
    theirs: KeyChange
    sent: int = 0
    sent_at: int = 0
    received: Received = Received()
    until: datetime | None = None


@dataclass(frozen=True)
class Making:
    """The making of a link's next epoch, until both sides' stewards found the words the same, or its hour.

    It has the two steps of each side, as far as they are there; our keys are shown to the other side when
    both hellos are, and its own are checked against what it committed to. `epoch` is there once all four are.
    `heard`: the other side's stewards found the words the same. Our steps, while they are not answered, are
    said again at `again_at` (None: an hour after it began); `again` counts how often they were, as far as
    that makes the wait longer.
    """

    number: int
    round: int
    begun_at: datetime
    state: MakingState
    our_hello: Hello | None = None
    our_keys: KeyChange | None = None
    their_hello: Hello | None = None
    their_keys: KeyChange | None = None
    epoch: LinkEpoch | None = None
    heard: bool = False
    again: int = 0
    again_at: datetime | None = None


@dataclass(frozen=True)
class Link:
    """The agreement of two collectives to ask one another's members.

    `us` and `them` are the two desks as the link calls them. `epochs` has the keys in use, newest first: one,
    or two while the older drains. `rounds` counts the tries at the next one. `asks` holds when theirs were
    sent, as long as one of the same day can come, `asked` when ours went, and `tries` when they began to make
    keys anew, or had us do it, in the last day.
    `pause_from` and `terms_from` are the epoch and counter that `paused_there` and `their_terms` are from.

    `terms` are ours as the other side has them; `chosen` are what our stewards agreed to, of which the
    community may have come to allow less; where nobody chose, they are the same. `told_until` is the end of
    which the stewards were told that it is near, `told` when they were of changes by the other side, in the
    last day.

    `desk` is the other front desk, `room` the room of the two, once it is there; `here`: theirs is in it, and
    nobody else. `name` is what the other collective calls itself. `heard_at` is when something that they
    signed, or one of the first steps, was last taken. `due_at` is when something of it is over. `greeting` is
    what our stewards wrote for it when they asked too, and theirs was the one that goes on.
    Deleted with its keys when it is over.
    """

    id: LinkId
    us: str
    them: str
    state: LinkState
    terms: Terms
    their_terms: Terms | None = None
    epochs: tuple[LinkEpoch, ...] = ()
    making: Making | None = None
    paused_here: bool = False
    paused_there: bool = False
    asks: tuple[datetime, ...] = ()
    asked: tuple[datetime, ...] = ()
    rounds: int = 0
    pause_from: tuple[int, int] = (0, 0)
    terms_from: tuple[int, int] = (0, 0)
    tries: tuple[datetime, ...] = ()
    chosen: Terms | None = None
    told_until: datetime | None = None
    told: tuple[datetime, ...] = ()
    desk: MatrixId = MatrixId("")
    room: RoomId | None = None
    here: bool = False
    name: str = ""
    heard_at: datetime | None = None
    due_at: datetime | None = None
    greeting: str = ""


@dataclass(frozen=True)
class LinkKeys:
    """Our private keys for one epoch and try of a link: two seeds and a nonce, 32 bytes each in hexadecimal.

    Kept apart from the link, which is written with each envelope. Deleted when neither an epoch of the link
    nor its making has them any more.
    """

    id: LinkKeysId
    link: LinkId
    number: int
    round: int
    signing: str = field(repr=False)
    sealing: str = field(repr=False)
    nonce: str = field(repr=False)


@dataclass(frozen=True)
class LinkInvitation:
    """That another collective's front desk asked for a link, by inviting ours to a room of the two.

    Of each desk one, kept until `due_at` whatever came of it: so long no further one of that server is told
    of. `room` is the newest; None once it was declined, or taken up. `wanted`: our stewards named that desk,
    so that ours goes in. One that comes while there is a link with that desk is told of when it is over.
    `greeting` and `chosen`: the words and the terms that our stewards wrote for it, where ours asked too.
    """

    id: LinkInvitationId
    desk: MatrixId
    room: RoomId | None
    due_at: datetime
    wanted: bool = False
    greeting: str = ""
    chosen: Terms | None = None


@dataclass(frozen=True)
class AskAcross:
    """That a linked collective was asked about a request of ours; the id is the request's name there.

    `languages` are those of the request's that crossed, `again` the names of rooms (`only`:
    for nobody else than whoever was in those), `until` is when it expires there. `anew`: one of the two sides
    was restored since, and it is to be put there once more. Deleted with the request, or when the link is
    over. Where its withdrawal cannot cross it stays without its request, at most until then: at `due_at` it
    is tried again.
    """

    id: AskAcrossId
    link: LinkId
    request: RequestId
    due_at: datetime | None
    languages: tuple[str, ...] = ()
    until: datetime | None = None
    again: tuple[str, ...] = ()
    only: bool = False
    anew: bool = False


@dataclass(frozen=True)
class GuestRoom:
    """A room that a linked collective opens for one of its members and `member`, one of ours.

    Its keeper is theirs: our side hears from their desk how it stands. The id is that of the ask, whose
    `across` it has. `other` is the keyed hash of the other's Matrix ID, `other_matrix_id` the address itself:
    both go when the room is closed. `room` is there once it is open, `ends_at` when it ends. `length`,
    `wish` and `talking` are what the two agreed on; `consents` holds our member's yeses. `due_at` is when our
    side goes on by itself: where no room came, for the erasure here, and where nothing is heard of it any
    more. `warn_at` is when our member is told that it ends soon, until they were. `latest` is when it would
    end with all the time that our member asked for or said yes to. `ending` says that our member asked to end
    it. `reached` is what was erased here, `there` what they say of their side; `server` is the one of their
    keeper. `met`: the two were both in it, unless their side said when it ended that they were not. `more`
    is more time that one of the two would like, `agreed_more` that ours said yes to the other's, and
    `asked_more` who asked before this end. `lapsed_more`: our member heard that nothing came of `more`,
    unless the room had ended by then; the other side may still say otherwise. Deleted once gone and the
    receipt is written. A member who is forgotten stands here as an empty id until then; so does the other.
    """

    id: GuestRoomId
    member: MemberId
    link: LinkId
    state: GuestRoomState
    made_at: datetime
    due_at: datetime | None
    across: Across
    other: MemberId
    other_matrix_id: MatrixId
    length: timedelta
    wish: str
    talking: Talking = Talking()
    room: RoomId | None = None
    ends_at: datetime | None = None
    ending: Ending | None = None
    reached: str = ""
    consents: tuple[Consent, ...] = ()
    there: str = ""
    server: str = ""
    met: bool = True
    more: MoreTime | None = None
    agreed_more: bool = False
    asked_more: tuple[MemberId, ...] = ()
    lapsed_more: bool = False
    latest: datetime | None = None
    warn_at: datetime | None = None


Record = (
    Member
    | Request
    | Offer
    | Ask
    | Pairing
    | PeerRoom
    | Separation
    | Meeting
    | Concern
    | PairingPause
    | Stewardship
    | Outlook
    | Voucher
    | CheckIn
    | OwnPlan
    | Buddy
    | Link
    | LinkKeys
    | LinkInvitation
    | AskAcross
    | GuestRoom
)
