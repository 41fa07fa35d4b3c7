"""What opens the portal: its access code, and the key that signs its cookies.

Both are made once and kept in the home, so that a restarted server knows its workers still. It
must not know HTTP.
"""

import hmac
import json
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from local_sagemaker.home import HomeError, write_private

_FILE = "portal.json"
# Without the letters and figures that people take for one another.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP = 4, 4


@dataclass(frozen=True)
class Access:
    """The secrets of one portal.

    Attributes
    ----------
    code
        What a person shows to come in: four groups of four letters (79 bits).
    key
        Signs cookies and tokens.
    """

    code: str
    key: bytes

    def __repr__(self) -> str:
        return "Access()"

    def link(self, url: str) -> str:
        """Return the address that opens the portal with one click.

        The code is in the fragment, which no browser sends, so that it is in no log.

        Parameters
        ----------
        url
            Of the server, without a slash at its end.
        """
        return f"{url}/portal/#code={quote(self.code)}"

    def opened_by(self, code: str) -> bool:
        """Tell whether a code is the right one, however it is spaced and capitalised."""
        return hmac.compare_digest(_plain(code), _plain(self.code))


def _plain(code: str) -> bytes:
    return "".join(filter(str.isalnum, code.lower())).encode()


def open_access(home: Path) -> Access:
    """Return the access of a home, made anew if it has none.

    Raises
    ------
    HomeError
        When the file cannot be read or is not one of these.
    """
    path = home / _FILE
    try:
        if not path.exists():
            groups = [
                "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS)
            ]
            made = {"code": "-".join(groups), "key": secrets.token_hex(32)}
            write_private(path, json.dumps(made))
        kept = json.loads(path.read_text())
        return Access(str(kept["code"]), bytes.fromhex(kept["key"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HomeError(
            f"{path}, which holds the review portal's access code, cannot be used ({error}). "
            "Remove the file: a new code is made, and everybody signs in again."
        ) from error


class Attempts:
    """Bounds how many wrong codes are looked at.

    Everybody is on this machine, or comes through one proxy, so there is one count for all.

    Parameters
    ----------
    limit
        Wrong codes within the window.
    window
        In seconds.
    clock
        Returns seconds.
    """

    def __init__(
        self, limit: int = 10, window: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._window = window
        self._clock = clock
        self._wrong: deque[float] = deque(maxlen=limit)
        self._lock = threading.Lock()

    def wait(self) -> float:
        """Return for how many seconds no code is looked at; 0 when one may be tried now."""
        with self._lock:
            if len(self._wrong) < self._limit:
                return 0.0
            return max(0.0, self._wrong[0] + self._window - self._clock())

    def failed(self) -> None:
        """Take note of a wrong code."""
        with self._lock:
            self._wrong.append(self._clock())
