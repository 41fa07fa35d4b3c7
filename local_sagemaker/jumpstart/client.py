"""Publishes, lists and removes models of a running server, from another process.

It must not import the server: it is part of what a notebook loads.
"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from local_sagemaker.control import ControlError, ask
from local_sagemaker.home import ServerInfo
from local_sagemaker.jumpstart.entry import Entry, check_version
from local_sagemaker.jumpstart.published import PublishedModel, PublishError

PATH = "/_local/jumpstart"
# The server copies and hashes about 300 MB a second.
_PATIENCE = 600.0

Report = Callable[[str], None]


def publish(
    server: ServerInfo, source: Path, entry: Entry, version: str | None, report: Report
) -> PublishedModel:
    """Put a model into a server's hub; see `LocalSageMaker.publish_model`.

    Parameters
    ----------
    server
        The server.
    source
        The model's folder or archive.
    entry
        What is said about it.
    version
        Which version; the next one if None.
    report
        Called with what is being done.

    Raises
    ------
    PublishError
        When it cannot be published.
    """
    from local_sagemaker.jumpstart.packing import packed
    from local_sagemaker.jumpstart.progress import reporting

    if version is not None:
        check_version(version)
    with packed(source, entry, report) as (complete, archives):
        asked = {
            "entry": complete.to_dict(),
            "version": version,
            "model": str(archives.model),
            "script": None if archives.script is None else str(archives.script),
            "digest": archives.digest,
        }
        with reporting("storing", lambda: 0, archives.model.stat().st_size, report):
            return PublishedModel(**_ask(server, "POST", PATH, asked)["model"])


def models(server: ServerInfo) -> list[PublishedModel]:
    """Return all versions of all models in a server's hub, by id and the oldest first."""
    return [PublishedModel(**one) for one in _ask(server, "GET", PATH)["models"]]


def newest(versions: list[PublishedModel]) -> list[PublishedModel]:
    """Return of versions, the oldest first, the newest one of each model."""
    return list({one.model_id: one for one in versions}.values())


def remove(server: ServerInfo, model_id: str, version: str | None) -> list[PublishedModel]:
    """Remove a published model, or one version of it, and return what was removed.

    Raises
    ------
    PublishError
        When it is not there, or AWS's own.
    """
    asked = {"model_id": model_id, "version": version}
    answer = _ask(server, "DELETE", PATH, asked)
    return [PublishedModel(**one) for one in answer["removed"]]


def to_dict(model: PublishedModel) -> dict[str, Any]:
    """Return a model as JSON has it."""
    return asdict(model)


def _ask(server: ServerInfo, method: str, path: str, content: Any = None) -> dict[str, Any]:
    try:
        return ask(server, method, path, content, timeout=_PATIENCE)
    except ControlError as error:
        raise PublishError(str(error)) from None
