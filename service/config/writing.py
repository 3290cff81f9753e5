"""The configuration as a file: values as TOML writes them, and the annotated whole."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from datetime import timedelta

from service.config.forms import Toml, say_length
from service.config.sections import (
    KEYS,
    PLACE_KEYS,
    PLACE_WORDS_KEYS,
    READER_KEYS,
    SECTIONS,
    TOPICS,
    Key,
    keys_of,
)


def to_toml(value: Toml) -> str:
    """Return `value` as TOML writes it. Texts are basic strings, which JSON's escapes are a part of."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(to_toml(item) if isinstance(item, str) else _inline(item) for item in value)}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)


def _inline(table: Mapping[str, str | bool]) -> str:
    """A table on one line."""
    return f"{{ {', '.join(f'{name} = {to_toml(value)}' for name, value in table.items())} }}"


def plain(value: object) -> Toml:
    """A value in one of TOML's types, as the file would write it."""
    if isinstance(value, timedelta):
        return say_length(value)
    if isinstance(value, tuple):
        return [str(item) for item in value]
    return value if isinstance(value, str | int | bool) else str(value)


_HEAD = """\
# The configuration of Alongside. `alongside check-config` checks it without any network.
#
# Every key is also an environment variable: user in [desk] is ALONGSIDE_DESK__USER. Every secret can be a
# value here (user and token alike), a file (token_file) of mode 0600, or a systemd credential (desk.token).
# Variables go before credentials, credentials before this file. Relative paths start at this file's folder.
# Lines that begin with "# " and a key show what holds if nothing is said.
"""


def render(values: Mapping[str, Toml]) -> str:
    """Return a whole annotated configuration with `values` set, by dotted name (`desk.token_file`).

    What is not in `values` stands there as a comment, with its default or an example.
    """
    lines = [_HEAD]
    for section, model in SECTIONS.items():
        lines += [*_comment(model.__doc__ or ""), f"[{section}]"]
        for key in keys_of(section, model):
            lines += _entry(key, values)
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def example() -> str:
    """Return the annotated example: what must be said is said, with examples; all else is a comment."""
    values: dict[str, Toml] = {}
    for key in KEYS:
        if key.says.example is not None and (key.required or key.dotted in ("desk.token", "desk.device_id")):
            values[f"{key.dotted}_file" if key.secret else key.dotted] = key.says.example
    values["community.places"] = [_PLACE]
    values["community.topics"] = _TOPICS
    return render(values)


_PLACE: dict[str, str | bool] = {
    **{name: str(key.says.example) for name, key in PLACE_KEYS.items() if name != "words"},
    **{f"words.es.{name}": str(key.says.example) for name, key in PLACE_WORDS_KEYS.items()},
}

_TOPICS: list[dict[str, str | bool]] = [
    {
        "name": topic.name,
        "line": topic.line,
        "hard": topic.hard,
        **{f"names.{language}": name for language, name in topic.names.items()},
        **{f"lines.{language}": line for language, line in topic.lines.items()},
    }
    for topic in TOPICS
]

_WORDS = {
    "words.es.name": "Colectivo de Ejemplo",
    "words.es.limits": (
        "Somos personas de nuestra comunidad que se hacen compañía. No es terapia ni un servicio de"
        " emergencias, y nadie lo vigila."
    ),
    "words.es.who_runs": "Dos personas de nuestro colectivo administran el servidor",
}


def _entry(key: Key, values: Mapping[str, Toml]) -> Iterator[str]:
    yield from _comment(key.says.what)
    if key.name == "places":
        yield from _places(values.get(key.dotted))
        return
    if key.name == "readers":
        yield from _readers(values.get(key.dotted))
        return
    if key.name == "topics" and not _is_names(values.get(key.dotted)):
        yield from _topics(values.get(key.dotted))
        return
    if key.name == "words":
        yield from (f"# {name} = {to_toml(text)}" for name, text in _WORDS.items())
        return
    name = f"{key.name}_file" if key.secret else key.name
    given = values.get(f"{key.section}.{name}")
    if given is not None:
        yield f"{name} = {to_toml(given)}"
    elif (direct := values.get(key.dotted)) is not None:
        yield f"{key.name} = {to_toml(direct)}"
    else:
        default = None if key.required or key.info.default is None else plain(key.info.default)
        shown = key.says.example if default in (None, []) and key.says.example is not None else default
        yield f"# {name} = {to_toml(shown if shown is not None else '')}"


def _default(key: Key) -> Toml | None:
    """What holds if nothing is said, where that shows more than an example would."""
    default = key.info.default
    if key.required or default is None or (default == () and key.says.example is not None):
        return None
    return plain(default)


def _places(given: Toml | None) -> Iterator[str]:
    tables = [table for table in given if isinstance(table, dict)] if isinstance(given, list) else []
    mark = "" if tables else "# "
    for table in tables or [_PLACE]:
        yield f"{mark}[[community.places]]"
        for name, value in table.items():
            note = f"  # {PLACE_KEYS[name].says.form}" if name in ("may_send_police", "ages") else ""
            yield f"{mark}{name} = {to_toml(value)}{note}"


def _readers(given: Toml | None) -> Iterator[str]:
    """The readers as tables in one line, which stands before the tables below; an example as a comment."""
    tables = [table for table in given if isinstance(table, dict)] if isinstance(given, list) else []
    example = {name: str(key.says.example) for name, key in READER_KEYS.items() if key.required}
    shown = ", ".join(
        _inline({**table, "must_report": table.get("must_report", False)}) for table in tables or [example]
    )
    yield f"{'' if tables else '# '}readers = [{shown}]"


def _is_names(given: Toml | None) -> bool:
    return isinstance(given, list) and all(isinstance(one, str) for one in given)


def _topics(given: Toml | None) -> Iterator[str]:
    """The topics' tables; where none are given, those of the example, as comments."""
    tables = [table for table in given if isinstance(table, dict)] if isinstance(given, list) else []
    mark = "" if tables else "# "
    for table in tables or _TOPICS:
        yield f"{mark}[[community.topics]]"
        for name, value in table.items():
            if value:
                yield f"{mark}{name} = {to_toml(value)}"


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(" ".join(text.split()), 100)]
