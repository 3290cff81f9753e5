"""The program `alongside`: what an operator can have it do.

Guards: what the operator can mend is told in a few plain lines (the problem, the key, the variable, the
fix) without a traceback, and exits with 2; what only waiting mends exits with 1. No secret is printed. The
heavy parts (the database, the homeserver's client) are imported where a command needs them: what only reads
the configuration answers at once.
"""

import asyncio
import functools
import importlib.metadata
import json
import os
import resource
import sys
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Concatenate, ParamSpec

import click

from schema.errors import (
    AlongsideError,
    HomeserverRefused,
    OperatorError,
    SealBroken,
    Throttled,
    WorldError,
)
from service import config, logs
from service.answers import Answers
from service.terminal import confirm, tell, wrap

P = ParamSpec("P")

_HELP = """Company for people of a community, beside its own Matrix homeserver.

Begin with `alongside init`, then `alongside run`. Each command explains itself with --help.
"""


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
                wrap("The homeserver or the database did not answer. Nothing is lost: run it again."),
                err=True,
            )
            ctx.exit(1)
        except HomeserverRefused as error:
            click.echo(wrap(f"The homeserver refused a request ({error})."), err=True)
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
            click.echo(wrap(f"This cannot go on: {type(error).__name__}."), err=True)
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
    for warning in (*settings.warnings, *config.agreement.still_drafts(settings)):
        click.echo(wrap(warning, "Note: ", "      "), err=True)
    if not quiet:
        click.echo("The configuration is valid.")


@program.command("example-config")
def example_config() -> None:
    """Print an annotated example configuration."""
    click.echo(config.example(), nl=False)


# ---- init -------------------------------------------------------------------------------------------------

_ROLES: Mapping[str, Collection[str]] = {"both": ("keeper", "desk"), "desk": ("desk",), "keeper": ("keeper",)}

_SECRET_FILE = click.Path(path_type=Path, dir_okay=False)


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
            wrap(
                "With a new identity every member's app warns them, and whoever verified the front desk"
                " cannot write to it until they accept the change."
            )
        )
        confirm("Make a new identity")
    given = {name.replace("_", "-"): value for name, value in options.items() if isinstance(value, str)}
    files = {
        name.removesuffix("_file").replace("_", "-"): value
        for name, value in options.items()
        if isinstance(value, Path)
    }
    from service import app
    from service.doctor import ERASURE
    from service.installation import install

    asking = Answers(ask, given, files)
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
        click.echo(wrap(f"All is made. Read {place} once, finish the agreement, then: alongside run"))
        if not config.load(place).purges:
            click.echo()
            click.echo(wrap(f"Rooms that are over stay on the homeserver, encrypted. {ERASURE}"))
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
        click.echo(wrap(finding.says, f"{finding.state:<5} {finding.name:<12} ", " " * 19))
        if finding.fix:
            click.echo(wrap(finding.fix, " " * 19 + "-> ", " " * 22))

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
        wrap(
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
        confirm("Is this database the newest there is, and was it restored from a backup")
    from service import app

    asyncio.run(app.restored(settings))
    click.echo(
        wrap(
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
