"""What every test shares: the real servers and members, and how long hypothesis looks.

By default hypothesis looks as long as in every check, with `long` as in `./alongside check --all`.
"""

from hypothesis import settings

pytest_plugins = ("tests.live.fixtures", "tests.journeys.fixtures")

# No deadline for one example: on a busy machine it says how busy the machine is, and nothing of the code.
settings.register_profile("check", max_examples=100, deadline=None)
settings.register_profile("long", max_examples=5000, deadline=None)
settings.load_profile("check")
