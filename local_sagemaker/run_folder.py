"""The private folder under which a server's jobs and sockets live, and what dead servers left.

A running server holds a lock in its folder, which also says whose it is: a folder whose lock is
free and whose home is gone is of no use to anybody. It must not know what lies in a folder.
"""

import contextlib
import fcntl
import logging
import os
import re
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from local_sagemaker.home import HomeError
from local_sagemaker.settings import default_run_dir

_OWNER = "home"
_NAME = re.compile(r"lsm-(\d+)-[0-9a-f]{8}")
_LONGEST_PATH = 8192
_LOG = logging.getLogger(__name__)


class RunFolder:
    """The folder of one running server.

    Parameters
    ----------
    home
        The server's home.

    Raises
    ------
    HomeError
        When somebody else has made the folder.
    """

    def __init__(self, home: Path) -> None:
        self.path = default_run_dir(home)
        # A sweeper may remove the folder of an earlier server until this one has the lock.
        while True:
            _make_private(self.path)
            self._lock = os.open(
                self.path / _OWNER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            if _is_file_of(self._lock, self.path / _OWNER):
                break
            os.close(self._lock)
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, os.fsencode(home.resolve()), 0)

    def give_up(self) -> None:
        """Remove it unless an earlier server left something, which the next one has to end."""
        with contextlib.suppress(OSError):
            if [path.name for path in self.path.iterdir()] == [_OWNER]:
                shutil.rmtree(self.path)
        os.close(self._lock)

    def remove(self) -> None:
        """Remove it: nothing runs in it any more."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _is_gone(home: Path) -> bool:
    return not os.path.lexists(home)


def sweep(parent: Path, unused: Callable[[Path], bool] = _is_gone) -> int:
    """Remove the folders that dead servers left and that none will come back for.

    Parameters
    ----------
    parent
        The folder of all such folders; other users may write into it.
    unused
        Tells for which homes no server will start again: for those that are gone.

    Returns
    -------
    int
        How many were removed.
    """
    count = 0
    with os.scandir(parent) as entries:
        for entry in entries:
            named = _NAME.fullmatch(entry.name)
            # What cannot be looked at, or is a link to elsewhere, is left alone.
            with contextlib.suppress(OSError):
                if named and int(named[1]) == os.getuid() and _swept(Path(entry.path), unused):
                    count += 1
    return count


def _swept(folder: Path, unused: Callable[[Path], bool]) -> bool:
    """Remove a folder if its server is dead and its home unused; return whether it was."""
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid():
        return False
    owner = os.open(folder / _OWNER, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        home = os.fsdecode(os.read(owner, _LONGEST_PATH))
        # Where nothing is written, a server is just about to.
        if not home or not unused(Path(home)):
            return False
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _LOG.info("Removing %s: the server of %s is dead and will not come back", folder, home)
        # It follows no links, and refuses to begin at one.
        shutil.rmtree(folder)
    finally:
        os.close(owner)
    return True


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid():
        raise HomeError(f"{folder} belongs to somebody else; remove it or set TMPDIR.")
    folder.chmod(0o700)


def _is_file_of(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
