"""The whole configuration, valid, as the rest of the service asks for it.

Guards: a listing of it shows no secret.
"""

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import PrivateAttr

from schema.community import Community, OwnWords, Place, PlaceTexts, Reader, Timings
from schema.ids import DeviceId, MatrixId, RoomId
from service.config.forms import SQLITE, Secret, database_url_of, read_key, sqlite_url, windows
from service.config.sections import (
    KEYS,
    Admin,
    CommunitySection,
    Database,
    Desk,
    Homeserver,
    KeeperSection,
    Keys,
    Logging,
    Section,
    TimingsSection,
    WebSection,
    WordsTable,
)
from service.config.writing import plain, to_toml


@dataclass(frozen=True)
class Members:
    """Who may write: those joined to `room`, or members of `server`; anyone where neither is named."""

    room: RoomId | None
    server: str | None


class Settings(Section):
    """The whole configuration, valid."""

    homeserver: Homeserver
    desk: Desk
    keeper: KeeperSection
    keys: Keys
    database: Database
    community_section: CommunitySection
    timings: TimingsSection
    web: WebSection
    logging: Logging
    admin: Admin

    _folder: Path = PrivateAttr(default_factory=Path)
    _data: Path = PrivateAttr(default_factory=Path)
    _warnings: tuple[str, ...] = PrivateAttr(default=())
    _sources: dict[str, str] = PrivateAttr(default_factory=dict)
    _pending: dict[str, Path] = PrivateAttr(default_factory=dict)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What works and is unwise: whole sentences, without secrets."""
        return self._warnings

    @property
    def sources(self) -> Mapping[str, str]:
        """Where each key that was given is from, by its dotted name."""
        return self._sources

    @property
    def pending(self) -> Mapping[str, Path]:
        """Secrets whose files `init` still has to write; their values here are none. Empty after `load`."""
        return self._pending

    @property
    def desk_user(self) -> MatrixId:
        """The front desk's Matrix ID."""
        return MatrixId(self.desk.user)

    @property
    def desk_device(self) -> DeviceId | None:
        """The front desk's device, where it signs in with a token."""
        return None if self.desk.device_id is None else DeviceId(self.desk.device_id)

    @property
    def keeper_user(self) -> MatrixId:
        """The keeper's Matrix ID."""
        return MatrixId(self.keeper.user)

    def sealing_key(self) -> bytes:
        """Return the 32 bytes that wrap the database's own keys."""
        return read_key(self.keys.sealing_key.reveal())

    def database_url(self) -> str:
        """Return SQLAlchemy's URL of the database, with its asynchronous driver and an absolute path."""
        if self.database.url is None:
            return sqlite_url(self._data / "alongside.db")
        return database_url_of(self.database.url.reveal(), self._folder)

    def database_file(self) -> Path | None:
        """Return the SQLite file's absolute path; None with PostgreSQL."""
        url = self.database_url()
        return Path(url.removeprefix(f"{SQLITE}:///")) if url.startswith(SQLITE) else None

    @property
    def agreement_file(self) -> Path:
        """The file with what the community agreed."""
        return self._folder / self.community_section.agreement

    def secret_file(self, dotted: str) -> Path | None:
        """Return the file that a secret is from, if it is from one that may be rewritten."""
        source = self._sources.get(dotted, "")
        return Path(source.removeprefix("file ")) if source.startswith("file ") else None

    def tls(self) -> ssl.SSLContext | bool:
        """Return what aiohttp takes as `ssl`: the context with the homeserver's own authority, else True."""
        if self.homeserver.ca_file is None:
            return True
        return ssl.create_default_context(cafile=self._folder / self.homeserver.ca_file)

    @property
    def purges(self) -> bool:
        """Whether our homeserver deletes the rooms that are over: at our order, or by itself."""
        return self.admin.token is not None or self.homeserver.forgets_rooms

    def community(self, agreements: Mapping[str, str] | None = None) -> Community:
        """Return what handlers and core need to know; `agreements` by language, the first one first."""
        here = self.community_section
        agreed = dict(agreements or {})
        first = next(iter(agreed), None)
        return Community(
            name=here.name,
            server=self.homeserver.server_name,
            limits=here.limits,
            who_runs=here.who_runs,
            zone=here.zone,
            languages=here.languages,
            own_words=self._own_words({one: text for one, text in agreed.items() if one != first}),
            guide=here.guide or "",
            questions=here.questions,
            talk_in=here.talk_in,
            topics=tuple(topic.name for topic in here.topics),
            topic_lines={topic.name: topic.line for topic in here.topics if topic.line},
            hard=frozenset(topic.name for topic in here.topics if topic.hard),
            places=tuple(
                Place(
                    name=place.name,
                    contact=place.contact,
                    hours=place.hours,
                    languages=place.languages,
                    may_send_police=place.may_send_police,
                    checked_on=place.checked_on,
                    ages=place.ages,
                    texts={
                        language: PlaceTexts(words.name, words.contact, words.hours, words.languages)
                        for language, words in place.words.items()
                    },
                )
                for place in here.places
            ),
            timings=Timings(
                ask_again=self.timings.ask_again,
                ask_open=self.timings.ask_open,
                consent_open=self.timings.consent_open,
                request_open=self.timings.request_open,
                longest=self.timings.longest,
                reading=self.timings.reading,
                settle=self.timings.settle,
                prompt_pause=self.timings.prompt_pause,
                idle=self.timings.idle,
                join=self.timings.join,
                warning=self.timings.warning,
                longest_in_all=self.timings.longest_in_all,
                rest=self.timings.rest,
                afterwards=self.timings.afterwards,
                again=self.timings.again,
                chat=self.timings.chat,
                concern=self.timings.concern,
            ),
            asks_at_once=here.asks_at_once,
            asks_a_day=here.asks_a_day,
            purges=self.purges,
            keeper=self.keeper_user,
            desk=self.desk_user,
            members=here.members or ("room" if here.room else "server"),
            messages_at_once=here.messages_at_once,
            ages=here.ages,
            adult_from=here.adult_from,
            readers=tuple(
                Reader(MatrixId(reader.user), reader.name, reader.must_report) for reader in here.readers
            ),
            stewards=tuple(map(MatrixId, here.stewards)),
            vouchers=here.vouchers,
            opens=here.opens,
            enough=here.enough,
            hours=windows(here.hours),
            agreement="" if first is None else agreed[first],
        )

    def members(self) -> Members:
        """Return who may write: the room that they must be in, and the homeserver whose members they must be.

        Without a word the community's room decides where it is named, else the homeserver.
        """
        here = self.community_section
        rule = here.members or ("room" if here.room else "server")
        return Members(
            room=RoomId(here.room) if rule == "room" and here.room else None,
            server=self.homeserver.server_name if rule == "server" else None,
        )

    def _own_words(self, agreements: Mapping[str, str]) -> Mapping[str, OwnWords]:
        """The community's words in each other language in which it wrote some."""
        here = self.community_section
        named = {language for topic in here.topics for language in (*topic.names, *topic.lines)}
        found: dict[str, OwnWords] = {}
        for language in sorted({*here.words, *named, *agreements}):
            words = here.words.get(language) or WordsTable()
            found[language] = OwnWords(
                name=words.name,
                limits=words.limits,
                who_runs=words.who_runs,
                guide=words.guide,
                questions=words.questions,
                agreement=agreements.get(language, ""),
                topics={
                    topic.name: (topic.names.get(language, topic.name), topic.lines.get(language, topic.line))
                    for topic in here.topics
                    if language in topic.names or language in topic.lines
                },
            )
        return found

    def value(self, dotted: str) -> object:
        """The value of the key `dotted` (`desk.user`)."""
        section, _, name = dotted.partition(".")
        found: object = getattr(getattr(self, ATTRIBUTE.get(section, section)), name)
        return found

    def listing(self) -> Iterator[tuple[str, str, str]]:
        """Yield each key, its value as the file would write it (or REDACTED), and where it is from."""
        for key in KEYS:
            value = getattr(getattr(self, ATTRIBUTE.get(key.section, key.section)), key.name)
            if isinstance(value, Secret):
                shown = "REDACTED"
            elif value is None:
                shown = "not set"
            elif key.name in ("places", "readers", "stewards"):
                shown = f"{len(value)} {key.name}"
            elif key.name == "words":
                shown = to_toml(sorted(value))
            elif key.name == "topics":
                shown = to_toml([topic.name for topic in value])
            else:
                shown = to_toml(plain(value))
            yield key.dotted, shown, self._sources.get(key.dotted, "default")


ATTRIBUTE = {"community": "community_section"}
"""The model's name of a section, where it is not the file's: `Settings.community` is the method."""
