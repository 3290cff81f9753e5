"""The language a member is spoken to in: chosen by name, kept, shown, and theirs whoever's turn it is."""

from dataclasses import replace
from datetime import timedelta

import pytest

from schema.community import OwnWords, PlaceTexts
from schema.effects import AnswerPlainRoom, SendText
from schema.events import PlainMessage
from schema.ids import EventId, RoomId
from schema.records import Member, Offer
from schema.states import Belongs
from tests.handlers.story import COMMUNITY, Story, community

ONE = replace(COMMUNITY, languages=("en",))
SPANISH_FIRST = community("es")


async def test_the_menu_names_the_other_languages_in_their_own_words(story: Story) -> None:
    """Chosen by number, the language is confirmed in itself, and the menu comes again in it."""
    await story.comes("ana")
    assert "6. Another language: Español" in story.last("ana")
    asked = await story.say("ana", "6")
    assert "Now it is English." in asked
    assert asked.endswith("1. English\n2. Español")
    said = await story.say("ana", "2")
    assert said.startswith("Idioma: Español. A partir de ahora te escribo así.")
    assert "1. Hablar con alguien" in said
    assert "6. Otro idioma: English" in said
    assert story.member("ana").language == "es"


@pytest.mark.parametrize("name", ["español", "ESPAÑOL.", "hablo espanol", "in Spanish", "en castellano"])
async def test_a_language_is_chosen_by_its_name_from_the_first_message_on(story: Story, name: str) -> None:
    """Whoever reads no English has a line of their own in the greeting; case and accents do not matter."""
    await story.comes("ana")
    assert "Español: escribe “español”." in story.last("ana")
    assert (await story.say("ana", name)).startswith("Idioma: Español. A partir de ahora te escribo así.")
    said = await story.say("eva", name)
    assert said.startswith("Idioma: Español. A partir de ahora te escribo así.")
    assert "Hola. Soy un programa de the Elm House." in said
    assert "English: write “english”." in said
    assert story.member("eva").language == "es"


async def test_the_open_question_comes_again_in_the_chosen_language(story: Story) -> None:
    """Also where own words are asked for: a language's name is no note."""
    await story.comes("ana")
    await story.says("ana", "talk", "more", "2", "1", "2")
    assert "Would you like to add a few words?" in story.last("ana")
    said = await story.say("ana", "español")
    assert "¿Quieres añadir unas palabras?" in said
    assert "Esto es lo que pediría" in await story.say("ana", "Ha sido una semana larga.")
    assert "What would help: someone who has been through it too." in await story.say("ana", "english")


async def test_a_language_is_never_inferred(story: Story) -> None:
    """Spanish words are no choice of Spanish."""
    await story.comes("ana")
    assert "I am a program" in await story.say("ana", "Hola, quiero hablar con alguien")
    assert "I am a program" in await story.say("ana", "hablar")
    assert story.member("ana").language == "en"


HINT = "Español: escribe “español”."


@pytest.mark.parametrize(
    "words", ["Hola, quiero hablar con alguien", "hablar", "xyzzy", "I can't stop crying"]
)
async def test_whoever_writes_what_fits_nothing_is_told_once_how_to_choose_a_language(
    story: Story, words: str
) -> None:
    """Beside the one answer, whatever it was; not at every message; and nothing is chosen."""
    await story.comes("ana")
    assert HINT in await story.say("ana", words)
    assert story.member("ana").language == "en"
    assert HINT not in await story.say("ana", words)
    await story.wait(timedelta(weeks=5))
    assert HINT in await story.say("ana", words)


async def test_the_way_to_a_language_stands_beside_the_question_that_is_open(story: Story) -> None:
    """Where words were no answer to it; the question is as it was. Own words that are kept are not judged."""
    await story.comes("ben")
    await story.says("ben", "talk", "more", "1", "1", "2")
    assert HINT not in await story.say("ben", "Ha sido una semana larga.")
    await story.comes("ana")
    await story.say("ana", "talk")
    assert HINT in await story.say("ana", "no entiendo qué es esto")
    assert "Esto es lo que pediría:" in await story.say("ana", "español")


