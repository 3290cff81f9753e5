"""The demo's page in the terminal: a conversation in columns, or, where it is narrow, one below another.

Rules guarded here:
- It reads in 80 columns, without colour, and as plain lines in a file: nothing is said by colour alone.
- What is still going on is one line at the bottom, which is never part of the page.
"""

import os
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TextIO

Speaker = Literal["desk", "member", "peer"]


class Seen(NamedTuple):
    """What a homeserver has of something; `where` says which, as long as there is more than one."""

    what: str
    where: str = ""


_COLUMNS_FROM = 110
_WIDEST = 170
_STYLES = {
    "desk": "36",
    "member": "33",
    "peer": "35",
    "sight": "2",
    "dim": "2",
    "bold": "1",
    "good": "32",
    "bad": "1;31",
}
_SPINNER = "|/-\\"


class Screen:
    """Prints the page on `out`; `names` says what the three speakers are called at the head of a column."""

    def __init__(self, out: TextIO | None = None, environ: Mapping[str, str] | None = None) -> None:
        self._out = out or sys.stdout
        environ = os.environ if environ is None else environ
        self._terminal = self._out.isatty() and environ.get("TERM") != "dumb"
        self._colour = self._terminal and not environ.get("NO_COLOR")
        self._fancy = "utf" in (self._out.encoding or "").lower().replace("-", "")
        self._doing = ""
        self._drawn = False
        self._turns = 0
        self.names: dict[Speaker, str] = {"desk": "Front desk", "member": "Member", "peer": "Peer"}
        self.witness = "The homeserver sees"
        self._chapters = 0
        self._headed = False
        self._apart = False
        self._free = False
        self._gone = False

    @property
    def terminal(self) -> bool:
        """Whether somebody watches, so that what goes on may be shown as it does."""
        return self._terminal

    @property
    def _width(self) -> int:
        if not self._terminal:
            return 80
        return max(40, min(_WIDEST, shutil.get_terminal_size().columns - 1))

    @property
    def _columns(self) -> bool:
        return self._width + 1 >= _COLUMNS_FROM

    # ---- letters

    def _styled(self, text: str, style: str) -> str:
        return f"\033[{_STYLES[style]}m{text}\033[0m" if self._colour and text.strip() else text

    def _plain(self, text: str) -> str:
        # What a number and its unit are kept together by, where lines are broken.
        text = text.replace("\N{NO-BREAK SPACE}", " ")
        if self._fancy:
            return text
        for fancy, plain in (("│", "|"), ("─", "-"), ("━", "="), ("✓", "ok"), ("✗", "NO"), ("…", "...")):
            text = text.replace(fancy, plain)
        return text.encode("ascii", "replace").decode()

    def _line(self, text: str = "") -> None:
        self._clear()
        self._free = not text
        self._write(self._plain(text.rstrip()) + "\n")

    def _write(self, text: str) -> None:
        """Print; that nobody reads any more is raised once (OSError), so that all can be ended in order."""
        if self._gone:
            return
        try:
            self._out.write(text)
            self._out.flush()
        except OSError:
            self._gone = True
            raise

    # ---- what goes on

    def status(self, text: str) -> None:
        """Say what is going on, below the page; an empty text takes it away. In a file it is left out."""
        self._clear()
        self._doing = text
        self.tick()

    def tick(self) -> None:
        """Show that it is still going on."""
        if not self._terminal or not self._doing:
            return
        self._turns += 1
        turning = f"  {_SPINNER[self._turns % len(_SPINNER)]} {self._doing}"
        self._write("\r\033[K" + self._styled(self._plain(turning)[: self._width], "dim"))
        self._drawn = True

    def _clear(self) -> None:
        if self._drawn:
            self._drawn = False
            self._write("\r\033[K")

    # ---- the page

    def paragraph(self, text: str, *, style: str = "", indent: str = "") -> None:
        """Print a paragraph of prose."""
        for line in textwrap.wrap(
            text,
            min(self._width, 100),
            initial_indent=indent,
            subsequent_indent=indent,
            break_on_hyphens=False,
        ):
            self._line(self._styled(line, style) if style else line)

    def blank(self) -> None:
        """Print an empty line."""
        self._line()

    def title(self, text: str) -> None:
        """Print the page's title."""
        self._line(self._styled(text, "bold"))
        self._line()

    def act(self, title: str, text: str) -> None:
        """Begin an act, or another part as large; `text` says what it is about."""
        self._part("━", title, text)

    def chapter(self, title: str, text: str) -> None:
        """Begin a chapter, which gets a number; `text` says what to look for."""
        self._chapters += 1
        self._part("─", f"{self._chapters}. {title}", text)
        self._headed = False
        self._apart = False

    def _part(self, line: str, title: str, text: str) -> None:
        if not self._free:
            self._line()
        rule = f"{2 * line} {title} "
        self._line(self._styled(rule + line * (self._width - len(rule)), "bold"))
        self.paragraph(text, style="dim")
        self._line()

    def step(self, name: str, text: str, took: float) -> None:
        """Say that something stands now, and how many seconds that took."""
        mark = self._styled("✓", "good")
        lines = textwrap.wrap(
            f"{text} ({took:.1f}\N{NO-BREAK SPACE}s)",
            self._width - 18,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for index, line in enumerate(lines):
            head = f"  {mark} {name:<13} " if index == 0 else " " * 18
            self._line(f"{head}{line}")

    def fact(self, holds: bool, text: str, details: Sequence[str] = ()) -> None:
        """Print something that was looked at just now, and whether it is as it must be."""
        self._apart = True
        mark = self._styled("✓", "good") if holds else self._styled("✗", "bad")
        words = text if holds else f"NOT SO: {text}"
        for index, line in enumerate(textwrap.wrap(words, min(self._width, 100) - 4, break_on_hyphens=False)):
            self._line(f"  {mark} {line}" if index == 0 else f"    {line}")
        for detail in details:
            for line in textwrap.wrap(
                detail, min(self._width, 100) - 6, break_on_hyphens=False, subsequent_indent="  "
            ):
                self._line(self._styled(f"      {line}", "dim"))

    def table(self, rows: Sequence[tuple[str, str]]) -> None:
        """Print names and values."""
        widest = max(len(name) for name, _ in rows)
        for name, value in rows:
            room = max(20, self._width - widest - 6)
            lines = textwrap.wrap(value, room, break_long_words=True, break_on_hyphens=False) or [""]
            for index, line in enumerate(lines):
                self._line(f"    {name if index == 0 else '':<{widest}}  {line}")

    def command(self, *parts: str) -> None:
        """Print a command for a shell, a part on each line, to be copied as it stands."""
        for index, part in enumerate(parts):
            end = "" if index == len(parts) - 1 else " \\"
            self._line(f"    {part}{end}" if index == 0 else f"      {part}{end}")

    # ---- the conversation

    def says(
        self,
        speaker: Speaker,
        text: str,
        sights: Sequence[Seen],
        *,
        to: str = "",
        aside: str = "",
        desk: str = "",
    ) -> None:
        """Print one message, and beside it what a homeserver saw of it.

        `to` names whom it is for, `aside` explains it (the words that a number stands for), and `desk` says
        whose front desk speaks, as long as there is more than one.
        """
        self._set_apart()
        if self._columns:
            head = f"{desk} to {to}:".lstrip() if to and speaker == "desk" else to
            cells: dict[str, list[tuple[str, str]]] = {speaker: self._cell(speaker, text, head, aside)}
            self._row({**cells, "sight": self._sights(sights)})
            return
        name = desk or self.names[speaker]
        if to:
            name += f" to {to}" if speaker == "desk" else f", {to}"
        self._head(name, speaker, sights)
        for line in self._wrapped(text + (f"  ({aside})" if aside else ""), self._width - 4):
            self._line(f"  {self._styled('│', speaker)} {line}")
        self._line()

    def happens(self, text: str, sights: Sequence[Seen]) -> None:
        """Print something that nobody said, and what the homeserver saw of it."""
        self._set_apart()
        if self._columns:
            cell = [(line, "dim") for line in self._wrapped(text, self._shares()["desk"])]
            self._row({"desk": cell, "sight": self._sights(sights)})
            return
        for line in self._wrapped(text, self._width - 4):
            self._line(self._styled(f"  {line}", "dim"))
        for line in self._seen(sights):
            self._line(self._styled(line, "sight"))
        self._line()

    def _set_apart(self) -> None:
        """Leave a line free between what was looked at and what is said next."""
        if self._apart:
            self._line()
            self._apart = False

    def _head(self, name: str, speaker: Speaker, sights: Sequence[Seen]) -> None:
        """Print who speaks, and at the right margin what the homeserver saw."""
        seen = self._seen(sights) or [""]
        for index, line in enumerate(seen):
            left = name if index == 0 else ""
            if left and len(left) > len(line) - len(line.lstrip()) - 2:
                self._line(self._styled(left, speaker))
                left = ""
            self._line(self._styled(left, speaker) + self._styled(line[len(left) :], "sight"))

    def _seen(self, sights: Sequence[Seen]) -> list[str]:
        """What the homeserver saw as lines at the right margin."""
        lines: list[str] = []
        for sight in sights:
            seen = f"seen {sight.where}: {sight.what}" if sight.where else f"seen: {sight.what}"
            wrapped = textwrap.wrap(seen, min(56, self._width - 4), subsequent_indent=" " * 8)
            before = " " * (self._width - max(map(len, wrapped)))
            lines += [before + line for line in wrapped]
        return lines

    def _shares(self) -> dict[str, int]:
        rest = self._width - 9
        sight = 39 if rest >= 120 else 29
        side = int((rest - sight) * 0.27)
        return {"desk": rest - sight - 2 * side, "member": side, "peer": side, "sight": sight}

    def _cell(self, speaker: Speaker, text: str, head: str, aside: str) -> list[tuple[str, str]]:
        share = self._shares()[speaker]
        lines = [(line, "dim") for line in self._wrapped(head, share)] if head else []
        lines += [(line, speaker) for line in self._wrapped(text, share)]
        if aside:
            lines += [(line, "dim") for line in self._wrapped(f"({aside})", share)]
        return lines

    def _sights(self, sights: Sequence[Seen]) -> list[tuple[str, str]]:
        share = self._shares()["sight"]
        texts = [f"{sight.where}: {sight.what}" if sight.where else sight.what for sight in sights]
        return [(line, "sight") for text in texts for line in self._wrapped(text, share, hang="  ")]

    def _row(self, cells: Mapping[str, Sequence[tuple[str, str]]]) -> None:
        shares = self._shares()
        if not self._headed:
            self._headed = True
            names = {**{str(name): text for name, text in self.names.items()}, "sight": self.witness}
            heads = {name: self._wrapped(text, shares[name]) for name, text in names.items()}
            for index in range(max(map(len, heads.values()))):
                row = {name: (lines[index], "bold") for name, lines in heads.items() if index < len(lines)}
                self._bar(row, shares)
            self._line(self._styled("─┼─".join("─" * share for share in shares.values()), "dim"))
        for index in range(max(len(lines) for lines in cells.values())):
            here = {name: lines[index] for name, lines in cells.items() if index < len(lines)}
            self._bar(here, shares)
        self._bar({}, shares)

    def _bar(self, cells: Mapping[str, tuple[str, str]], shares: Mapping[str, int]) -> None:
        parts = []
        for name, share in shares.items():
            text, style = cells.get(name, ("", "dim"))
            parts.append(self._styled(text, style) + " " * max(0, share - len(text)))
        self._line(self._styled(" │ ", "dim").join(parts) if self._colour else " │ ".join(parts))

    @staticmethod
    def _wrapped(text: str, width: int, hang: str = "") -> list[str]:
        lines: list[str] = []
        for paragraph in text.split("\n"):
            number, dot, _ = paragraph.partition(". ")
            indent = " " * (len(number) + 2) if dot and number.isdigit() else hang
            lines += textwrap.wrap(
                paragraph, max(10, width), subsequent_indent=indent, break_on_hyphens=False
            ) or [""]
        return lines
