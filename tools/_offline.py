"""Run a program with the network off: ``python tools/_offline.py PROGRAM ARGUMENT...``.

On Linux it gets a network of its own, which has this machine's loopback interface and nothing
else; whatever it starts is in there too. Where the kernel refuses that, and on a Mac, Python's
sockets are guarded instead, which is weaker. The first line on standard error says which it is.
"""

import ctypes
import errno
import fcntl
import os
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

GUARD = Path(__file__).resolve().parent / "_offline_guard"
NAMESPACE = "network off: the processes have a network of their own, with nothing in it"
# From linux/sched.h, bits/ioctls.h and net/if.h.
_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
_SET_FLAGS, _UP_AND_RUNNING = 0x8914, 0x1 | 0x40
_NOWHERE = "http://127.0.0.1:9"


def main(command: Sequence[str]) -> None:
    """Switch the network off and become the program."""
    variables = {
        name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
    }
    try:
        if os.environ.get("OFFLINE_GUARD_ONLY"):
            raise OSError("OFFLINE_GUARD_ONLY is set")
        rehearse(leave_the_network)
        leave_the_network()
        how = NAMESPACE
    except (OSError, AttributeError) as error:
        how = f"network off: Python's sockets are guarded, because there is no better ({error})"
        variables |= guarded(variables)
    print(how, file=sys.stderr, flush=True)
    os.execvpe(command[0], list(command), variables)


def rehearse(step: Callable[[], None]) -> None:
    """Take a step in a process that ends with it: halfway out of the network is no way back.

    Raises
    ------
    OSError
        When it fails there.
    """
    child = os.fork()
    if child == 0:
        try:
            step()
        except (OSError, AttributeError) as error:
            os._exit(getattr(error, "errno", None) or errno.ENOSYS)
        os._exit(0)
    number = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if number != 0:
        raise OSError(number, os.strerror(number))


def leave_the_network() -> None:
    """Move this process into a new network and switch on the loopback interface there.

    Raises
    ------
    OSError, AttributeError
        When the kernel does not allow it, or is not Linux.
    """
    user, group = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    # A new user namespace first, in which one may make a network without being root.
    if libc.unshare(_NEW_USER | _NEW_NET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", _UP_AND_RUNNING)
        fcntl.ioctl(any_socket, _SET_FLAGS, request)


def guarded(variables: dict[str, str]) -> dict[str, str]:
    """Return the variables that guard Python, and lead everybody else's HTTP nowhere.

    Jobs of the local SageMaker do not inherit PYTHONPATH, but they do inherit proxies and HF_*.
    """
    path = os.pathsep.join(filter(None, [str(GUARD), variables.get("PYTHONPATH")]))
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), _NOWHERE)
    return proxies | {
        "PYTHONPATH": path,
        "no_proxy": "127.0.0.1,localhost",
        "HF_HUB_OFFLINE": "1",
    }


if __name__ == "__main__":
    main(sys.argv[1:])
