"""Every key of the configuration, by section: what it is for, the form that it must have, and its default.

Guards: unknown keys are refused; a key is described here and nowhere else, so that what is read, what is
refused and the annotated example cannot differ.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Strict
from pydantic.fields import FieldInfo

from schema.community import Timings
from service.config import forms
from service.config.forms import Secret, Toml

PREFIX = "ALONGSIDE_"


@dataclass(frozen=True)
class Says:
    """What a key is for, the form it must have (it ends "Write …"), an example where there is no default."""

    what: str
    form: str
    example: Toml | None = None


Line = Annotated[str, AfterValidator(forms.line)]
Length = Annotated[timedelta, BeforeValidator(forms.length_of_time), Strict(False)]
_IN_TIME = 'a length of time with its unit in quotes, such as "10 minutes", "2 hours" or "1 day"'


class Section(BaseModel):
    """One table of the configuration: unknown keys and naive types are refused, nothing changes later."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True, hide_input_in_errors=True
    )


class Homeserver(Section):
    """The community's own Matrix homeserver, as this machine reaches it."""

    url: Annotated[
        str,
        AfterValidator(forms.homeserver_url),
        Says(
            "Its address for clients (the base URL of the client-server API).",
            'the address without a path, such as "https://matrix.example.org"',
            "https://matrix.example.org",
        ),
    ]
    server_name: Annotated[
        str,
        AfterValidator(forms.server_name),
        Says(
            "Its name: what stands after the first colon of the Matrix IDs of its members.",
            'the name alone, such as "example.org"',
            "example.org",
        ),
    ]
    ca_file: Annotated[
        str | None,
        Says(
            "The certificates (PEM) that vouch for its own, if the system's are not enough.",
            "the path of a readable file with certificates in PEM form",
            "homeserver-ca.pem",
        ),
    ] = None
    room_version: Annotated[
        Literal["11", "12"] | None,
        Says("The version of new peer rooms, if not the homeserver's own default.", '"11" or "12"', "12"),
    ] = None
    forgets_rooms: Annotated[
        bool,
        Says(
            "Whether it deletes by itself a room that everybody has left: Synapse with"
            " `forget_rooms_on_leave` and `forgotten_room_retention_period`. Without it, and without"
            " admin.token, rooms that are over stay on it, and members are told so.",
            "true or false",
            "true",
        ),
    ] = False


class Desk(Section):
    """The front desk: the account that members write to. Either its token and device, or its password."""

    user: Annotated[
        str,
        AfterValidator(forms.matrix_id),
        Says(
            "Its Matrix ID.",
            'the whole Matrix ID, such as "@alongside:example.org"',
            "@alongside:example.org",
        ),
    ]
    token: Annotated[
        Secret | None,
        Says(
            "Its access token; never one of an app that a person uses, which has that app's device and keys.",
            "the access token that `alongside init` was given, on one line",
            "secrets/desk.token",
        ),
    ] = None
    device_id: Annotated[
        str | None,
        AfterValidator(lambda value: value if value is None else forms.device_id(value)),
        Says("The device that the token belongs to.", "the device id in quotes", "ALONGSIDEDESK"),
    ] = None
    password: Annotated[
        Secret | None,
        Says(
            "Its password, instead of a token and a device: each start then logs in anew. A token is better,"
            " and the only way where log-ins are another service's.",
            "the password alone",
            "secrets/desk.password",
        ),
    ] = None


class KeeperSection(Section):
    """The keeper: the account that opens and closes peer rooms. No encryption, and no password here."""

    user: Annotated[
        str,
        AfterValidator(forms.matrix_id),
        Says("Its Matrix ID.", 'the whole Matrix ID, such as "@keeper:example.org"', "@keeper:example.org"),
    ]
    token: Annotated[
        Secret,
        Says(
            "Its access token. Its password is used once, by `alongside init`, and never kept.",
            "the access token that `alongside init` was given, on one line",
            "secrets/keeper.token",
        ),
    ]
    device_id: Annotated[
        str | None,
        AfterValidator(lambda value: value if value is None else forms.device_id(value)),
        Says("The device that the token belongs to.", "the device id in quotes", "ALONGSIDEKEEPER"),
    ] = None


