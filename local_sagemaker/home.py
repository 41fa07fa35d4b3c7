"""The folder in which a local SageMaker lives, and what its files say.

``port`` is chosen once and kept, ``server.json`` tells of the running server, ``lock`` is held
while one runs, ``client/`` is for clients. This module must not know how a server runs.
"""

import fcntl
import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from local_sagemaker.identity import Credentials
from local_sagemaker.settings import REGION, client_environment

DEFAULT_NAME = ".local_sagemaker"
_MARKER = "This folder is the state of a local SageMaker. Remove it with its `reset` command.\n"


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
        marker = self.path / "README"
        try:
            if self.path.exists() and not marker.exists() and any(self.path.iterdir()):
                raise HomeError(
                    f"{self.path} holds other files. Choose an empty or new folder with --home."
                )
            self.path.mkdir(parents=True, exist_ok=True)
            self.path.chmod(0o700)
            marker.write_text(_MARKER)
        except OSError as error:
            raise HomeError(
                f"cannot write to {self.path}: {error.strerror or error}. Free some space or "
                "choose another folder with --home (or LOCAL_SAGEMAKER_HOME)."
            ) from error

    def is_one(self) -> bool:
        """Tell whether the folder is a local SageMaker's home."""
        return (self.path / "README").exists()

    def lock(self) -> bool:
        """Take the lock of the running server; return False when another process has it.

        The kernel drops it when the process ends, however that happens, so a stale lock does
        not exist.
        """
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._lock_file = descriptor
        return True

    def running(self) -> bool:
        """Tell whether a server holds the lock."""
        if not (self.path / "lock").exists():
            return False
        if self.lock():
            self.unlock()
            return False
        return True

    def unlock(self) -> None:
        """Give the lock back."""
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def listen(self, wanted: int | None = None) -> socket.socket:
        """Return a socket listening on the home's port of 127.0.0.1.

        The port is the one wanted, the one kept, or a free one, which is then kept.

        Raises
        ------
        HomeError
            When another program has taken the port.
        """
        kept = self.path / "port"
        port = wanted or 0
        if not port and kept.exists():
            try:
                port = int(kept.read_text())
            except ValueError as error:
                raise HomeError(f"{kept} does not hold a port number; remove the file.") from error
        # asyncio switches Nagle's algorithm off only where the protocol is named.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen(1024)
        except OSError as error:
            listener.close()
            raise HomeError(
                f"port {port} of 127.0.0.1 cannot be used ({error.strerror}): another program has "
                "it. Stop that program, or choose another port with --port N (notebooks that are "
                "open must then be restarted)."
            ) from error
        kept.write_text(f"{listener.getsockname()[1]}\n")
        return listener

    def write_server(self, info: ServerInfo) -> None:
        """Tell clients of the running server."""
        content = {"pid": info.pid, "url": info.url, "token": info.token}
        write_private(self.path / "server.json", json.dumps(content))

    def server(self) -> ServerInfo | None:
        """Return what the running server wrote, or None."""
        try:
            return ServerInfo(**json.loads((self.path / "server.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def forget_server(self) -> None:
        """Remove what a server wrote about itself."""
        (self.path / "server.json").unlink(missing_ok=True)

    def write_credentials(self, credentials: Credentials) -> None:
        """Keep the local user's key for clients."""
        content = {
            "access_key_id": credentials.access_key_id,
            "secret_access_key": credentials.secret_access_key,
            "session_token": credentials.session_token,
        }
        (self.path / "client").mkdir(exist_ok=True)
        write_private(self.path / "client" / "credentials.json", json.dumps(content))

    def environment(self, url: str) -> dict[str, str]:
        """Return the variables that point a client at the server of this home."""
        path = self.path / "client" / "credentials.json"
        try:
            credentials = Credentials(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise HomeError(
                f"{path} cannot be read ({error}). Restart the server: it writes the file anew."
            ) from error
        return client_environment(self.path, url, REGION, credentials)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
