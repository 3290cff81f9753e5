"""What the community agreed, read out in the chat as its people wrote it.

Guards: not a word of it is ours, and that is said.
"""

from handlers.desk import Desk
from schema.records import Member


async def start(desk: Desk, member: Member) -> None:
    """Say it whole; the question that is open stays so."""
    community = desk.community_of(member)
    key = "about.intro" if community.agreement else "about.none"
    desk.say(member.id, key, notice=False, community=community.name)
    if desk.now_is(member.id).prompt is not None:
        desk.look_away(member.id)
    if community.agreement:
        desk.say_text(member.id, community.agreement)
    if desk.now_is(member.id).prompt is not None:
        desk.say(member.id, "places.back")
