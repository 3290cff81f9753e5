"""After the story: everything stays up, for whoever wants to try it with a Matrix app of their own.

Rules guarded here:
- The accounts given out are new: the front desk listens to no device that an account's owner has not signed,
  and those of the members who played have an owner already.
"""

import asyncio
import secrets

from tests.demo.stage import Stage

READING = "5 minutes"
"""How long a closed room can be read while somebody tries it."""


STEWARD = "steward-1"
"""Who looks after it, and reads concerns, while it is tried."""


async def keep_running(stage: Stage) -> None:
    """Print addresses and log-ins, and return at Ctrl-C, or when the service ended."""
    screen, instance, homeserver = stage.screen, stage.instance, stage.homeserver
    screen.status("making accounts for you, and giving the service a steward and a longer reading time")
    guests = {name: secrets.token_hex(6) for name in ("guest-1", "guest-2", STEWARD)}
    for name, password in guests.items():
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
    screen.status("")
    screen.chapter(
        "Try it yourself",
        "Everything keeps running until Ctrl-C. In Element (element.io; on this machine): choose to sign in,"
        " edit the homeserver, give the address below, and use one account in each of two windows that don't"
        " share log-ins, such as a private one. Then start a chat with the front desk. Offer time with one,"
        " ask for company with the other. The third is a steward: it is invited to the stewards' room, and"
        " reads what a guest writes with “something was wrong” after it has said hello to the front desk.",
    )
    screen.table(
        [
            ("Homeserver", homeserver.url),
            ("Front desk", instance.desk_user),
            *((f"@{name}:{homeserver.name}", f"password {password}") for name, password in guests.items()),
        ]
    )
    screen.blank()
    screen.paragraph("One more person, by a command in another terminal, in this folder:", style="dim")
    command = ".venv-synapse/bin/register_new_matrix_user --no-admin -u guest-3 -p PASSWORD"
    screen.table([("Register", f"{command} -c {homeserver.directory / 'homeserver.yaml'} {homeserver.url}")])
    screen.blank()
    screen.paragraph(
        f"A closed room can be read for {READING} now, and is purged a minute after that. Those who played"
        " can be logged in too, but the front desk listens only to apps that they have verified:",
        style="dim",
    )
    played = (stage.member, stage.peer, stage.other)
    screen.table([(player.user_id, f"password {player.password}") for player in played])
    screen.blank()
    screen.table(
        [
            ("Health", f"http://127.0.0.1:{instance.port}/readyz, and /metrics"),
            ("Configuration", str(instance.configuration)),
            ("Service's log", str(instance.log)),
        ]
    )
    screen.blank()
    screen.status("running; Ctrl-C ends it")
    try:
        await instance.wait_dead(within=None)
    except asyncio.CancelledError:
        screen.status("")
        screen.paragraph("Ended. Nothing is left running, and the files are gone.")
        return
    screen.status("")
    screen.paragraph(f"The service ended by itself.\n{instance.log_tail(10)}", style="bad")
