"""Python imports this by itself where its folder is on the path: no socket leaves this machine.

It holds what is written in Python only. It must not need anything but the standard library.
"""

import errno
import ipaddress
import socket
from typing import Any


def _guarded(name: str) -> Any:
    original = getattr(socket.socket, name)

    def guard(self: socket.socket, *arguments: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_here(arguments[-1][0]):
            words = f"the network is off: no connection to {arguments[-1]}"
            raise OSError(errno.ENETUNREACH, words)
        return original(self, *arguments)

    return guard


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


for _name in ("connect", "connect_ex", "sendto"):
    setattr(socket.socket, _name, _guarded(_name))
