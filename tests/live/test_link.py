"""Two communities on two homeservers that federate over TLS: their stewards link them, and one cuts it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.live.homeserver import Homeserver
from tests.live.links import Side, link, says_yes, two_sides

pytestmark = [pytest.mark.live, pytest.mark.slow]


@pytest.fixture
async def sides(federation: list[Homeserver], tmp_path: Path) -> AsyncIterator[tuple[Side, Side]]:
    """On each homeserver a service that runs, and its one steward in the steward room."""
    async with two_sides(federation, tmp_path) as both:
        yield both


async def test_two_communities_link_over_federation_and_one_cuts_it(
    sides: tuple[Side, Side],
) -> None:
    """Using only what the service says: who asks, in which words, six words, other terms, and the end."""
    (sam, _), (tess, south) = sides
    await link(sides)
    await sam.writes("terms")
    await sam.hears("link.terms")
    await sam.writes("1")
    await sam.hears("link.set_which")
    await sam.writes("1")
    await sam.hears("link.set_topics")
    await sam.writes("grief")
    await says_yes(sam, "link.terms_recap")
    await sam.hears("link.terms_set")
    changed = await tess.hears("link.new_terms")
    assert "Topics: burnout and grief" in changed.body
    assert "Topics: grief\n" in changed.body
    # One of them starts again: what stands, stands.
    await south.restart()
    await tess.writes("terms")
    shown = await tess.hears("link.terms")
    assert "Topics: grief\n" in shown.body
    await tess.writes("2")
    await tess.hears("steward.kept")
    await tess.writes("cut")
    await says_yes(tess, "link.cut_recap")
    await tess.hears("link.cut")
    await sam.hears("link.cut_there")
    for steward in (sam, tess):
        await steward.writes("links")
        await steward.hears("link.none")
