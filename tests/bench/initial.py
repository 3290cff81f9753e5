"""The first answer after a first sync with 1,000 direct chats, beside that sync alone over plain HTTP.

The service starts without a sync token, so that the homeserver tells it everything at once; a proxy notes
when that answer has reached it and when its first message has reached the homeserver.
"""

import asyncio
import time
from pathlib import Path

import aiohttp

from service import config
from service.matrix.sync import FILTER, TOKEN
from service.store import Store
from tests.bench.answers import Chat
from tests.bench.measure import Goal, Stopwatch, Table, say
from tests.bench.people import Crowd, Person, each_of
from tests.bench.proxy import Passed, Proxy
from tests.bench.subjects import Service
from tests.live.homeserver import Homeserver, JsonValue

ROOMS = 1000
ROUNDS = 5


async def measure(rounds: int = ROUNDS, rooms: int = ROOMS) -> None:
    """Set up, measure by turns, and print."""
    watch = Stopwatch()
    # An answer that Synapse still has from the round before would make its own time look like nothing.
    settings: dict[str, JsonValue] = {"caches": {"sync_response_cache_duration": "0s"}}
    async with (
        Homeserver(settings=settings) as homeserver,
        Proxy(homeserver.url) as proxy,
        Crowd(homeserver) as crowd,
        await Service.start(homeserver, url=proxy.url, run=False) as service,
    ):
        token = (service.directory / "secrets" / "desk.token").read_text().strip()
        people = await crowd.grow(rooms)
        watch.note(f"{rooms} members are there")
        chats = await each_of(people, lambda person: _chat(crowd, person, service.user_id, token))
        watch.note(f"{rooms} chats")
        asker = chats[rooms // 2]
        await asker.person.share(asker.room, service.user_id)

        await asker.person.say(asker.room, "menu")
        first = await _start(service, proxy, asker, token)
        await _quiet(proxy, token)
        watch.note("everybody is greeted")

        alone: list[float] = []
        answered: list[float] = []
        for _ in range(rounds):
            await service.stop()
            await _forget_token(service.configuration)
            alone.append(await _sync(proxy.url, token))
            asker.heard = asker.person.count(asker.room)
            await asker.person.say(asker.room, "menu")
            answered.append((await _start(service, proxy, asker, token))[1])
            watch.note(f"{len(answered)} of {rounds} starts")
    table = Table(f"initial: a first sync with {rooms} direct chats")
    table.row("from its arrival to the answer to who had written, ms", answered, 1000)
    table.row("the same sync alone, plain HTTP, ms", alone, 1000)
    table.ratio("the answer over the sync alone", answered, alone, Goal(1.0))
    table.note("once, at the very first start, when all of them are greeted as well:")
    table.row("from its arrival to the first message to anybody, ms", first[:1], 1000)
    table.row("from its arrival to the answer to who had written, ms", first[1:], 1000)
    table.ratio("the answer over the sync alone", first[1:], alone[:1])
    say(f"({watch():.0f} s in all)")


async def _chat(crowd: Crowd, person: Person, desk: str, token: str) -> Chat:
    room = await person.open_chat(desk)
    await crowd.request("POST", f"/_matrix/client/v3/join/{room.replace('!', '%21')}", {}, token=token)
    return Chat(person, room)


async def _sync(url: str, token: str) -> float:
    """Seconds of one first sync with the service's own filter."""
    headers = {"Authorization": f"Bearer {token}"}
    params = {"filter": FILTER, "timeout": "0", "set_presence": "offline"}
    async with aiohttp.ClientSession(headers=headers) as session:
        begun = time.monotonic()
        async with session.get(f"{url}/_matrix/client/v3/sync", params=params) as response:
            await response.read()
        return time.monotonic() - begun


async def _forget_token(configuration: Path) -> None:
    """Have the next start begin with a first sync."""
    settings = config.load(configuration)
    store = await Store.open(settings.database_url(), settings.sealing_key())
    async with store.transaction("forget the sync token") as transaction:
        await transaction.write_instance(TOKEN, None)
    await store.close()


async def _start(service: Service, proxy: Proxy, asker: Chat, token: str) -> tuple[float, float]:
    """Start it: seconds from the first sync's arrival to its first message, and to its answer to `asker`."""
    proxy.passed.clear()
    await service.resume()
    await asker.person.answer(asker.room, asker.heard + 1, 120)

    def is_sync(passed: Passed) -> bool:
        return passed.path.endswith("/v3/sync") and passed.token == token and "since" not in passed.query

    def is_message(passed: Passed) -> bool:
        return passed.method == "PUT" and "/send/" in passed.path

    def is_answer(passed: Passed) -> bool:
        return is_message(passed) and asker.room.removeprefix("!") in passed.path

    # The member can hear of an answer before the proxy has handed over what the homeserver said to it.
    answer = await proxy.wait_for(is_answer)
    sync, message = await proxy.wait_for(is_sync), await proxy.wait_for(is_message)
    return message.done - sync.done, answer.done - sync.done


async def _quiet(proxy: Proxy, token: str) -> None:
    """Wait until nothing but syncs has passed for two seconds."""
    while True:
        before = sum(passed.method == "PUT" for passed in proxy.passed)
        await asyncio.sleep(2.0)
        if sum(passed.method == "PUT" for passed in proxy.passed) == before:
            return
