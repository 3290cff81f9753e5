"""The program `alongside`: what an operator can have it do.

Guards: what the operator can mend is told in a few plain lines (the problem, the key, the variable, the
fix) without a traceback, and exits with 2; what only waiting mends exits with 1. No secret is taken from the
command line, where every user of the machine can read it, and none is printed. It reads well without colour,
in 80 columns, and asks only where somebody can answer.
"""

import asyncio
import functools
import importlib.metadata
import json
import os
import resource
import signal
import stat
import sys
import textwrap
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec

import click

from schema.errors import (
    AlongsideError,
    ConfigurationError,
    ConfigurationErrors,
    HomeserverRefused,
    OperatorError,
    SealBroken,
    Throttled,
    WorldError,
)
from schema.ids import DeviceId
from service import config, logs

if TYPE_CHECKING:
    # The heavy parts (the database, the homeserver's client) are imported where a command needs them: what
    # only reads the configuration answers at once.
    from service.installation import Access

P = ParamSpec("P")

_WIDTH = 78
_HELP = """Company for people of a community, beside its own Matrix homeserver.

Begin with `alongside init`, then `alongside run`. Each command explains itself with --help.
"""


def _wrap(text: str, first: str = "", rest: str = "") -> str:
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def tell(error: OperatorError) -> None:
    """Print what is wrong and what to do about it, on standard error."""
    problems = error.problems if isinstance(error, ConfigurationErrors) else (error,)
    # What is mended in one way is told together, in the order found.
    alike: dict[tuple[str, str], list[OperatorError]] = {}
    for problem in problems:
        alike.setdefault((problem.variable, problem.fix), []).append(problem)
    for problem, *others in alike.values():
        lines = [_wrap(one.problem) for one in (problem, *others)]
        key = problem.key
        if any(one.key != key for one in others):
            key = key.partition("[")[0]
        if key:
            lines.append(f"  key       {key}")
        if problem.variable:
            lines.append(f"  variable  {problem.variable}")
        lines.append(_wrap(problem.fix, "  fix       ", "            "))
        click.echo("\n".join(lines) + "\n", err=True)
    if len(problems) > 1:
        click.echo(f"{len(problems)} things to mend.", err=True)


class _Program(click.Group):
    """A group whose commands end kindly."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            click.echo("\nStopped. What was done stays done; run it again to go on.", err=True)
            ctx.exit(1)
        except OperatorError as error:
            tell(error)
            ctx.exit(2)
        except Throttled as error:
            click.echo(
                f"The homeserver asks for patience. Run it again in {error.retry_after:.0f} seconds.",
                err=True,
            )
            ctx.exit(1)
        except WorldError:
            click.echo(
                _wrap("The homeserver or the database did not answer. Nothing is lost: run it again."),
                err=True,
            )
            ctx.exit(1)
        except HomeserverRefused as error:
            click.echo(_wrap(f"The homeserver refused a request ({error})."), err=True)
            ctx.exit(1)
        except SealBroken:
            tell(
                OperatorError(
                    "Something in the database does not open, although its key fits: it was damaged or"
                    " changed",
                    fix="Stop the service, keep the file, and restore the last backup; OPERATING.md says"
                    " how.",
                    key="database.url",
                    variable="ALONGSIDE_DATABASE__URL",
                )
            )
            ctx.exit(2)
        except AlongsideError as error:
            click.echo(_wrap(f"This cannot go on: {type(error).__name__}."), err=True)
            ctx.exit(1)


def _show_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        try:
            version = importlib.metadata.version("alongside")
        except importlib.metadata.PackageNotFoundError:
            version = "(not installed)"
        click.echo(f"alongside {version}")
        context.exit()


_CONFIG = click.Path(path_type=Path, dir_okay=False)


@click.group(cls=_Program, help=_HELP, context_settings={"max_content_width": 80})
@click.option(
    "--config",
    "-c",
    "place",
    type=_CONFIG,
    envvar="ALONGSIDE_CONFIG",
    help="The configuration file.  [default: alongside.toml here]",
)
@click.option(
    *("--version", "-V"),
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
@click.pass_context
def program(context: click.Context, place: Path | None) -> None:
    """Set up what every command needs."""
    context.obj = place


def _with_configuration(command: Callable[Concatenate[Path | None, P], None]) -> Callable[P, None]:
    """Give a command the configuration's place, named before it or after it."""

    @functools.wraps(command)
    def with_place(*args: P.args, **kwargs: P.kwargs) -> None:
        named = kwargs.pop("place", None)
        outer = click.get_current_context().obj
        place = named if isinstance(named, Path) else outer if isinstance(outer, Path) else None
        command(place, *args, **kwargs)

    return click.option("--config", "-c", "place", type=_CONFIG, help="The configuration file.")(with_place)


