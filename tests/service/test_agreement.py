"""The agreement: its draft has open points, and nothing starts while one is left."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from handlers.words import Catalogue
from schema.errors import ConfigurationErrors
from service import cli, config, installation
from service.config import agreement
from service.doctor import examine
from tests.live.agreement import FINISHED
from tests.service.test_config import write


@pytest.fixture
def settings(tmp_path: Path) -> config.Settings:
    """A whole configuration, with a finished agreement beside it."""
    return config.load(write(tmp_path / "alongside.toml"), {})


def fails(settings: config.Settings, *others: Path) -> ConfigurationErrors:
    """What is said of an agreement that is not finished; each names the key and the variable."""
    with pytest.raises(ConfigurationErrors) as caught:
        agreement.read(settings)
    for problem in caught.value.problems:
        assert any(str(file) in problem.problem for file in (settings.agreement_file, *others))
        assert (problem.key, problem.variable) == ("community.agreement", "ALONGSIDE_COMMUNITY__AGREEMENT")
        assert problem.fix
    return caught.value


def test_a_finished_one_is_read(settings: config.Settings) -> None:
    """As it was written, without the space around it."""
    assert agreement.read(settings) == {"en": FINISHED.strip()}


SUBJECTS = {
    "en": (
        "What this is",
        "Ages",
        "Calling for help, and reporting",
        "Who runs the server",
        "What stays between us, and where that ends",
        "Anger",
        "Intoxication",
        "Stewards",
    ),
    "es": (
        "Qué es esto",
        "Edades",
        "Llamar a alguien, y dar parte",
        "Quién administra el servidor",
        "Qué queda entre las dos personas, y dónde termina eso",
        "Enojo",
        "Alcohol y otras sustancias",
        "Responsables",
    ),
}


def test_each_language_that_is_spoken_has_a_draft_with_as_many_points() -> None:
    """A new catalogue brings its draft; no language is asked less than another."""
    assert agreement.drafts().keys() == set(Catalogue().languages)
    counts = {len(list(agreement.open_points(one.text))) for one in agreement.drafts().values()}
    assert counts == {11}
    assert {tuple(sorted(one.ages)) for one in agreement.drafts().values()} == {("adults", "both", "young")}


@pytest.mark.parametrize("language", SUBJECTS)
def test_the_draft_says_what_is_known_and_asks_the_rest(settings: config.Settings, language: str) -> None:
    """Each of its subjects is there, every open point has words, and none is decided by us."""
    text = agreement.draft(settings, language)
    assert text
    for subject in SUBJECTS[language]:
        assert f"\n## {subject}\n" in text
    assert settings.community_section.limits in text
    assert settings.community_section.name in text
    points = list(agreement.open_points(text))
    lines = text.splitlines()
    for number, point in points:
        assert lines[number - 1] == f"{agreement.drafts()[language].mark} {point}"
        assert point.endswith(("?", "."))
    settings.agreement_file.write_text(text, "utf-8")
    problems = fails(settings).problems
    for (number, point), problem in zip(points, problems, strict=True):
        assert f"line {number}, is" in problem.problem
        assert point in problem.problem


@pytest.mark.parametrize(
    "line",
    [
        "POR DECIDIR: ages?",
        "TO FILL: ages?",
        "- [ ] ages?",
        "* TO FILL: ages?",
        "[ ] ages?",
        "> to fill: ages?",
        "3. [ ] ages?",
    ],
)
def test_a_point_is_open_in_any_list(line: str) -> None:
    """However the line begins in Markdown."""
    assert list(agreement.open_points(f"# A\n\n{line}\n")) == [(3, "ages?")]


@pytest.mark.parametrize("line", ["- [x] ages: adults", "We are to fill in for one another.", "[a](b)"])
def test_what_is_decided_is_not_open(line: str) -> None:
    """A ticked box, plain words and a link are no points."""
    assert not list(agreement.open_points(line))


@pytest.mark.parametrize("language", SUBJECTS)
def test_a_draft_without_its_marks_is_not_an_answer(settings: config.Settings, language: str) -> None:
    """Taking the mark away leaves the question open, until an answer stands in its place or below it."""
    text = agreement.draft(settings, language) or ""
    points = list(agreement.open_points(text))
    bare = text.replace(f"{agreement.drafts()[language].mark} ", "")
    assert list(agreement.open_points(bare)) == points
    as_item = bare.replace(points[0][1], f"- **{points[0][1]}**")
    assert [number for number, _ in agreement.open_points(as_item)] == [number for number, _ in points]
    answered = bare
    for number, (_, point) in enumerate(points):
        answered = answered.replace(point, f"{point} We do." if number % 2 else f"{point}\n\nWe do.")
    assert not list(agreement.open_points(answered))


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe", b"a" * 20_001])
def test_what_cannot_be_read_out_is_refused(settings: config.Settings, content: bytes | None) -> None:
    """No file, nothing in it, no text, or more than members can read."""
    settings.agreement_file.unlink()
    if content is not None:
        settings.agreement_file.write_bytes(content)
    (problem,) = fails(settings).problems
    assert problem.fix.endswith(".")


def test_each_language_has_its_own(tmp_path: Path) -> None:
    """Beside the first; where it has none members read the first one; what nobody can choose is not read."""
    place = write(tmp_path / "alongside.toml", {"community.languages": ["es", "en"]})
    (tmp_path / "agreement.md").write_text("Acordamos.", "utf-8")
    (tmp_path / "agreement.fr.md").write_text("TO FILL: everything?", "utf-8")
    assert agreement.read(config.load(place, {})) == {"es": "Acordamos."}
    (tmp_path / "agreement.en.md").write_text("We agreed.", "utf-8")
    settings = config.load(place, {})
    agreed = agreement.read(settings)
    assert agreed == {"es": "Acordamos.", "en": "We agreed."}
    community = settings.community(agreed)
    assert community.agreement == "Acordamos."
    assert {language: words.agreement for language, words in community.own_words.items()} == {
        "en": "We agreed."
    }


def test_an_open_point_in_any_language_is_named(settings: config.Settings) -> None:
    """Beside those of the first, and that the file need not be there."""
    other = settings.agreement_file.with_name("agreement.es.md")
    settings.agreement_file.write_text("TO FILL: Who?", "utf-8")
    other.write_text("POR DECIDIR: ¿Quién?", "utf-8")
    problems = fails(settings, other).problems
    assert [point.problem.partition("filled in: ")[2] for point in problems] == ["Who?", "¿Quién?"]
    assert f"Or remove {other}" in problems[1].fix
    assert "remove" not in problems[0].fix
    for content in (b"", b"\xff"):
        other.write_bytes(content)
        assert f"Or remove {other}" in fails(settings, other).problems[1].fix


@pytest.mark.parametrize(("language", "begins"), [("en", "This is a draft"), ("es", "Esto es un borrador")])
async def test_one_that_still_says_that_it_is_a_draft_is_something_to_look_at(
    settings: config.Settings, language: str, begins: str
) -> None:
    """Every point is filled in, so the service starts; `check-config` and `doctor` name the line."""
    drafted = agreement.draft(settings, language)
    assert drafted is not None
    filled = drafted
    for mark in ("TO FILL:", "POR DECIDIR:"):
        filled = filled.replace(f"{mark}", "We decided: nothing of")
    settings.agreement_file.write_text(filled, "utf-8")
    line = agreement.preface(agreement.read(settings)["en"])
    assert line.startswith(begins)
    (said,) = agreement.still_drafts(settings)
    assert f"{settings.agreement_file}, line 3" in said
    checked = CliRunner().invoke(
        cli.program, ["check-config", "-c", str(settings.agreement_file.with_name("alongside.toml"))]
    )
    assert checked.exit_code == 0
    assert "line 3, still says" in " ".join(checked.stderr.split())
    found = {one.name: one async for one in examine(settings)}
    assert (found["agreement"].state, found["agreement"].says) == ("look", said)
    settings.agreement_file.write_text(filled.replace(line, ""), "utf-8")
    assert not list(agreement.still_drafts(settings))
    settings.agreement_file.write_text(drafted, "utf-8")
    found = {one.name: one async for one in examine(settings)}
    assert found["agreement"].state == "fail"
    assert "more, which `alongside check-config` names" in found["agreement"].says


class Telling:
    """Hears what was done."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, line: str) -> None:
        """Keep it."""
        self.told.append(line)