class Keys(Section):
    """What opens the sealed database: without it nobody can read anything in it, ever again."""

    sealing_key: Annotated[
        Secret,
        Says(
            "32 random bytes. Keep a copy apart from the database's backups.",
            "32 bytes as base64 or as 64 hexadecimal digits (`alongside init` makes them)",
            "secrets/sealing-key",
        ),
    ]


class Database(Section):
    """Where records are kept, sealed. One process at a time serves a database."""

    url: Annotated[
        Secret | None,
        Says(
            'SQLite, "sqlite:///path", or PostgreSQL, "postgresql://user:password@host/name". Without it: the'
            " SQLite file alongside.db in systemd's state directory, else beside this file.",
            "sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME",
            "secrets/database.url",
        ),
    ] = None


class PlaceWordsTable(Section):
    """What members read of a place in one more language; what is left out is read as it stands above."""

    name: Annotated[
        Line, forms.at_most(120), Says("Its name.", "a short text in quotes", "Línea nocturna")
    ] = ""
    contact: Annotated[
        Line,
        forms.at_most(200),
        Says("How it is reached.", "a short text in quotes", "+49 30 000000, chat: night.example"),
    ] = ""
    hours: Annotated[
        Line,
        forms.at_most(120),
        Says("When.", "a short text in quotes", "todos los días, de 20:00 a 02:00"),
    ] = ""
    languages: Annotated[
        Line,
        forms.at_most(120),
        Says("In which languages.", "a short text in quotes", "alemán, inglés"),
    ] = ""


class PlaceTable(Section):
    """One entry of the community's own list of help."""

    name: Annotated[Line, forms.at_most(120), Says("Its name.", "a short text in quotes", "Night line")]
    contact: Annotated[
        Line,
        forms.at_most(200),
        Says("How it is reached.", "a short text in quotes", "+49 30 000000, chat: night.example"),
    ]
    hours: Annotated[
        Line, forms.at_most(120), Says("When.", "a short text in quotes", "every day, 20:00 to 02:00")
    ]
    languages: Annotated[
        Line, forms.at_most(120), Says("In which languages.", "a short text in quotes", "German, English")
    ]
    may_send_police: Annotated[
        Literal["yes", "no", "not known"],
        Says("May it send police to a caller?", '"yes", "no" or "not known"', "not known"),
    ]
    checked_on: Annotated[
        Line,
        BeforeValidator(forms.day),
        forms.at_most(40),
        Says("When somebody last made sure of it.", 'a date in quotes, such as "2026-11-01"', "2026-11-01"),
    ]
    ages: Annotated[
        Literal["all", "adults", "young"],
        Says("Whom it is for: all, adults, or young people.", '"all", "adults" or "young"', "all"),
    ] = "all"
    words: Annotated[
        dict[str, PlaceWordsTable],
        AfterValidator(forms.by_language),
        Says(
            "Its name, contact, hours and languages in other languages; what is left out is read as it is"
            " above.",
            'short texts by language and key, such as words.es.hours = "todos los días"',
        ),
    ] = {}


class ReaderTable(Section):
    """Somebody whom members may choose to read a concern."""

    user: Annotated[
        str,
        AfterValidator(forms.matrix_id),
        Says("Their Matrix ID.", 'the whole Matrix ID, such as "@kim:example.org"', "@kim:example.org"),
    ]
    name: Annotated[
        Line,
        AfterValidator(forms.no_bar),
        forms.at_most(40),
        Says("The name by which members know them.", 'a short text in quotes, without "|"', "Kim"),
    ]
    must_report: Annotated[
        bool, Says("Whether a law, or their work, obliges them to report some things.", "true or false")
    ] = False


class TopicTable(Section):
    """One topic that members can choose."""

    name: Annotated[Line, forms.at_most(40), Says("Its name.", "a short text in quotes", "grief")]
    line: Annotated[
        str,
        AfterValidator(lambda value: value and forms.line(value)),
        forms.at_most(80),
        Says("What it is, in a line.", "a short text in quotes", "somebody or something is gone"),
    ] = ""
    hard: Annotated[bool, Says("Whether only those are asked about it who chose it.", "true or false")] = (
        False
    )
    names: Annotated[
        dict[str, Annotated[Line, forms.at_most(40)]],
        AfterValidator(forms.by_language),
        Says(
            "Its name in other languages, by which one of a linked community is known too.",
            'short texts by language, such as names.es = "duelo"',
        ),
    ] = {}
    lines: Annotated[
        dict[str, Annotated[Line, forms.at_most(80)]],
        AfterValidator(forms.by_language),
        Says("What it is, in other languages.", "short texts by language"),
    ] = {}


