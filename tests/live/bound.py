"""Run a command that cannot outlive the process that started it.

Rules guarded here:
- A server or client that a test starts ends with the test, even if the test process is killed.
- No `preexec_fn`: it forks Python in a process that may have threads, which warns and can deadlock.
  Instead this file is itself the first program of the child: it binds itself and then becomes the command.

As a script: `bound.py PARENT SIGNAL USER COMMAND...`, where USER may be empty. On Linux the kernel sends
SIGNAL to the command when its parent ends (prctl(2), PR_SET_PDEATHSIG); elsewhere the command runs unbound.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def bound(command: Sequence[str], *, end: signal.Signals = signal.SIGKILL, user: str = "") -> list[str]:
    """Return the command line that runs `command` bound to this process.

    `end` is the signal that the command gets when this process ends; `user` is the system account to run
    it as, which only root can ask for. Start the result from a thread that lives as long as the command is
    needed: the kernel looks at the starting thread, not at the whole process.
    """
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(end)), user, *command]


def _become(parent: int, end: int, user: str, command: list[str]) -> None:
    if user:
        import pwd

        account = pwd.getpwnam(user)
        os.initgroups(user, account.pw_gid)
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
        os.environ["HOME"] = account.pw_dir
    # The change of user above clears the setting, so it comes first.
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, end, 0, 0, 0)
        if os.getppid() != parent:
            # The parent ended before the setting took hold, so that no signal would ever come.
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 (becoming the command, with no shell between, is the point)


if __name__ == "__main__":
    _become(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
