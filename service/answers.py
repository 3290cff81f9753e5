"""What `alongside init` needs to know: from options, from files, and from whoever sits at a terminal.

Guards: no secret is taken from the command line, where every user of the machine can read it; a file that
everybody can read is no secret; what exists is not written anew, and an option that says otherwise is named.
"""

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from schema.errors import ConfigurationError, ConfigurationErrors, OperatorError
from schema.ids import DeviceId
from service import config
from service.terminal import hidden, one_of, prompt, wrap

if TYPE_CHECKING:
    # The heavy parts are imported where they are needed, as in `service.cli`.
    from service.installation import Access

_OPTIONS = {
    "homeserver": "homeserver.url",
    "server-name": "homeserver.server_name",
    "ca-file": "homeserver.ca_file",
    "desk": "desk.user",
    "keeper": "keeper.user",
    "name": "community.name",
    "limits": "community.limits",
    "who-runs": "community.who_runs",
    "ages": "community.ages",
    "zone": "community.zone",
    "languages": "community.languages",
    "stewards": "community.stewards",
}
"""Which key each option of `init` writes into a new configuration."""


class Answers:
    """Answers from options `given`, from `files`, and where it may `ask`, from somebody at a terminal.

    `made` says that something was made.
    """

    def __init__(self, ask: bool, given: Mapping[str, str | None], files: Mapping[str, Path | None]) -> None:
        self._ask = ask
        self._given = given
        self._files = files
        self._way = "1"
        self._registration: str | None = None
        self._typed: dict[str, Access] = {}
        self.made = False

    def tell(self, line: str) -> None:
        """Say what was done."""
        self.made = True
        click.echo(wrap(line, "", "  "))

    def _secret(self, name: str) -> str | None:
        path = self._files.get(name)
        if path is None:
            return None
        option = f"--{name}-file"
        try:
            mode = path.stat().st_mode
            text = path.read_text(encoding="utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError):
            raise OperatorError(
                f"The file given with {option} cannot be read",
                fix=f"Give {option} a readable file of one line.",
            ) from None
        if name != "limits" and stat.S_ISREG(mode) and mode & stat.S_IRWXO:
            raise OperatorError(
                f"The file given with {option} holds a secret and everybody on this machine can read it",
                fix=f"Run `chmod 600 {path}`.",
            )
        if not text or not text.isprintable():
            raise OperatorError(
                f"The file given with {option} does not hold one line", fix="Put one line into it."
            )
        return text

    def _value(
        self,
        option: str,
        key: str,
        question: str,
        default: str | None = None,
        why: str = "",
        **names: str,
    ) -> str:
        """Return the value of `key`; whoever is asked is asked until it has the form that it must have."""

        def formed(text: str) -> str:
            value = _formed(key, text.strip(), names.get("server", ""))
            if fault := config.fault_of(key, value):
                raise click.UsageError(fault)
            if value in names.values():
                raise click.UsageError("The front desk and the keeper are two accounts.")
            return value

        given = self._given.get(option)
        if given and self._ask:
            # Whoever answers the other questions hears of it now, and not after the last of them.
            try:
                return formed(given)
            except click.UsageError as error:
                raise OperatorError(f"--{option} cannot be taken", fix=error.message) from None
        if given:
            return _formed(key, given, names.get("server", ""))
        if not self._ask:
            raise OperatorError(
                f"Nobody can be asked here, and --{option} is not given",
                fix=f"Give --{option}: {question.lower()}.",
            )
        if why:
            click.echo(wrap(why))
        return prompt(question, default=default, formed=formed)

    # -- a new configuration

    def answers(self) -> Mapping[str, config.Toml]:
        """Return the keys of a new configuration."""
        self._known_languages()
        if self._ask:
            click.echo(wrap("A few questions, then everything is made. Ctrl-C stops it."))
            click.echo()
        url = self._value(
            "homeserver",
            "homeserver.url",
            "Address of your homeserver",
            why="For example https://matrix.example.org",
        )
        host = url.partition("://")[2]
        name = self._value(
            "server-name",
            "homeserver.server_name",
            "Name of your homeserver",
            host.removeprefix("matrix."),
            "What stands after the colon of your members' Matrix IDs.",
        )
        desk = self._value(
            "desk",
            "desk.user",
            "Account of the front desk",
            "alongside",
            "The account that members write to. It is made, or signed in.",
            server=name,
        )
        keeper = self._value(
            "keeper",
            "keeper.user",
            "Account of the keeper",
            "alongside-keeper",
            "The account that opens and closes rooms. Nobody writes to it.",
            server=name,
            desk=desk,
        )
        community = self._value("name", "community.name", "Name of your community")
        limits = self._secret("limits") or self._value(
            "limits",
            "community.limits",
            "Your words",
            why="Say in one or two sentences what this is not and cannot do. Members are told it before"
            " anything else; nobody can write it for you.",
        )
        who_runs = self._value(
            "who-runs",
            "community.who_runs",
            "Who runs the homeserver",
            why="Members are told who can see that two people shared a room.",
        )
        ages = self._value(
            "ages",
            "community.ages",
            "Ages: adults, young, or both",
            why="Who it is for: adults, young people, or both, kept apart. Members are told that nobody can"
            " check it.",
        )
        zone = self._given.get("zone") or (
            self._value("zone", "community.zone", "Time zone, such as Europe/Berlin", "UTC")
            if self._ask
            else "UTC"
        )
        values: dict[str, config.Toml] = {
            "homeserver.url": url,
            "homeserver.server_name": name,
            "desk.user": desk,
            "keeper.user": keeper,
            "community.name": community,
            "community.limits": limits,
            "community.who_runs": who_runs,
            "community.ages": ages,
            "community.zone": zone,
        }
        if stewards := self._given.get("stewards"):
            values["community.stewards"] = [
                _formed("desk.user", one.strip(), name) for one in stewards.split(",")
            ]
        if languages := self._given.get("languages"):
            values["community.languages"] = [one.strip() for one in languages.split(",")]
        for role in ("desk", "keeper"):
            if device := self._given.get(f"{role}-device"):
                values[f"{role}.device_id"] = device
        if ca_file := self._given.get("ca-file"):
            values["homeserver.ca_file"] = str(Path(ca_file).absolute())
        return values

    def _known_languages(self) -> None:
        """See that there are words in every language of --languages. Raises OperatorError."""
        from service import app

        if languages := self._given.get("languages"):
            app.offered([one.strip() for one in languages.split(",")])

    def refuse_other(self, place: Path) -> None:
        """See that what is given is what the configuration at `place` says already: it is not written anew.

        Raises ConfigurationErrors, one for each option.
        """
        settings = config.load(place, unfinished=True)
        server = self._given.get("server-name") or settings.homeserver.server_name
        problems = []
        for option, dotted in _OPTIONS.items():
            text = self._secret("limits") if option == "limits" and "limits" in self._files else None
            text = text or self._given.get(option)
            if not text:
                continue
            given: object = _formed(dotted, text.strip(), server)
            if dotted in ("community.stewards", "community.languages"):
                key = "desk.user" if dotted == "community.stewards" else dotted
                given = tuple(_formed(key, one.strip(), server) for one in text.split(","))
            elif option == "ca-file":
                given = str(Path(text).absolute())
            kept = settings.value(dotted)
            if given != kept:
                source = settings.sources.get(dotted, "")
                where = f"the {source}" if source not in ("", "configuration file") else str(place)
                problems.append(
                    ConfigurationError(
                        f"--{option} says {_shown(given)}, and {where} has {_shown(kept)}: the option was not"
                        " used, since `init` changes nothing that is there",
                        fix=f"Change {dotted} there, or leave the option out.",
                        key=dotted,
                        variable=config.BY_NAME[dotted].variable,
                    )
                )
        if problems:
            raise ConfigurationErrors(problems)

    # -- signing in

    def access(self, role: str, user: str) -> "Access":
        """Return how the account is signed in."""
        from service.installation import Access

        secret = self._secret("registration-secret")
        password, token = self._secret(f"{role}-password"), self._secret(f"{role}-token")
        device = self._given.get(f"{role}-device")
        if token is not None:
            if not device:
                raise OperatorError(
                    f"--{role}-token-file is given without the device that the token belongs to",
                    fix=f"Give --{role}-device as well.",
                )
            return Access(token=token, device=DeviceId(device))
        if password is not None:
            return Access(password=password)
        if secret is not None:
            return Access(registration_secret=secret)
        name = "front desk" if role == "desk" else "keeper"
        if not self._ask:
            raise OperatorError(
                f"The {name} has to be signed in, and nobody can be asked here",
                fix=f"Give --{role}-password-file, or --{role}-token-file with --{role}-device, or"
                " --registration-secret-file to register the account.",
            )
        click.echo(f"\nHow is the {name} signed in?")
        click.echo("  1. With its password")
        click.echo("  2. With an access token made for this program, and its device id")
        click.echo("  3. Registered now, with Synapse's registration secret")
        self._way = prompt("1, 2 or 3", default=self._way, formed=one_of(3))
        match self._way:
            case "1":
                typed = Access(password=hidden(f"Password of the {name}"))
            case "2":
                token = hidden("Access token")
                typed = Access(token=token, device=DeviceId(prompt("Its device id")))
            case _:
                self._registration = self._registration or hidden("Registration secret")
                typed = Access(registration_secret=self._registration)
        self._typed[role] = typed
        return typed

    def password(self, role: str, user: str) -> str:
        """Return the password that the homeserver wants to see again: as given, as typed, or asked for."""
        from service.installation import Access

        if (password := self._secret(f"{role}-password")) is not None:
            return password
        secret = self._secret("registration-secret")
        known = self._typed.get(role) if secret is None else Access(registration_secret=secret)
        if known is not None and (password := known.password_for(user)) is not None:
            return password
        name = "front desk" if role == "desk" else "keeper"
        if not self._ask:
            raise OperatorError(
                f"The homeserver wants the {name}'s password for this, and nobody can be asked here",
                fix=f"Give --{role}-password-file, or --registration-secret-file if this program registered"
                " the account: its password follows from that secret.",
            )
        click.echo(f"\nThe homeserver wants the {name}'s password for this.")
        click.echo("  1. Type its password")
        click.echo("  2. Type Synapse's registration secret, if this program registered it")
        if prompt("1 or 2", default="1", formed=one_of(2)) == "1":
            return hidden(f"Password of the {name}")
        return Access(registration_secret=hidden("Registration secret")).password_for(user) or ""


def _shown(value: object) -> str:
    """A value as an operator reads it in a sentence."""
    shown = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return f'"{shown}"' if value and value is not None else "nothing"


def _formed(key: str, text: str, server: str) -> str:
    """What somebody writes shortly, as the configuration has it."""
    if key == "homeserver.url":
        return (text if "://" in text else f"https://{text}").rstrip("/")
    if key in ("desk.user", "keeper.user"):
        return text if text.startswith("@") else f"@{text}:{server}"
    return text
