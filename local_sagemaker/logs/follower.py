"""Prints a job's or an endpoint's log as it grows, for the command line.

It reads the log files of a home, so it also works when no server runs. It must not know the API.
"""

import time
from collections.abc import Iterator
from pathlib import Path

from local_sagemaker import daemon
from local_sagemaker.home import Home, HomeError
from local_sagemaker.logs.store import GroupKey, LogMissing, LogStore

TRAINING_JOBS = "/aws/sagemaker/TrainingJobs"
PROCESSING_JOBS = "/aws/sagemaker/ProcessingJobs"
TRANSFORM_JOBS = "/aws/sagemaker/TransformJobs"
ENDPOINTS = "/aws/sagemaker/Endpoints"

_PAUSE = 0.25
_OVER = {"Completed", "Failed", "Stopped", "OutOfService"}


def follow(home: Home, name: str, *, follow: bool = True) -> Iterator[str]:
    """Yield the lines of the log of a job or an endpoint.

    Parameters
    ----------
    home
        Whose server.
    name
        The job or the endpoint.
    follow
        Wait for further lines until the job or endpoint has ended; else stop at the log's end.

    Raises
    ------
    HomeError
        When nothing of this name was ever logged nor is about to be.
    """
    reader = _Reader(home.path / "logs", name)
    state = _state(home, name)
    if not reader.streams() and (state is None or state in _OVER):
        raise HomeError(
            f"there is no log of a job or endpoint named {name!r} in {home.path}; "
            "`python -m local_sagemaker status` lists them."
        )
    while True:
        # The state is asked for first: what is logged before the end is then read after it.
        over = not follow or state is None or state in _OVER
        yield from reader.new_lines()
        if over:
            return
        time.sleep(_PAUSE)
        state = _state(home, name)


class _Reader:
    """Remembers how far each stream of a name was read."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._store = LogStore(folder)
        self._positions: dict[tuple[GroupKey, str], int] = {}

    def streams(self) -> list[tuple[GroupKey, str]]:
        found = []
        for region in sorted(self._folder.glob("*/*")):
            account = region.parent.name
            groups = [
                (TRAINING_JOBS, f"{self._name}/"),
                (PROCESSING_JOBS, f"{self._name}/"),
                (TRANSFORM_JOBS, f"{self._name}/"),
                (f"{ENDPOINTS}/{self._name}", ""),
            ]
            for group, prefix in groups:
                key = GroupKey(account, region.name, group)
                if self._store.has_group(key):
                    found += [(key, stream) for stream in self._store.stream_names(key, prefix)]
        return found

    def new_lines(self) -> Iterator[str]:
        for key, stream in self.streams():
            position = self._positions.get((key, stream), 0)
            try:
                for event in self._store.forward(key, stream, position):
                    yield event.message
                    position = event.end
            except LogMissing:
                # Deleted meanwhile.
                continue
            self._positions[key, stream] = position


def _state(home: Home, name: str) -> str | None:
    """Return the status of a job or endpoint; None when no server runs or it has none."""
    info = home.server() if home.running() else None
    if info is None:
        return None
    state = daemon.status(info)
    for item in (*state["jobs"], *state["endpoints"]):
        if item["name"] == name:
            return str(item["status"])
    return None
