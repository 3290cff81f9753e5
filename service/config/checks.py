"""What one key alone cannot show: keys that contradict one another, and what works and is unwise."""

import ssl
from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta
from urllib.parse import urlsplit

from schema.community import Timings
from service.config.forms import (
    SERVER_NAME,
    Secret,
    Wrong,
    database_url_of,
    is_loopback,
    length_of_time,
    read_key,
    say_length,
)
from service.config.reading import Reading
from service.config.sections import BY_NAME
from service.config.settings import Settings


def check_together(reading: Reading) -> None:
    """Check what one key alone cannot show; works on whatever could be read."""
    values = reading.values
    desk, keeper = values["desk"], values["keeper"]
    given = {name for name in ("token", "password") if f"desk.{name}" in reading.secrets}
    token, device = BY_NAME["desk.token"], BY_NAME["desk.device_id"]
    if given == {"token", "password"} or ("password" in given and "device_id" in desk):
        reading.wrong(
            token,
            "and desk.password are two ways to log in at once",
            "Keep desk.token with desk.device_id, or desk.password alone.",
        )
    elif not given and "user" in desk:
        reading.wrong(
            token,
            "is missing, and so is desk.password",
            "Set desk.token_file with desk.device_id (`alongside init` does), or desk.password_file.",
        )
    elif given == {"token"} and "device_id" not in desk:
        reading.wrong(
            device, "is missing: a token belongs to a device", "Set it to the device of desk.token."
        )
    elif given == {"password"}:
        reading.warnings.append(
            "The front desk's password is kept, and whoever reads it can sign in with it. A token is better:"
            " remove desk.password, set desk.token_file and desk.device_id, and run `alongside init`."
        )
    server = values["homeserver"].get("server_name")
    for section, account in (("desk", desk), ("keeper", keeper)):
        user = account.get("user")
        here = user.partition(":")[2] if isinstance(user, str) else ""
        if here and isinstance(server, str) and SERVER_NAME.fullmatch(server) and here != server:
            reading.wrong(
                BY_NAME[f"{section}.user"],
                "is not an account of homeserver.server_name",
                "Use an account of your own homeserver, or correct homeserver.server_name.",
            )
    if isinstance(desk.get("user"), str) and desk.get("user") == keeper.get("user"):
        reading.wrong(
            BY_NAME["keeper.user"],
            "is the front desk's account too",
            "Use two accounts: the keeper must have no encryption, the desk needs it.",
        )
    if isinstance(keeper.get("token"), Secret) and keeper.get("token") == desk.get("token"):
        reading.wrong(
            BY_NAME["keeper.token"], "is the front desk's token too", "Each account has its own token."
        )
    for dotted, check in (
        ("keys.sealing_key", read_key),
        ("database.url", lambda text: database_url_of(text, reading.folder)),
    ):
        key = BY_NAME[dotted]
        secret = values[key.section].get(key.name)
        if isinstance(secret, Secret):
            try:
                check(secret.reveal())
            except Wrong as wrong:
                reading.wrong(key, str(wrong))
    community = values["community"]
    if community.get("members") == "room" and not community.get("room"):
        reading.wrong(
            BY_NAME["community.room"],
            'is missing, and community.members is "room"',
            "Name your space or room, or choose who else may write.",
        )
    named = community.get("stewards")
    own = (desk.get("user"), keeper.get("user"))
    if isinstance(named, list | tuple) and any(isinstance(one, str) and one in own for one in named):
        reading.wrong(
            BY_NAME["community.stewards"],
            "names the front desk or the keeper",
            "Name people, by their own accounts.",
        )
    if community.get("opens") == "hours" and not community.get("hours"):
        reading.wrong(
            BY_NAME["community.hours"],
            'is missing, and community.opens is "hours"',
            'Write the weekly hours, such as ["mon-fri 18:00-22:00"], or choose another community.opens.',
        )
    readers = community.get("readers")
    users = [one.get("user") for one in readers if isinstance(one, dict)] if isinstance(readers, list) else []
    if any(isinstance(one, str) and one in own for one in users):
        reading.wrong(
            BY_NAME["community.readers"],
            "names the front desk or the keeper",
            "Name people, by their own accounts.",
        )
    _check_timings(reading)
    ca_file = values["homeserver"].get("ca_file")
    if isinstance(ca_file, str):
        try:
            ssl.create_default_context(cafile=reading.folder / ca_file)
        except (OSError, ssl.SSLError, ValueError):
            reading.wrong(BY_NAME["homeserver.ca_file"], "has no certificates that can be read")