@pytest.mark.parametrize("words", ["1", "talk", "help now"])
async def test_what_is_understood_is_answered_without_it(story: Story, words: str) -> None:
    """A command, and a number where there are choices."""
    await story.comes("ana")
    assert HINT not in await story.say("ana", words)


async def test_two_hear_their_own_language_whoever_writes(story: Story) -> None:
    """A question, a note, a consent and the room: each reads them in their language in the other's turn."""
    await story.comes("ben")
    await story.offers("ben")
    await story.say("ana", "español")
    await story.says("ana", "hablar", "más", "1", "1", "2", "No puedo dormir.", "sí")
    assert "Someone asks for company. What would help them: listening." in story.last("ben")
    await story.says("ben", "yes", "go on")
    assert "Alguien ha dicho que sí, hasta 1 hora, por escrito." in story.last("ana")
    assert "dentro de 2 horas" in story.last("ana")
    await story.say("ana", "sí")
    assert "You both said yes." in story.last("ben")
    assert "Las dos personas han dicho que sí." in story.last("ana")
    await story.say("ben", "close")
    assert "La sala está cerrada." in story.last("ana")


@pytest.mark.parametrize(
    ("typed", "heard"),
    [
        (("menú",), "¿Qué te gustaría hacer?"),
        (("menu",), "¿Qué te gustaría hacer?"),
        (("ayuda ahora",), "Línea nocturna"),
        (("help now",), "Línea nocturna"),
        (("hablar", "atras"), "Antes de esa no había ninguna pregunta, así que esto ha terminado."),
        (("hablar", "parar"), "Lo he terminado."),
        (("talk", "stop"), "Lo he terminado."),
        (("hablar", "si"), "Ahora mismo no hay nadie a quien preguntar."),
        (("hablar", "YES"), "Ahora mismo no hay nadie a quien preguntar."),
        (("¿Qué guardas de mí?",), "Esto es lo que guardo sobre ti ahora"),
        (("what do you hold",), "Esto es lo que guardo sobre ti ahora"),
        (("hablar escuchar agotamiento 2 horas",), "Sobre: agotamiento.\nPor escrito, hasta 2 horas."),
        (("talk listening agotamiento 2h",), "Sobre: agotamiento.\nPor escrito, hasta 2 horas."),
        (("hablar media hora por voz",), "o por voz si las dos personas quieren, hasta 30 minutos."),
        (("evitar @ben:example.org",), "Evitaría que tú y @ben:example.org coincidan."),
    ],
)
async def test_what_is_typed_is_understood_in_the_members_language_and_in_english(
    typed: tuple[str, ...], heard: str
) -> None:
    """Commands, choices and the one line, with accents and without."""
    story = Story(community=SPANISH_FIRST)
    await story.comes("ana")
    assert heard in await story.says("ana", *typed)


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        (
            "laborables 18-21, sábado domingo 10:00-16:00",
            ("lunes a viernes, 18:00 a 21:00", "sábado y domingo"),
        ),
        ("de lunes a viernes de 18 a 21", ("lunes a viernes, 18:00 a 21:00",)),
        ("entre semana de 6 a 9 de la tarde", ("lunes a viernes, 18:00 a 21:00",)),
        ("fin de semana 10-16", ("sábado y domingo, 10:00 a 16:00",)),
        ("miercoles 20-22", ("miércoles, 20:00 a 22:00",)),
        ("weekdays 18-21", ("lunes a viernes, 18:00 a 21:00",)),
    ],
)
async def test_hours_are_read_and_said_in_the_members_language(hours: str, said: tuple[str, ...]) -> None:
    """Weekdays by CLDR, other words by the catalogue; English does too."""
    story = Story(community=SPANISH_FIRST)
    await story.comes("ben")
    recap = await story.says("ben", "ofrecer", "5", "1", "Nueva York", hours, "saltar", "saltar", "saltar")
    for part in said:
        assert part in recap
    await story.say("ben", "sí")
    (offer,) = story.records.all(Offer)
    assert offer.zone == "America/New_York"
    assert "No te pregunto nada hasta: lunes, 30 de noviembre" in await story.say(
        "ben", "descansar hasta el lunes"
    )
    assert "2 semanas" in await story.say("ben", "descansar 2 semanas")


