"""What keeps two from being buddies any more: one had the other kept apart, or is of another age group now.

Guards: it ends as any end does, so that nobody learns by it who was kept apart, in which group the other is,
or whether they are here.
"""

from handlers import apart, buddy
from handlers.desk import Desk
from schema.ids import MemberId
from schema.records import Buddy, Member
from schema.states import BuddyState
from service.core import buddies


async def part(desk: Desk, member: MemberId) -> None:
    """The member had somebody kept apart: what is between the two ends as if the member had ended it."""
    kept_apart = await apart.asked_for(desk, member)
    own = await buddy.of(desk, member)
    if own is not None and own.other in kept_apart:
        ended, _ = buddies.advance(own, buddies.End(), desk.now)
        await buddy.take_question(desk, own)
        if ended.state is BuddyState.OVER:
            await desk.records.delete(Buddy, own.id)
        else:
            await desk.records.put(ended)
    for record in await desk.records.about(Buddy, member):
        if record.member in kept_apart and record.agreed_at is not None:
            await buddy.lose(desk, record)
        elif record.member in kept_apart:
            await buddy.take_question(desk, record)


async def stands(desk: Desk, member: Member) -> bool:
    """Whether the member has a buddy, asks for one, or is one."""
    return await buddy.of(desk, member.id) is not None or bool(await buddy.whose(desk, member.id))


async def regroup(desk: Desk, member: Member, *, behind: bool = False) -> None:
    """The member said their age group: what is between them and a buddy in another one ends.

    A community may have been for one group when they agreed, and be for both now. Whatever the other says
    meanwhile, nobody learns it by this: whoever named the member reads what they read at any end of their
    buddy's, and the member's own buddy hears of it only if the member then says so, which is asked `behind`
    what is open or at once.
    """
    for record in await buddy.whose(desk, member.id):
        if record.age_group != member.age_group:
            await buddy.leave(desk, member, record)
    own = await buddy.of(desk, member.id)
    if own is not None and own.age_group != member.age_group:
        desk.say(member.id, "buddy.other_group")
        await buddy.end(desk, member, own, behind=behind)