_SHORTER, _NOT_LONGER = "is shorter than", "is not shorter than"

_CONTRADICTIONS = (
    (
        *("ask_open", _SHORTER, "request_open"),
        "each ask stays good until its request ends, and nobody's yes comes to nothing before",
    ),
    (*("ask_again", _NOT_LONGER, "request_open"), "nobody else would be asked before the request lapses"),
    (*("longest_in_all", _SHORTER, "longest"), "more time would make a room no longer"),
    (
        *("again", _SHORTER, "afterwards"),
        "that both would talk again would end before both have had the time to say so",
    ),
    (*("chat", _SHORTER, "request_open"), "what is asked would be taken back while it can be answered"),
    (*("chat", _SHORTER, "consent_open"), "what is asked would be taken back while it can be answered"),
    (*("prompt_pause", _NOT_LONGER, "consent_open"), "no yes would ever count"),
)
"""Two keys, how the first must not be to the second, and why."""


def _check_timings(reading: Reading) -> None:
    """Refuse lengths of time that contradict one another; those that cannot be read are refused elsewhere."""
    given = reading.values["timings"]
    lengths: dict[str, timedelta] = {}
    for field in fields(Timings):
        try:
            length = length_of_time(given[field.name]) if field.name in given else field.default
        except Wrong:
            continue
        if isinstance(length, timedelta):
            lengths[field.name] = length
    for name, relation, other, why in _CONTRADICTIONS:
        if name not in lengths or other not in lengths:
            continue
        wrong = lengths[name] < lengths[other] if relation == _SHORTER else lengths[name] >= lengths[other]
        if wrong:
            named = BY_NAME[f"timings.{name}"]
            most = "at least" if relation == _SHORTER else "less than"
            reading.wrong(
                named,
                f"{relation} timings.{other}: {why}",
                f"Make it {most} {say_length(lengths[other])}, or change timings.{other}.",
            )


def unwise(settings: Settings) -> Iterator[str]:
    """What works and is unwise: whole sentences, without secrets."""
    url = urlsplit(settings.homeserver.url)
    if url.scheme == "http" and not is_loopback(url.hostname or ""):
        yield (
            "homeserver.url is not encrypted and not on this machine: whoever is between can take both"
            " accounts' tokens. Use https, or a private network that only the two share."
        )
    if not is_loopback(settings.web.host):
        yield "web.host is not loopback, and the web server has no log-in: let only your monitoring reach it."
    if settings.admin.token is not None:
        yield "admin.token rules the whole homeserver: whoever takes this machine takes that too."
    if 0 < len(settings.community_section.readers) < 3:
        yield (
            "community.readers has fewer than three: whoever leaves one of them out has no two left who read"
            " a concern together, or nobody."
        )
    if not settings.community_section.places:
        yield "community.places is empty: `help now` has nothing of yours to show."
    others = {"adults": "young", "young": "adults"}.get(settings.community_section.ages, "")
    places = settings.community_section.places
    if others and places and not any(place.ages in (others, "all") for place in places):
        yield (
            "community.places are all for those whom community.ages takes in: whoever is outside is told no"
            " place that is for them."
        )
    if settings.community_section.hours and settings.community_section.opens != "hours":
        yield 'community.hours are not kept to: community.opens is not "hours".'
