"""Those whom the community named to read concerns: who they are, and what they are called.

Guards: whoever the configuration does not name any more reads nothing any more.
"""

from collections.abc import Iterable

from handlers.desk import Desk
from schema.community import Reader
from schema.ids import MemberId
from schema.records import Member


def id_of(desk: Desk, reader: Reader) -> MemberId:
    """The reader's id as a member."""
    return desk.turn.identify(reader.user)


def of(desk: Desk, ids: Iterable[MemberId]) -> tuple[Reader, ...]:
    """Those of `ids` who are readers by the configuration, in its order."""
    wanted = set(ids)
    return tuple(one for one in desk.community.readers if id_of(desk, one) in wanted)


def names(desk: Desk, readers: Iterable[Reader]) -> tuple[str, ...]:
    """What they are called."""
    return tuple(one.name for one in readers)


def label(desk: Desk, member: Member, reader: Reader) -> str:
    """How one is offered to choose: by name and address, whether they must report, or are no steward."""
    stewards = desk.community.stewards
    outside = bool(stewards) and reader.user not in stewards
    return desk.words(member, _LABELS[reader.must_report, outside], name=reader.name, address=reader.user)


_LABELS = {
    (False, False): "concern.reader",
    (False, True): "concern.reader_outside",
    (True, False): "concern.reader_must_report",
    (True, True): "concern.reader_outside_must_report",
}
