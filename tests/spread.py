"""Which process of a check plays what: a file's tests together, and what waits beside what computes.

Rules guarded here:
- A file's tests share the servers that the first of them starts, so that they stay in one process.
- Tests with real servers wait for most of their time. The first process takes what only computes as long as
  there is any, and the others what waits: else all would wait at first, and in the end all compute at once.
"""

import pytest
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]  # It ships no types.
from xdist.workermanage import WorkerController  # type: ignore[import-untyped]  # The same.

_ALONE = ("tests/faults/test_crashes.py::",)
"""Where each test takes minutes and has servers of its own: there they are spread one by one."""
_WITH_SERVERS = ("tests/faults/", "tests/interop/", "tests/journeys/", "tests/live/")


class Spread(LoadFileScheduling):
    """xdist's own distribution by files, in the order of their collection, but for the rules above."""

    def _split_scope(self, nodeid: str) -> str:
        """What is given to one process as a whole: the file, or a test that is alone."""
        return nodeid if nodeid.startswith(_ALONE) else str(super()._split_scope(nodeid))

    def _assign_work_unit(self, node: WorkerController) -> None:
        """Give `node` the first that is left of its kind, or of the other where there is none."""
        waits = node is not self.nodes[0]
        of_kind = (scope for scope in self.workqueue if scope.startswith(_WITH_SERVERS) == waits)
        if (chosen := next(of_kind, None)) is not None:
            self.workqueue.move_to_end(chosen, last=False)
        super()._assign_work_unit(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Spread | None:
    """Spread the files so, where they are to be spread by files at all."""
    return Spread(config, log) if config.getvalue("dist") == "loadfile" else None
