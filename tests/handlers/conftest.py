"""What the stories share."""

import pytest

from tests.handlers.story import Story


@pytest.fixture
def story() -> Story:
    """A community's service at four in the afternoon, and nobody there yet."""
    return Story()
