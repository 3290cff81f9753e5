"""After the acts: everything stays up, for whoever wants to try it with a Matrix app of their own.

Rules guarded here:
- The accounts given out are new: the front desk listens to no device that an account's owner has not signed,
  and those of the people who played have an owner already.
"""

import asyncio
import secrets

from tests.demo.stage import Community, Stage

READING = "5 minutes"
"""How long a closed room can be read while somebody tries it."""
STEWARD = "steward-1"
"""Who looks after a community, and reads concerns, while it is tried."""


async def keep_running(stage: Stage) -> None:
    """Print addresses and log-ins, and return at Ctrl-C, or when a service ended."""
    screen, communities = stage.screen, stage.communities
    screen.status("making accounts for you, and giving each service a steward and a longer reading time")
    accounts = [await _opens(community) for community in communities]
    screen.status("")
    linked = len(communities) > 1
    screen.act(
        "Try it yourself",
        "Everything keeps running until Ctrl-C. In Element (element.io; on this machine): choose to sign in,"
        " edit the homeserver, give the address below, and use one account in each of two windows that don't"
        " share log-ins, such as a private one. Then start a chat with the front desk. Offer time with one,"
        " ask for company with the other. The last is a steward: it is invited to the stewards' room, and"
        " reads what a guest writes with “something was wrong” after it has said hello to the front desk."
        + (
            " The two communities are linked: offer time with a guest of one, ask with a guest of the other,"
            " and before the last yes change something: “Linked communities”."
            if linked
            else ""
        ),
    )
    for community, made in zip(communities, accounts, strict=True):
        homeserver, instance = community.homeserver, community.instance
        if linked:
            screen.paragraph(community.name, style="bold")
        screen.table(
            [
                ("Homeserver", homeserver.url),
                ("Front desk", instance.desk_user),
                ("Health", f"http://127.0.0.1:{instance.port}/readyz, and /metrics"),
                ("Configuration", str(instance.configuration)),
                ("Service's log", str(instance.log)),
            ]
        )
        screen.table([(f"@{name}:{homeserver.name}", f"password {word}") for name, word in made.items()])
        screen.blank()
    screen.paragraph("One more person, by a command in another terminal, in this folder:", style="dim")
    for community in communities:
        file, url = community.homeserver.directory / "homeserver.yaml", community.homeserver.url
        screen.command(
            ".venv-synapse/bin/register_new_matrix_user --no-admin",
            "-u guest-3 -p PASSWORD",
            f"-c {file}",
            url,
        )
    screen.blank()
    screen.paragraph(
        f"A closed room can be read for {READING} now, and is purged a minute after that. Those who played"
        " can be logged in too, but the front desk listens only to apps that they have verified:",
        style="dim",
    )
    screen.table([(player.user_id, f"password {player.password}") for player in stage.players])
    screen.blank()
    screen.status("running; Ctrl-C ends it")
    ends = {asyncio.create_task(one.instance.wait_dead(within=None)): one for one in communities}
    try:
        (ended, *_), _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        screen.status("")
        screen.paragraph("Ended. Nothing is left running, and the files are gone.")
        return
    finally:
        for one in ends:
            one.cancel()
    screen.status("")
    screen.paragraph(f"The service ended by itself.\n{ends[ended].instance.log_tail(10)}", style="bad")


async def _opens(community: Community) -> dict[str, str]:
    """Make accounts for whoever tries it, and give the service a steward among them; names and passwords."""
    homeserver, instance = community.homeserver, community.instance
    made = {name: secrets.token_hex(6) for name in ("guest-1", "guest-2", STEWARD)}
    for name, password in made.items():
        await homeserver.register(name, password)
    steward = f"@{STEWARD}:{homeserver.name}"
    instance.configure(
        {
            "timings.reading": READING,
            "timings.settle": "1 minute",
            "timings.prompt_pause": "3 s",
            "community.stewards": [steward],
            "community.readers": [{"user": steward, "name": "The steward"}],
        }
    )
    await instance.restart()
    return made