TOPICS = tuple(
    TopicTable(name=name, line=line, hard=hard, names={"es": spanish}, lines={"es": in_spanish})
    for name, line, hard, spanish, in_spanish in (
        (
            *("loneliness", "nobody near, or nobody who understands", False),
            *("soledad", "nadie cerca, o nadie que entienda"),
        ),
        (
            *("burnout", "work, study or care took too much", False),
            *("agotamiento", "el trabajo, los estudios o los cuidados fueron demasiado"),
        ),
        ("grief", "somebody or something is gone", False, "duelo", "alguien o algo ya no está"),
        (
            *("rage", "anger that is large, or has nowhere to go", False),
            *("rabia", "un enojo grande, o que no tiene adónde ir"),
        ),
        (
            "joy",
            "something good, and nobody to tell",
            False,
            "alegría",
            "algo bueno, y nadie a quien contarlo",
        ),
        (
            *("thoughts of suicide", "thinking about ending one's life, now or before", True),
            *("pensar en el suicidio", "pensar en quitarse la vida, ahora o antes"),
        ),
        (
            *("self-injury", "hurting oneself, or wanting to", True),
            *("autolesiones", "hacerse daño, o querer hacérselo"),
        ),
        (
            *("psychosis", "voices, visions, or beliefs that others don't share", True),
            *("psicosis", "voces, visiones o creencias que otras personas no comparten"),
        ),
        (
            *("drug use", "using, stopping, or not wanting to stop", True),
            *("drogas", "tomarlas, dejarlas, o no querer dejarlas"),
        ),
        (
            *("medication", "taking it, changing it, coming off it", False),
            *("medicación", "tomarla, cambiarla, dejarla"),
        ),
        (
            *("institutions", "hospital, a home, prison, offices, the police", False),
            *("instituciones", "hospital, residencia, cárcel, oficinas, policía"),
        ),
        (
            *("violence", "at home, outside, or by those in charge", True),
            *("violencia", "en casa, fuera, o de quienes mandan"),
        ),
    )
)
"""What the example configuration begins with: it names hard things plainly, and good ones too."""


class WordsTable(Section):
    """The community's own words in one more language; what is left out is read as it is in the first."""

    name: Annotated[Line, forms.at_most(80), Says("The community's name.", "a short text in quotes")] = ""
    limits: Annotated[
        str,
        AfterValidator(forms.paragraphs),
        forms.at_most(2000),
        Says("What this is not and cannot do.", "one or a few plain sentences in quotes"),
    ] = ""
    who_runs: Annotated[
        Line, forms.at_most(200), Says("Who runs the homeserver.", "a short text in quotes")
    ] = ""
    guide: Annotated[
        str,
        AfterValidator(forms.paragraphs),
        forms.at_most(2000),
        Says("The guide for those who offer to be there.", "a few plain sentences in quotes"),
    ] = ""
    questions: Annotated[
        tuple[Line, ...],
        BeforeValidator(forms.as_tuple),
        AfterValidator(forms.questions),
        Says("What a check-in can ask.", "at most 4 short texts in a list"),
    ] = ()