async def test_the_language_is_shown_and_goes_with_everything_else(story: Story) -> None:
    """`what do you hold` names it; after `forget me` the community's own is spoken again."""
    await story.comes("ana")
    await story.say("ana", "español")
    assert "el idioma que uso contigo (Español)" in await story.say("ana", "qué guardas de mí")
    assert "Hecho." in await story.says("ana", "olvídame", "sí")
    assert not story.records.all(Member)
    assert (await story.say("ana", "hello")).startswith("Hello. I am a program")


async def test_a_language_that_is_not_offered_any_more_gives_way_to_the_communitys(story: Story) -> None:
    """A member who chose it is spoken to in the first that is."""
    await story.comes("ana")
    await story.say("ana", "español")
    story.community = ONE
    assert (await story.say("ana", "atrás")).startswith("Thank you for writing. I am a program")
    assert "What would you like?" in await story.say("ana", "menu")


async def test_where_one_language_is_offered_nothing_is_said_of_others() -> None:
    """No entry, no hint; another's name means nothing."""
    story = Story(community=ONE)
    await story.comes("ana")
    assert "anguage" not in story.last("ana")
    assert "spañol" not in story.last("ana")
    assert "I am a program" in await story.say("ana", "español")


OWN = replace(
    COMMUNITY,
    own_words={
        "es": OwnWords(
            name="la Casa del Olmo",
            limits="Somos gente del barrio.",
            who_runs="Casa del Olmo, una asociación",
            topics={"burnout": ("agotamiento", "fue demasiado"), "grief": ("duelo", "")},
        )
    },
)


async def test_the_communitys_own_words_are_read_in_the_members_language() -> None:
    """Two who share a topic read it each in their words; what the community did not write there stays."""
    story = Story(community=OWN)
    await story.comes("ben")
    await story.says("ben", "offer", "1", "1", "skip", "4", "yes")
    await story.say("ana", "español")
    assert "Soy un programa de la Casa del Olmo." in story.last("ana")
    assert "Somos gente del barrio." in story.last("ana")
    choices = await story.says("ana", "hablar", "más", "1")
    assert choices.endswith("1. agotamiento: fue demasiado\n2. duelo\n3. thoughts of suicide")
    await story.say("ana", "parar")
    assert "Sobre: agotamiento." in await story.say("ana", "hablar agotamiento 1h")
    await story.say("ana", "parar")
    assert "Sobre: agotamiento." in await story.say("ana", "hablar burnout 1h")
    await story.say("ana", "sí")
    assert story.the_request().topics == ("burnout",)
    assert "About: burnout." in story.last("ben")
    assert "Sobre: agotamiento." in await story.say("ana", "qué guardas de mí")
    await story.says("ben", "yes", "go on")
    assert "(Casa del Olmo, una asociación)" in story.last("ana")


async def test_what_two_who_ask_are_looking_for_is_read_by_each_in_their_language() -> None:
    """A topic is called to each as it is called in their words, whoever of the two named it."""
    story = Story(community=OWN)
    await story.says("eva", "español", "hablar compañía mutua agotamiento", "sí")
    await story.says("ana", "talk one another", "yes")
    said = await story.say("eva", "sí")
    assert "Sobre: agotamiento." in said, "what the other would read of her"
    await story.say("eva", "seguir")
    assert "About: burnout." in story.last("ana")
    other = Story(community=OWN)
    await other.says("ana", "talk one another burnout", "yes")
    await other.says("eva", "español", "hablar compañía mutua", "sí")
    await other.says("ana", "yes", "go on")
    assert "Sobre: agotamiento." in other.last("eva")