@program.command(short_help="Run the service until it is told to stop.")
@_with_configuration
def run(place: Path | None) -> None:
    """Run the service until it is told to stop (SIGTERM or Ctrl-C)."""
    settings = config.load(place)
    config.agreement.read(settings)
    logs.install(settings.logging.format, settings.logging.level)
    if settings.warnings:
        logs.get("cli").warning(
            "the configuration works and is unwise; `alongside check-config` says how",
            count=len(settings.warnings),
        )
    # A memory image on disk would hold everything that is sealed, and the keys.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)
    from service import app

    asyncio.run(app.run(settings))


@program.command("check-config")
@click.option("--quiet", "-q", is_flag=True, help="Say only what is wrong.")
@_with_configuration
def check_config(place: Path | None, quiet: bool) -> None:
    """Check the configuration, without any network."""
    settings = config.load(place)
    config.agreement.read(settings)
    # The catalogues of languages lie with the handlers, which the service's own application alone knows.
    from service import app

    app.words_of(settings)
    if not quiet:
        for key, value, source in settings.listing():
            shown = value if len(value) <= 60 else value[:57] + "..."
            click.echo(f"{key} = {shown}" + ("" if source == "default" else f"  ({source})"))
        click.echo()
    for warning in settings.warnings:
        click.echo(_wrap(warning, "Note: ", "      "), err=True)
    if not quiet:
        click.echo("The configuration is valid.")


@program.command("example-config")
def example_config() -> None:
    """Print an annotated example configuration."""
    click.echo(config.example(), nl=False)


# ---- init -------------------------------------------------------------------------------------------------

_ROLES: Mapping[str, Collection[str]] = {"both": ("keeper", "desk"), "desk": ("desk",), "keeper": ("keeper",)}

_SECRET_FILE = click.Path(path_type=Path, dir_okay=False)


class _Answers:
    """Answers from options, and where somebody sits at a terminal, from them."""

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
        click.echo(_wrap(line, "", "  "))

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
            click.echo(_wrap(why))
        return _prompt(question, default=default, formed=formed)

    # -- a new configuration

    def answers(self) -> Mapping[str, config.Toml]:
        """Return the keys of a new configuration."""
        self._known_languages()
        if self._ask:
            click.echo(_wrap("A few questions, then everything is made. Ctrl-C stops it."))
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
        self._way = _prompt("1, 2 or 3", default=self._way, formed=_one_of(3))
        match self._way:
            case "1":
                typed = Access(password=_hidden(f"Password of the {name}"))
            case "2":
                token = _hidden("Access token")
                typed = Access(token=token, device=DeviceId(_prompt("Its device id")))
            case _:
                self._registration = self._registration or _hidden("Registration secret")
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
        if _prompt("1 or 2", default="1", formed=_one_of(2)) == "1":
            return _hidden(f"Password of the {name}")
        return Access(registration_secret=_hidden("Registration secret")).password_for(user) or ""


def _prompt(
    question: str,
    *,
    default: str | None = None,
    hide: bool = False,
    formed: Callable[[str], str] = str.strip,
) -> str:
    """Ask at the terminal until `formed` takes the answer; it raises click.UsageError to have it asked again.

    Ctrl-C ends the program at once: asyncio's own handler would only note it, and the question stay.
    """

    def taken(text: str) -> str:
        try:
            return formed(text)
        except click.UsageError as error:
            shown = "Error: "  # click's own word before it, which takes room on the first line.
            raise click.UsageError(_wrap(shown + error.message).removeprefix(shown)) from None

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return str(click.prompt(question, default=default, hide_input=hide, value_proc=taken))
    finally:
        signal.signal(signal.SIGINT, before)


def _confirm(question: str) -> None:
    """Ask for a yes, and end the program where it is a no."""
    if not click.confirm(question):
        click.echo("Nothing was changed.", err=True)
        raise click.exceptions.Exit(1)


def _hidden(question: str) -> str:
    return _prompt(question, hide=True)