class CommunitySection(Section):
    """Who this is for, and what it is not. Members read these words."""

    name: Annotated[
        Line,
        forms.at_most(80),
        Says("The community's name.", "a short text in quotes", "Example Collective"),
    ]
    limits: Annotated[
        str,
        AfterValidator(forms.paragraphs),
        forms.at_most(2000),
        Says(
            "Your own statement of what this is not and cannot do; members are told it before anything else.",
            "one or a few plain sentences in quotes",
            "This is people of our community keeping each other company. It is no therapy and no emergency"
            " service, and nobody watches over it.",
        ),
    ]
    who_runs: Annotated[
        Line,
        forms.at_most(200),
        Says(
            "Who runs the homeserver, and so can see who writes to the service, and who shared a room when.",
            "a short text in quotes",
            "Two people of our collective run the server",
        ),
    ]
    ages: Annotated[
        Literal["adults", "young", "both"],
        Says(
            "Who it is for: adults, young people, or both, kept apart (each says once which they are, and the"
            " two are never paired). Members are told that nobody can check it.",
            '"adults", "young" or "both"',
            "adults",
        ),
    ]
    adult_from: Annotated[
        int,
        AfterValidator(forms.years),
        Says("From which age on somebody counts as an adult.", "a number from 12 to 30"),
    ] = 18
    zone: Annotated[
        str,
        AfterValidator(forms.zone),
        Says(
            "The time zone in which times are told until a member names another.",
            'a name such as "Europe/Berlin"',
        ),
    ] = "UTC"
    languages: Annotated[
        tuple[str, ...],
        BeforeValidator(forms.as_tuple),
        AfterValidator(forms.catalogues),
        Says(
            "The languages in which members can be spoken to: the first until they choose another. Without"
            " it: every one that there is, English first.",
            'codes of languages, such as ["en", "es"], none twice',
            ["en", "es"],
        ),
    ] = ()
    room: Annotated[
        str | None,
        AfterValidator(lambda value: value if value is None else forms.room_id(value)),
        Says(
            "The community's space, or an unencrypted room of it. The front desk joins it, reads nothing"
            " there, and sees who is joined.",
            'the internal room id, such as "!abcdefghijkl:example.org"',
            "!abcdefghijkl:example.org",
        ),
    ] = None
    members: Annotated[
        Literal["room", "server", "anyone"] | None,
        Says(
            "Who may write: those who are joined to community.room, members of this homeserver, or anyone."
            ' Without it: "room" where that is named, else "server".',
            '"room", "server" or "anyone"',
            "room",
        ),
    ] = None
    agreement: Annotated[
        Line,
        Says(
            "The file with what your community agreed, in Markdown, which members can read; in another"
            " language, as agreement.es.md beside it. `alongside init` writes a draft in each of your"
            " languages; nothing starts before their open points are filled in.",
            'the path of a readable file, such as "agreement.md"',
        ),
    ] = "agreement.md"
    vouchers: Annotated[
        bool,
        Says(
            "Whether an offer needs a voucher: one yes from a steward, or from two members whom the one who"
            " offers names. Asking for company never does.",
            "true or false",
        ),
    ] = False
    stewards: Annotated[
        tuple[str, ...],
        BeforeValidator(forms.as_tuple),
        AfterValidator(forms.stewards),
        Says(
            "Who looks after this instance, by Matrix ID: `alongside init` makes them a room, and each"
            " start invites whoever is new here and removes whoever is named no more. Without any, nobody can"
            " pause the service or read a concern.",
            'at most 12 whole Matrix IDs, none twice, such as ["@one:example.org", "@two:example.org"]',
            ["@one:example.org", "@two:example.org"],
        ),
    ] = ()
    guide: Annotated[
        str | None,
        AfterValidator(lambda value: value if value is None else forms.paragraphs(value)),
        forms.at_most(2000),
        Says(
            "Your own short guide for those who offer to be there; without one a general guide is read out.",
            "a few plain sentences in quotes",
            "Listen more than you speak. You can say no, and end it, at any time.",
        ),
    ] = None
    questions: Annotated[
        tuple[Line, ...],
        BeforeValidator(forms.as_tuple),
        AfterValidator(forms.questions),
        Says(
            "What a check-in can ask, beside the usual words and a member's own. Others may read them on a"
            " locked screen: let them say nothing of what this is.",
            "at most 4 short texts in a list",
            ["How is today?", "Did you eat?"],
        ),
    ] = ()
    words: Annotated[
        dict[str, WordsTable],
        AfterValidator(forms.by_language),
        Says(
            "The name, the limits, who_runs, the guide and the questions in other languages, for members who"
            " chose one; what is left out they read as it stands above.",
            "texts by language and key, such as words.es.limits",
        ),
    ] = {}
    opens: Annotated[
        Literal["always", "enough", "hours"],
        Says(
            "When members can ask for company: always, while community.enough of them have offered to be"
            " there, or at community.hours. To offer works at any time. Whether enough have offered is looked"
            " at four times a day, so that nobody's own offer can be seen in it.",
            '"always", "enough" or "hours"',
        ),
    ] = "always"
    enough: Annotated[
        int,
        AfterValidator(forms.threshold),
        Says(
            "How many must have offered before anything is said of how it looks for whoever asks; of fewer,"
            " nobody learns anything.",
            "a number from 3 to 50",
        ),
    ] = 3
    hours: Annotated[
        tuple[Line, ...],
        BeforeValidator(forms.as_tuple),
        AfterValidator(forms.weekly),
        Says(
            'With opens = "hours": when members can ask, by the clock of community.zone. For a later hour'
            " within them they can at any time.",
            'texts with English days and hours, such as ["mon-fri 18:00-22:00", "weekend 10:00-16:00"]',
            ["mon-fri 18:00-22:00", "weekend 10:00-16:00"],
        ),
    ] = ()
    asks_at_once: Annotated[
        int,
        AfterValidator(forms.few),
        Says("How many members are asked at once for one request.", "a number from 1 to 50"),
    ] = 2
    asks_a_day: Annotated[
        int,
        AfterValidator(forms.few),
        Says("How often one member is asked in a day, at most.", "a number from 1 to 50"),
    ] = 2
    readers: Annotated[
        tuple[ReaderTable, ...],
        BeforeValidator(forms.as_tuple),
        AfterValidator(forms.different_readers),
        Says(
            "Those whom members may choose to read a concern: stewards, and people from outside whom you"
            " trust with it. Name three or more, so that anybody can be left out. Without them no concern is"
            " taken, and members are told so.",
            "tables with user, name and must_report, at most eight, nobody twice",
        ),
    ] = ()
    talk_in: Annotated[
        tuple[Annotated[str, AfterValidator(forms.language)], ...],
        BeforeValidator(forms.as_tuple),
        AfterValidator(forms.tongues),
        Says(
            "The languages in which members talk with one another, the usual one first. With two or more they"
            " choose by name, and only those are asked who have one in common.",
            'codes of languages, such as ["en", "es"], none twice',
            ["en", "es"],
        ),
    ] = ()
    messages_at_once: Annotated[
        int,
        AfterValidator(forms.patience),
        Says(
            "How many messages of one member are answered one after another. Whoever writes more is told so"
            " once, and answered again when it is calm; `stop`, `help now` and `forget me` always work.",
            "a number from 20 to 100000",
        ),
    ] = 60
    topics: Annotated[
        tuple[TopicTable, ...],
        BeforeValidator(forms.as_topics),
        AfterValidator(forms.different),
        Says(
            "Topics that members can choose from, in this order: none to twelve, read out five at a time. A"
            " list of names does too; in a table each can have a line that says what it is, and can be hard:"
            " then only those are asked about it who chose it in their offer. names and lines say it in other"
            " languages.",
            'short texts, such as ["burnout", "grief"], or [[community.topics]] tables, none twice',
        ),
    ] = ()
    places: Annotated[
        tuple[PlaceTable, ...],
        BeforeValidator(forms.as_tuple),
        AfterValidator(forms.fits),
        Says(
            "The community's own list of places to reach, for `help now`. words says their texts in other"
            " languages.",
            "[[community.places]] tables, few and short enough for one message",
        ),
    ] = ()