NIGHT = replace(
    COMMUNITY.places[0],
    texts={"es": PlaceTexts("Línea nocturna", hours="de 20 a 6", languages="alemán, inglés")},
)


async def test_the_places_of_help_are_read_in_the_members_language() -> None:
    """Wherever they are shown; what the community did not write there stays as it is in its first."""
    night = "Línea nocturna: 0800 000 000\nHorario: de 20 a 6. Idiomas: alemán, inglés."
    community = replace(COMMUNITY, places=(NIGHT, replace(COMMUNITY.places[1], ages="young")))
    story = Story(community=community)
    await story.comes("ana")
    assert "Night line: 0800 000 000\nOpen: 20 to 6." in await story.say("ana", "help now")
    await story.say("ana", "español")
    said = await story.say("ana", "ayuda ahora")
    assert night in said
    assert "Clinic: 030 000 000\nHorario: always." in said
    story.community = replace(community, opens="enough")
    assert night in await story.say("ana", "hablar")
    story.community = replace(community, places=(replace(NIGHT, ages="young"),))
    assert "son para ti: Línea nocturna." in await story.say("ana", "hablar escuchar 1h")


async def test_a_stranger_reads_the_places_in_every_language() -> None:
    """Nobody knows which one is theirs: each has its answer and its places after it."""
    story = Story(community=replace(COMMUNITY, members="room", places=(NIGHT,)))
    said = await story.say("eva", "hello", belongs=Belongs.OUTSIDE)
    order = ("I am a program", "Night line: 0800", "Soy un programa", "Línea nocturna: 0800")
    assert sorted(order, key=said.index) == list(order)


async def test_the_day_a_place_was_checked_is_said_as_the_language_says_it() -> None:
    """What the configuration has as 2026-11-01; what the community put in other words stays."""
    story = Story(
        community=replace(COMMUNITY, places=(replace(COMMUNITY.places[0], checked_on="2026-11-01"),))
    )
    await story.comes("ana")
    assert "Last checked: 1 November 2026." in await story.say("ana", "help now")
    await story.say("ana", "español")
    assert "Última comprobación: 1 de noviembre de 2026." in await story.say("ana", "ayuda ahora")
    story.community = COMMUNITY
    assert "Última comprobación: 1 November 2026." in await story.say("ana", "ayuda ahora")


async def test_an_unencrypted_chat_gets_the_same_words_in_every_language(story: Story) -> None:
    """Nothing of what a member chose is said where the server can read it."""
    event = PlainMessage(EventId("$1"), RoomId("!plain"), story.address("ana"))
    answers: list[AnswerPlainRoom] = []
    await story.comes("ana")
    for name in ("english", "español"):
        await story.say("ana", name, after=3600)
        answers += [effect for effect in await story.event(event) if isinstance(effect, AnswerPlainRoom)]
    assert answers[0].body == answers[1].body
    assert answers[0].body.split("\n") == [
        "I only answer in encrypted chats. Please write to me in the encrypted chat that we two have.",
        "Solo respondo en chats cifrados. Escríbeme en el chat cifrado que ya tenemos, por favor.",
    ]


async def test_whoever_may_not_write_is_told_so_in_every_language() -> None:
    """Nothing is kept of them, so that they cannot choose."""
    story = Story(community=replace(COMMUNITY, members="room"))
    await story.say("eva", "hola", belongs=Belongs.OUTSIDE)
    (said,) = [effect.body for _, effect in story.effects if isinstance(effect, SendText)]
    assert "I am a program for people of the Elm House" in said
    assert "Soy un programa para la gente de the Elm House" in said
    assert said.count("Night line") == 2
    assert not story.records.all(Member)


async def test_a_language_named_after_words_that_fit_nothing_brings_the_menu(story: Story) -> None:
    """Not once more that nobody has read it: this was read."""
    await story.comes("ana")
    await story.say("ana", "hola que tal amiga")
    said = await story.say("ana", "español")
    assert "Soy un programa" not in said
    assert "1. " in said
