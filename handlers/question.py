"""A question as it is put to a member, what they answered, and what becomes of each kind of question.

Guards: what has to be in earnest or holds a person's words is never passed over, and what one word brings
anew is not kept.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Choice:
    """One numbered answer: `name` is ours, `words` the catalogue's sentence for it, or the text itself.

    In the catalogue the sentence may be followed by ` | word`: words that mean it too when sent alone.
    `length` is the length of time that it is, if it is one: however that is written, it is this choice.
    """

    name: str
    key: str = ""
    text: str = ""
    length: timedelta | None = None


@dataclass(frozen=True)
class Question:
    """A question as it is put: sentences, then numbered choices.

    `free` takes a person's own words, `reads` says that they are read as something, such as a city or an
    hour, and not taken as they are. `many` takes several numbers. With either of these a command is no own
    word. `binding` is a consent or cannot be undone: a reply that quotes something never answers it. `also`
    are names of commands that it takes as answers; `until` is when it lapses. `terms` are the words of it
    that are kept with a yes. `quiet`: where it comes by itself it does not notify, and may pass unseen.
    """

    text: str
    choices: tuple[Choice, ...] = ()
    free: bool = False
    reads: bool = False
    many: bool = False
    binding: bool = False
    also: frozenset[str] = frozenset()
    until: datetime | None = None
    terms: str = ""
    quiet: bool = False


@dataclass(frozen=True)
class Reply:
    """What a member answered: the names of choices, or their own words where the question takes them."""

    names: tuple[str, ...] = ()
    text: str = ""

    @property
    def name(self) -> str:
        """The one choice, or the empty string where there is none."""
        return self.names[0] if self.names else ""

    @property
    def consents(self) -> bool:
        """Whether it is a yes: the choice of that name, or some of those that say yes to one thing each."""
        return self.name.split(" ")[0] == "yes"


PASSING = frozenset(
    {
        *("menu", "held", "again", "offered", "renew", "zone", "ages", "language", "after", "more"),
        *("consents", "concerns", "own_concern", "answered", "to_read", "reads", "weighs", "lift", "paused"),
        *("checkin", "checkin_on", "checkins", "own_checkin"),
        *("my_plan", "change_plan", "buddies", "unfinished", "either"),
    }
)
"""Questions that hold nothing up: whatever comes by itself takes their place."""

SHORT = frozenset(
    {
        *("stop", "forget", "take_back", "practice", "apart", "kept", "afterwards", "clear", "voucher"),
        *("delete_plan", "end_checkin", "pause_checkin", "tell_buddy", "buddy_ended"),
    }
)
"""Questions that lapse after a short while."""

DRAFTS = frozenset(
    {
        *("talk", "offer", "concern", "answers", "pauses", "objects", "own_plan"),
        *("buddy", "new_words", "new_checkin"),
    }
)
"""Questions that hold what a member writes, and lapse as a request does."""

NOT_KEPT = (PASSING - {"again"}) | SHORT | {"extend", "pass", "backup", "which"}
"""Questions that are not come back to: one word brings them anew. A request's words are kept as was said."""

ENDS_IN_A_YES = DRAFTS | {"voucher"}
"""Questions that come to a last one, to the whole of it: only a yes or a no ends them, and never "skip"."""

WITHDRAWN = frozenset({"be_buddy", "agree_words"})
"""Questions that somebody else can take back before they are answered: what they stand in goes then."""

GIVES_WAY = frozenset({"practice"})
"""Questions that are not in earnest: what is takes their place at once, and they are over."""