def _timing(what: str) -> Says:
    return Says(what, _IN_TIME)


Longer = Annotated[Length, AfterValidator(forms.not_zero)]


class TimingsSection(Section):
    """How long things take. The defaults are meant; change them only with a reason."""

    ask_again: Annotated[Longer, _timing("Between two rounds of asking members.")] = Timings.ask_again
    ask_open: Annotated[Longer, _timing("How long one ask stays good.")] = Timings.ask_open
    consent_open: Annotated[Longer, _timing("How long the second consent stays open.")] = Timings.consent_open
    request_open: Annotated[Longer, _timing("When a request that found nobody lapses.")] = (
        Timings.request_open
    )
    longest: Annotated[Longer, _timing("The longest that a peer room may be open.")] = Timings.longest
    reading: Annotated[Longer, _timing("How long a closed room can be read before it is erased.")] = (
        Timings.reading
    )
    settle: Annotated[
        Length, _timing("Between removing people from a room and purging it, for phones that are off.")
    ] = Timings.settle
    prompt_pause: Annotated[
        Length, _timing("A yes this soon after a question that came by itself is asked for again.")
    ] = Timings.prompt_pause
    idle: Annotated[
        Longer, _timing("A member's own question, unanswered this long, lets what came by itself go first.")
    ] = Timings.idle
    join: Annotated[
        Longer,
        _timing("Whoever is not in an opened room by then is invited again; as long again, and it closes."),
    ] = Timings.join
    warning: Annotated[
        Longer,
        _timing("How long before a room's end both are told of it, but never more than half of its time."),
    ] = Timings.warning
    longest_in_all: Annotated[
        Longer | None,
        Says(
            "The longest that a peer room may become when both ask for more, if it may become longer than"
            " `longest`.",
            _IN_TIME,
            "7 days",
        ),
    ] = None
    rest: Annotated[
        Length, _timing("How long nothing is asked of whoever was there for somebody, after the room.")
    ] = Timings.rest
    afterwards: Annotated[
        Longer,
        AfterValidator(forms.two_weeks),
        _timing("How long the two of a room that ended can say: again, or never again. 14 days at most."),
    ] = Timings.afterwards
    again: Annotated[
        Longer,
        _timing(
            "How long it holds that both would talk with one another again; or that one would with somebody"
            " of a linked community."
        ),
    ] = Timings.again
    concern: Annotated[
        Longer, _timing("How long a concern is kept; then it is erased, whatever came of it.")
    ] = Timings.concern
    chat: Annotated[
        Longer,
        _timing(
            "How long what was said in a member's direct chat, and by the service in the steward room, stays"
            " there before it is taken back."
        ),
    ] = Timings.chat


