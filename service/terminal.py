"""What an operator reads and is asked at the terminal.

Guards: it reads well without colour, in 80 columns; whoever is asked is asked again until the answer has its
form, and can stop at any question.
"""

import signal
import textwrap
from collections.abc import Callable

import click

from schema.errors import ConfigurationErrors, OperatorError

_WIDTH = 78


def wrap(text: str, first: str = "", rest: str = "") -> str:
    """The text in lines of at most 78 columns, the first after `first`, the others after `rest`."""
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
        lines = [wrap(one.problem) for one in (problem, *others)]
        key = problem.key
        if any(one.key != key for one in others):
            key = key.partition("[")[0]
        if key:
            lines.append(f"  key       {key}")
        if problem.variable:
            lines.append(f"  variable  {problem.variable}")
        lines.append(wrap(problem.fix, "  fix       ", "            "))
        click.echo("\n".join(lines) + "\n", err=True)
    if len(problems) > 1:
        click.echo(f"{len(problems)} things to mend.", err=True)


def prompt(
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
            raise click.UsageError(wrap(shown + error.message).removeprefix(shown)) from None

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return str(click.prompt(question, default=default, hide_input=hide, value_proc=taken))
    finally:
        signal.signal(signal.SIGINT, before)


def confirm(question: str) -> None:
    """Ask for a yes, and end the program where it is a no."""
    if not click.confirm(question):
        click.echo("Nothing was changed.", err=True)
        raise click.exceptions.Exit(1)


def hidden(question: str) -> str:
    """Ask for a secret, which is not shown."""
    return prompt(question, hide=True)


def one_of(last: int) -> Callable[[str], str]:
    """What takes a number from 1 to `last` as an answer."""
    numbers = [str(number) for number in range(1, last + 1)]

    def formed(text: str) -> str:
        if text.strip() not in numbers:
            raise click.UsageError(f"Write {', '.join(numbers[:-1])} or {numbers[-1]}.")
        return text.strip()

    return formed
