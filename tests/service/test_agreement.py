"""The agreement: its draft has open points, and nothing starts while one is left."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from schema.errors import ConfigurationErrors
from service import cli, config
from service.config import agreement
from tests.live.agreement import FINISHED
from tests.service.test_config import write


@pytest.fixture
def settings(tmp_path: Path) -> config.Settings:
    """A whole configuration, with a finished agreement beside it."""
    return config.load(write(tmp_path / "alongside.toml"), {})


def fails(settings: config.Settings) -> ConfigurationErrors:
    """What is said of an agreement that is not finished; each names the key and the variable."""
    with pytest.raises(ConfigurationErrors) as caught:
        agreement.read(settings)
    for problem in caught.value.problems:
        assert str(settings.agreement_file) in problem.problem
        assert (problem.key, problem.variable) == ("community.agreement", "ALONGSIDE_COMMUNITY__AGREEMENT")
        assert problem.fix
    return caught.value


def test_a_finished_one_is_read(settings: config.Settings) -> None:
    """As it was written, without the space around it."""
    assert agreement.read(settings) == FINISHED.strip()


def test_the_draft_says_what_is_known_and_asks_the_rest(settings: config.Settings) -> None:
    """Each of its subjects is there, every open point has words, and none is decided by us."""
    text = agreement.draft(settings)
    for subject in (
        "What this is",
        "Ages",
        "Calling for help, and reporting",
        "Who runs the server",
        "What stays between us, and where that ends",
        "Anger",
        "Intoxication",
        "Stewards",
    ):
        assert f"\n## {subject}\n" in text
    assert settings.community_section.limits in text
    assert settings.community_section.name in text
    points = list(agreement.open_points(text))
    assert len(points) > 8
    lines = text.splitlines()
    for number, point in points:
        assert lines[number - 1] == f"{agreement.MARK} {point}"
        assert point.endswith(("?", "."))
    settings.agreement_file.write_text(text, "utf-8")
    problems = fails(settings).problems
    for (number, point), problem in zip(points, problems, strict=True):
        assert f"line {number}, is" in problem.problem
        assert point in problem.problem


@pytest.mark.parametrize(
    "line",
    ["TO FILL: ages?", "- [ ] ages?", "* TO FILL: ages?", "[ ] ages?", "> to fill: ages?", "3. [ ] ages?"],
)
def test_a_point_is_open_in_any_list(line: str) -> None:
    """However the line begins in Markdown."""
    assert list(agreement.open_points(f"# A\n\n{line}\n")) == [(3, "ages?")]


@pytest.mark.parametrize("line", ["- [x] ages: adults", "We are to fill in for one another.", "[a](b)"])
def test_what_is_decided_is_not_open(line: str) -> None:
    """A ticked box, plain words and a link are no points."""
    assert not list(agreement.open_points(line))


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe", b"a" * 20_001])
def test_what_cannot_be_read_out_is_refused(settings: config.Settings, content: bytes | None) -> None:
    """No file, nothing in it, no text, or more than members can read."""
    settings.agreement_file.unlink()
    if content is not None:
        settings.agreement_file.write_bytes(content)
    (problem,) = fails(settings).problems
    assert problem.fix.endswith(".")


@pytest.mark.parametrize("command", ["run", "check-config"])
def test_nothing_starts_while_a_point_is_open(settings: config.Settings, command: str) -> None:
    """Both name the file, the line and the point, and end with 2."""
    settings.agreement_file.write_text("# Ours\n\nTO FILL: Who is this for?\n", "utf-8")
    place = settings.agreement_file.with_name("alongside.toml")
    result = CliRunner().invoke(cli.program, [command, "--config", str(place)])
    assert result.exit_code == 2
    said = " ".join(result.stderr.split())
    assert "line 3, is still to be filled in: Who is this for?" in said


def test_another_file_can_be_named(tmp_path: Path) -> None:
    """Beside the configuration, or anywhere."""
    (tmp_path / "ours.md").write_text("We agreed.", "utf-8")
    place = write(tmp_path / "alongside.toml", {"community.agreement": "ours.md"})
    assert agreement.read(config.load(place, {})) == "We agreed."