class WebSection(Section):
    """The small web server for /healthz, /readyz and /metrics."""

    host: Annotated[
        str,
        AfterValidator(forms.host),
        Says(
            "The address to listen on; it has no log-in, so leave it on loopback.",
            'an address such as "127.0.0.1"',
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int, AfterValidator(forms.port), Says("Its port; 0 takes any free one.", "a number up to 65535")
    ] = 8642


class Logging(Section):
    """What the service writes about its running. It holds no word, id or address of a person."""

    format: Annotated[
        Literal["json", "console"], Says("For programs or for people.", '"json" or "console"')
    ] = "json"
    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Says("From which level on.", '"debug", "info", "warning" or "error"'),
    ] = "info"


class Admin(Section):
    """A Synapse administrator's token, to purge erased rooms from its database. Optional, and a danger."""

    token: Annotated[
        Secret | None,
        Says(
            "Whoever has it rules the whole homeserver. Synapse's own `forget_rooms_on_leave` with"
            " `forgotten_room_retention_period` does nearly the same without it.",
            "an administrator's access token, on one line",
            "secrets/admin.token",
        ),
    ] = None


@dataclass(frozen=True)
class Key:
    """One key: its place, what it says, and how it is read."""

    section: str
    name: str
    says: Says
    info: FieldInfo

    @property
    def dotted(self) -> str:
        """`section.name`, which is also the name of the systemd credential of a secret."""
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"{PREFIX}{self.section.upper()}__{self.name.upper()}"

    @property
    def secret(self) -> bool:
        """Whether it is never shown, and may be read from a file of its own."""
        return Secret in (self.info.annotation, *get_args(self.info.annotation))

    @property
    def required(self) -> bool:
        """Whether the service cannot start without it."""
        return self.info.is_required()


def keys_of(section: str, model: type[BaseModel]) -> Iterator[Key]:
    """The keys of a section, in the order of its model."""
    for name, info in model.model_fields.items():
        says = next(item for item in info.metadata if isinstance(item, Says))
        yield Key(section, name, says, info)


SECTIONS: Mapping[str, type[Section]] = {
    "homeserver": Homeserver,
    "desk": Desk,
    "keeper": KeeperSection,
    "keys": Keys,
    "database": Database,
    "community": CommunitySection,
    "timings": TimingsSection,
    "web": WebSection,
    "logging": Logging,
    "admin": Admin,
}
KEYS: tuple[Key, ...] = tuple(key for section, model in SECTIONS.items() for key in keys_of(section, model))
BY_NAME = {key.dotted: key for key in KEYS}
PLACE_KEYS = {key.name: key for key in keys_of("community.places", PlaceTable)}
PLACE_WORDS_KEYS = {key.name: key for key in keys_of("community.places", PlaceWordsTable)}
READER_KEYS = {key.name: key for key in keys_of("community.readers", ReaderTable)}
