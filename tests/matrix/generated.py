"""Input of any shape, for every border at which somebody else's JSON comes in."""

import json
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text(max_size=20)
    | st.sampled_from(["\ud800", "\0", "@x:y", "!r", "$e", "m.room.encrypted", "A" * 43, "A" * 300, "join"])
)
KEYS = st.sampled_from(
    [
        "type",
        "sender",
        "content",
        "algorithm",
        "ciphertext",
        "sender_key",
        "session_id",
        "session_key",
        "room_id",
        "state_key",
        "event_id",
        "events",
        "body",
        "msgtype",
        "m.relates_to",
        "rel_type",
        "membership",
        "keys",
        "signatures",
        "user_id",
        "device_id",
        "algorithms",
        "recipient",
        "recipient_keys",
        "ed25519",
        "usage",
        "origin_server_ts",
        "code",
        "m.in_reply_to",
        "unsigned",
    ]
) | st.text(max_size=8)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)
OBJECTS = st.dictionaries(KEYS, ANYTHING, max_size=8)


def mutated(valid: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """`valid` with one or more of its places, however deep, taken away or replaced."""
    places = [path for path in _paths(valid) if path]

    def change(drawn: list[tuple[tuple[Any, ...], bool, Any]]) -> dict[str, Any]:
        changed: dict[str, Any] = json.loads(json.dumps(valid))
        for path, gone, value in drawn:
            at: Any = changed
            try:
                for step in path[:-1]:
                    at = at[step]
                if gone:
                    del at[path[-1]]
                else:
                    at[path[-1]] = value
            except (KeyError, IndexError, TypeError):
                continue
        return changed

    one = st.tuples(st.sampled_from(places), st.booleans(), ANYTHING)
    return st.lists(one, min_size=1, max_size=3).map(change)


def _paths(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [before]
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        found += _paths(inner, (*before, step))
    return found


often = settings(
    # Each example is a whole batch with its commit, so there are fewer of them.
    max_examples=max(5, (settings.default or settings()).max_examples // 5),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