def _one_of(last: int) -> Callable[[str], str]:
    numbers = [str(number) for number in range(1, last + 1)]

    def formed(text: str) -> str:
        if text.strip() not in numbers:
            raise click.UsageError(f"Write {', '.join(numbers[:-1])} or {numbers[-1]}.")
        return text.strip()

    return formed


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


@program.command(short_help="Make all that is needed; run again, it goes on.")
@click.option("--homeserver", metavar="URL", help="Address of the homeserver.")
@click.option("--server-name", metavar="NAME", help="Its name, as in Matrix IDs.")
@click.option(
    "--ca-file", type=click.Path(exists=True, dir_okay=False), help="Certificates that vouch for it."
)
@click.option("--desk", metavar="USER", help="The front desk's account.")
@click.option("--keeper", metavar="USER", help="The keeper's account.")
@click.option("--name", metavar="TEXT", help="The community's name.")
@click.option("--limits", metavar="TEXT", help="Your statement of what this is not and cannot do.")
@click.option("--limits-file", type=_SECRET_FILE, help="The same, from a file of one line.")
@click.option("--who-runs", metavar="TEXT", help="Who runs the homeserver.")
@click.option("--ages", metavar="AGES", help="Who it is for: adults, young, or both (kept apart).")
@click.option("--zone", metavar="ZONE", help="The community's time zone.")
@click.option("--languages", metavar="CODES", help="Languages to speak to members in, such as en,es.")
@click.option("--stewards", metavar="USERS", help="Who looks after it: accounts, with commas between.")
@click.option("--desk-password-file", type=_SECRET_FILE, help="Sign the front desk in with this password.")
@click.option("--desk-token-file", type=_SECRET_FILE, help="Use this access token, with --desk-device.")
@click.option("--desk-device", metavar="ID", help="The device of --desk-token-file.")
@click.option("--keeper-password-file", type=_SECRET_FILE, help="The same for the keeper.")
@click.option("--keeper-token-file", type=_SECRET_FILE, help="The same for the keeper.")
@click.option("--keeper-device", metavar="ID", help="The same for the keeper.")
@click.option(
    "--registration-secret-file",
    type=_SECRET_FILE,
    envvar="ALONGSIDE_REGISTRATION_SECRET_FILE",
    help="Register both accounts with Synapse's registration_shared_secret.",
)
@click.option(
    "--sign-in",
    is_flag=False,
    flag_value="both",
    type=click.Choice(["both", "desk", "keeper"]),
    help="Give an account a new log-in; the front desk gets a new device.",
)
@click.option("--new-identity", is_flag=True, help="Replace the front desk's identity. Members are warned.")
@click.option("--ask/--no-ask", default=None, help="Ask what is not given.  [default: at a terminal]")
@_with_configuration
def init(
    place: Path | None,
    /,
    sign_in: str | None,
    new_identity: bool,
    ask: bool | None,
    **options: str | Path | None,
) -> None:
    """Make everything: the configuration, both accounts, the sealing key.

    Asks what it needs, or takes it as options. What exists is left as it is: run it again after a fault, and
    it goes on where it was. Passwords are used once and kept nowhere; secrets come from files or are typed.
    """
    place = (place or Path(config.DEFAULT_FILE)).absolute()
    ask = sys.stdin.isatty() if ask is None else ask
    if new_identity and ask:
        click.echo(
            _wrap(
                "With a new identity every member's app warns them, and whoever verified the front desk"
                " cannot write to it until they accept the change."
            )
        )
        _confirm("Make a new identity")
    given = {name.replace("_", "-"): value for name, value in options.items() if isinstance(value, str)}
    files = {
        name.removesuffix("_file").replace("_", "-"): value
        for name, value in options.items()
        if isinstance(value, Path)
    }
    from service import app
    from service.installation import install

    asking = _Answers(ask, given, files)
    if place.exists():
        asking.refuse_other(place)
        app.offered(config.load(place, unfinished=True).community().languages)
    anew = _ROLES[sign_in] if sign_in else ()
    fingerprint = asyncio.run(
        install(
            place,
            asking,
            anew=[role for role in ("keeper", "desk") if role in anew],
            new_identity=new_identity,
        )
    )
    click.echo()
    click.echo("The front desk's fingerprint, to be published where people trust it:")
    click.echo(f"  {fingerprint}")
    click.echo()
    if asking.made:
        click.echo(_wrap(f"All is made. Read {place} once, finish the agreement, then: alongside run"))
    else:
        click.echo("Everything was there already; nothing was changed.")