@pytest.mark.parametrize(
    ("languages", "names"),
    [
        (None, ["agreement.es.md", "agreement.md"]),
        (["es"], ["agreement.md"]),
        (["es", "en"], ["agreement.en.md", "agreement.md"]),
        (["en", "de"], ["agreement.md"]),
        (["de"], ["agreement.md"]),
    ],
)
def test_init_drafts_it_in_the_communitys_languages(
    tmp_path: Path, languages: list[str] | None, names: list[str]
) -> None:
    """Each once: a crash in the middle loses none, and one that was removed stays so."""
    place = write(tmp_path / "alongside.toml", {"community.languages": languages})
    (tmp_path / "agreement.md").unlink()
    settings, telling = config.load(place, {}), Telling()

    def drafted() -> list[str]:
        return sorted(file.name for file in tmp_path.glob("agreement*"))

    installation.draft_agreement(settings, telling.tell)
    assert drafted() == names
    assert len(telling.told) == len(names)
    first = "# Lo que acordamos" if languages and languages[0] == "es" else "# What we agreed"
    assert (tmp_path / "agreement.md").read_text("utf-8").startswith(first)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    installation.draft_agreement(settings, telling.tell)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before
    (tmp_path / "agreement.md").unlink()
    installation.draft_agreement(settings, telling.tell)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before
    for name in names[:-1]:
        (tmp_path / name).unlink()
    installation.draft_agreement(settings, telling.tell)
    assert drafted() == ["agreement.md"]


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
    assert agreement.read(config.load(place, {})) == {"en": "We agreed."}
