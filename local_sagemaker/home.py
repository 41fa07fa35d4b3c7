"""The folder in which a local SageMaker lives, and what its files say.

``port`` is chosen once and kept, ``lock`` is held by the running server and names its process,
``server.json`` tells clients of it, ``client/`` is for clients. This module must not know how a
server runs.
"""

import contextlib
import errno
import fcntl
import json
import os
import random
import socket
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from local_sagemaker.identity import Credentials
from local_sagemaker.settings import REGION, client_environment

DEFAULT_NAME = ".local_sagemaker"
_MARKER = "This folder is the state of a local SageMaker. Remove it with its `reset` command.\n"
# Below the ports that Linux (32768 and up) and macOS (49152 and up) give to outgoing connections,
# so that the kept port is not some client's when the server comes back.
_PORTS = range(20_000, 30_000)
# Others take the lock for a moment only, to see whether it is held.
_LOCK_PATIENCE = 0.5


class HomeError(Exception):
    """The home cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class ServerInfo:
    """What a running server wrote down about itself.

    Attributes
    ----------
    pid
        Its process.
    url
        Its endpoint.
    token
        Opens its own status page.
    """

    pid: int
    url: str
    token: str

    def __repr__(self) -> str:
        return f"ServerInfo(pid={self.pid}, url={self.url!r})"


class Home:
    """The folder of one local SageMaker.

    Parameters
    ----------
    path
        The folder; ``$LOCAL_SAGEMAKER_HOME`` or ``.local_sagemaker`` below the working
        directory if None.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        chosen = path or os.environ.get("LOCAL_SAGEMAKER_HOME") or DEFAULT_NAME
        self.path = Path(chosen).expanduser().absolute()
        self.log = self.path / "server.log"
        self._lock_file: int | None = None

    def prepare(self) -> None:
        """Make the folder, private to this user; `HomeError` when that is not possible."""
        with self._writing():
            if self.is_one():
                return
            foreign = self.path.exists() and any(map(_foreign, self.path.iterdir()))
            # Another process may have made it one meanwhile.
            if foreign and not self.is_one():
                raise HomeError(
                    f"{self.path} holds other files. Choose an empty or new folder with --home."
                )
            self.path.mkdir(parents=True, exist_ok=True)
            self.path.chmod(0o700)
            write_private(self.path / "README", _MARKER)

    def is_one(self) -> bool:
        """Tell whether the folder is a local SageMaker's home."""
        try:
            return (self.path / "README").read_text() == _MARKER
        except (OSError, ValueError):
            return False

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """Let one process at a time start a server; the others wait and then find it."""
        with self._writing():
            descriptor = os.open(self.path / "start.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def lock(self) -> bool:
        """Take the lock of the running server; return False when another process has it.

        The kernel drops it when the process ends, however that happens, so a stale lock does
        not exist.
        """
        with self._writing():
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + _LOCK_PATIENCE
        while not _locked(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                os.close(descriptor)
                return False
            time.sleep(0.01)
        self._lock_file = descriptor
        with self._writing():
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return True

    def unlock(self) -> None:
        """Give the lock back."""
        if self._lock_file is not None:
            os.ftruncate(self._lock_file, 0)
            os.close(self._lock_file)
            self._lock_file = None

    def running(self) -> bool:
        """Tell whether a server holds the lock."""
        try:
            descriptor = os.open(self.path / "lock", os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise HomeError(f"cannot read {self.path / 'lock'}: {error.strerror}.") from error
        try:
            return not _locked(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    def holder(self) -> int | None:
        """Return the process that holds the lock, if it has said so yet."""
        try:
            return int((self.path / "lock").read_text())
        except (OSError, ValueError):
            return None

    def listen(self, wanted: int | None = None) -> socket.socket:
        """Return a socket listening on the home's port of 127.0.0.1.

        The port is the one wanted, the one kept, or a free one, which is then kept.

        Raises
        ------
        HomeError
            When another program has taken the port.
        """
        kept = self.path / "port"
        port = wanted
        if port is None and kept.exists():
            try:
                port = int(kept.read_text())
            except (OSError, ValueError) as error:
                raise HomeError(f"{kept} does not hold a port number; remove the file.") from error
        listener = _any_listener() if port is None else _listener(port)
        chosen = listener.getsockname()[1]
        if chosen != port or wanted is not None:
            with self._writing():
                write_private(kept, f"{chosen}\n")
        return listener

    def write_server(self, info: ServerInfo) -> None:
        """Tell clients of the running server."""
        content = {"pid": info.pid, "url": info.url, "token": info.token}
        with self._writing():
            write_private(self.path / "server.json", json.dumps(content))

    def server(self) -> ServerInfo | None:
        """Return what the running server wrote, or None."""
        try:
            return ServerInfo(**json.loads((self.path / "server.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def forget_server(self) -> None:
        """Remove what a server wrote about itself."""
        path = self.path / "server.json"
        if path.exists():
            with self._writing():
                path.unlink(missing_ok=True)

    def write_credentials(self, credentials: Credentials) -> None:
        """Keep the local user's key for clients."""
        content = {
            "access_key_id": credentials.access_key_id,
            "secret_access_key": credentials.secret_access_key,
            "session_token": credentials.session_token,
        }
        with self._writing():
            (self.path / "client").mkdir(exist_ok=True)
            write_private(self.path / "client" / "credentials.json", json.dumps(content))

    def credentials(self) -> Credentials:
        """Return the local user's key."""
        path = self.path / "client" / "credentials.json"
        try:
            return Credentials(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise HomeError(
                f"{path} cannot be read ({error}). Restart the server: it writes the file anew."
            ) from error

    def environment(self, url: str) -> dict[str, str]:
        """Return the variables that point a client at the server of this home."""
        return client_environment(self.path, url, REGION, self.credentials())

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise HomeError(
                f"cannot write to {self.path}: {error.strerror or error}. Free some space or "
                "choose another folder with --home (or LOCAL_SAGEMAKER_HOME)."
            ) from error


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _foreign(path: Path) -> bool:
    # Another process may be writing the marker at this moment.
    return not path.name.startswith(".README.")


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _any_listener() -> socket.socket:
    for port in random.sample(_PORTS, 50):
        with contextlib.suppress(HomeError):
            return _listener(port)
    # All of these are taken: then any that the system has.
    return _listener(0)


def _listener(port: int) -> socket.socket:
    # asyncio switches Nagle's algorithm off only where the protocol is named.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(1024)
    except (OSError, OverflowError) as error:
        listener.close()
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        reason = "another program has it" if taken else getattr(error, "strerror", None) or error
        raise HomeError(
            f"port {port} of 127.0.0.1 cannot be used: {reason}. "
            + ("Stop that program, or choose" if taken else "Choose")
            + " another port with --port N (notebooks that are open must then be restarted)."
        ) from error
    return listener
