"""A homeserver's keys in memory, as an account's own client meets them; each request can be lost."""

import json
from typing import Any

from schema.errors import HomeserverRefused, Throttled, Unreachable
from tests.matrix.rooms import Fault

USER = "@desk:home.test"
PASSWORD = "right"


class Keys:
    """Stands for `Transport`: cross-signing keys and devices of one account, with Synapse's manners.

    `faults` name the requests by number, from 1. A key that was published before answers 500, as Synapse
    does; a changed one wants the password; an identical one is taken.
    """

    def __init__(self, faults: dict[int, Fault] | None = None) -> None:
        self.token: str | None = "token"
        self.faults = faults or {}
        self.count = 0
        self.calls: list[str] = []
        self.keys: dict[str, dict[str, Any]] = {}
        self.devices: dict[str, dict[str, Any]] = {}
        self.ever: set[str] = set()
        self.refuse_signatures = False

    async def request(
        self, call: str, method: str, path: str, *, query: Any = None, body: Any = None, timeout: float = 30
    ) -> dict[str, Any]:
        """Answer one request."""
        self.count += 1
        self.calls.append(call)
        fault = self.faults.get(self.count)
        if fault == "lost":
            raise Unreachable(call)
        if fault == "throttled":
            raise Throttled(1.0)
        try:
            answer = self._answer(path, json.loads(json.dumps(body)))
        except HomeserverRefused:
            if fault == "unanswered":
                raise Unreachable(call) from None
            raise
        if fault == "unanswered":
            raise Unreachable(call)
        copied: dict[str, Any] = json.loads(json.dumps(answer))
        return copied

    def _answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if path.endswith("/keys/query"):
            return self._query()
        if path.endswith("/keys/device_signing/upload"):
            return self._upload(body)
        return self._sign(body)

    def _query(self) -> dict[str, Any]:
        answer: dict[str, Any] = {"device_keys": {USER: self.devices}, "failures": {}}
        return answer | {f"{name}s": {USER: key} for name, key in self.keys.items()}

    def _upload(self, body: dict[str, Any]) -> dict[str, Any]:
        auth = body.pop("auth", None)
        if all(self.keys.get(name) == key for name, key in body.items()):
            return {}
        if "master_key" in self.keys and (auth or {}).get("password") != PASSWORD:
            wanted: dict[str, object] = {"session": "s", "flows": [{"stages": ["m.login.password"]}]}
            raise HomeserverRefused(401, "M_FORBIDDEN" if auth else "UNKNOWN", "upload", wanted)
        for name, key in body.items():
            public = next(iter(key["keys"].values()))
            if public in self.ever:
                raise Unreachable("500", 500)
            self.ever.add(public)
            self.keys[name] = key
        return {}

    def _sign(self, body: dict[str, Any]) -> dict[str, Any]:
        if self.refuse_signatures:
            return {"failures": {USER: {"DESK": {"errcode": "M_INVALID_SIGNATURE"}}}}
        for device, signed in body[USER].items():
            self.devices[device]["signatures"][USER] |= signed["signatures"][USER]
        return {"failures": {}}