# ---- looking and repairing --------------------------------------------------------------------------------


@program.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@_with_configuration
def doctor(place: Path | None, as_json: bool) -> None:
    """Look at everything that must be right, and say what to do.

    It changes nothing and works beside a running service. Exits with 1 if something must be mended.
    """
    from service.doctor import Finding, examine

    failed = False

    def show(finding: Finding) -> None:
        if as_json:
            click.echo(json.dumps(vars(finding)))
            return
        click.echo(_wrap(finding.says, f"{finding.state:<5} {finding.name:<12} ", " " * 19))
        if finding.fix:
            click.echo(_wrap(finding.fix, " " * 19 + "-> ", " " * 22))

    settings = config.load(place)
    show(Finding("config", "look" if settings.warnings else "ok", " ".join(settings.warnings) or "is valid"))

    async def look() -> None:
        nonlocal failed
        async for finding in examine(settings):
            show(finding)
            failed = failed or finding.state == "fail"

    asyncio.run(look())
    if failed:
        raise click.exceptions.Exit(1)


@program.command("rotate-key")
@_with_configuration
def rotate_key(place: Path | None) -> None:
    """Make a new sealing key and seal every record anew.

    The service must be stopped. After a crash run it again. The old key is kept beside the new one: it
    opens the backups made before now, and nothing newer.
    """
    settings = config.load(place)
    from service import installation

    kept = asyncio.run(installation.rotate_key(settings, f"until-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"))
    click.echo("Everything is sealed with the new key.")
    click.echo(
        _wrap(
            f"The old one is {kept}. Keep it with the backups that it opens, away from this machine, or"
            " destroy it with them. Make a copy of the new one."
        )
    )


@program.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@_with_configuration
def restored(place: Path | None, yes: bool) -> None:
    """Take a database from a backup as the one in force.

    What happened after the backup is forgotten: a no that was said since is unknown, a room that was opened
    since is closed as one that nobody knows.
    """
    settings = config.load(place)
    if not yes:
        if not sys.stdin.isatty():
            raise OperatorError(
                "Nobody can be asked here whether this database is the newest there is, and was restored from"
                " a backup",
                fix="If it is and was, run it again with --yes.",
            )
        _confirm("Is this database the newest there is, and was it restored from a backup")
    from service import app

    asyncio.run(app.restored(settings))
    click.echo(
        _wrap(
            "The database is in force. The front desk needs a new device now, since the old one's"
            " encryption cannot go on from a backup: alongside init --sign-in desk"
        )
    )


@program.command()
@_with_configuration
def fingerprint(place: Path | None) -> None:
    """Print the front desk's fingerprint, which members compare."""
    settings = config.load(place)
    click.echo(asyncio.run(_fingerprint(settings)))


async def _fingerprint(settings: config.Settings) -> str:
    from service.matrix.identity import kept_identity
    from service.store import Store

    store = await Store.look(settings.database_url(), settings.sealing_key())
    try:
        identity = await kept_identity(store, settings.desk_user)
    finally:
        await store.close()
    if identity is None:
        raise OperatorError("The front desk has no identity yet", fix="Run `alongside init`.")
    return identity.fingerprint()


_CHECKOUT = (Path(__file__).parents[1] / "alongside").is_file()
"""Whether this program runs from a checkout of the source, whose launcher has two commands more."""


def _of_the_checkout(name: str, help: str) -> click.Command:
    @click.command(
        name, short_help=help, hidden=not _CHECKOUT, context_settings={"ignore_unknown_options": True}
    )
    @click.argument("rest", nargs=-1)
    def command(rest: tuple[str, ...]) -> None:
        raise OperatorError(
            f"`{name}` belongs to a checkout of the source, not to the installed program",
            fix=f"Get the source, and run ./alongside {name} in its folder.",
        )

    return command


for _name, _what in (
    ("check", "Check this checkout: lint, types and every test."),
    ("demo", "Play it all here, with a homeserver of its own."),
):
    program.add_command(_of_the_checkout(_name, _what))


def main() -> None:
    """Run the program with the arguments of the command line."""
    # What goes wrong unexpectedly is shown without its message, which may hold a secret.
    logs.install("console", "error")
    program(prog_name="alongside")


if __name__ == "__main__":
    main()
