"""The models of a SageMaker hub: found by task or keyword, described by what their publisher says.

It reads the hub's lists and documents; it must not know how a model is deployed.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
from botocore.exceptions import ClientError

from workshop_utils.display import card
from workshop_utils.session import Session

HUB = "SageMakerPublicHub"
"""The hub that every account sees; JumpStart's models stand in it."""
_PAGE = 100
_LINE_EVERY = 2.0
_NOT_THERE = ("ResourceNotFound", "ResourceNotFoundException")


class JumpStartError(Exception):
    """A model is not there or cannot be served; the message says what to do."""


@dataclass(frozen=True)
class HubModel:
    """What the hub says about one version of a model.

    Attributes
    ----------
    model_id, version, name, description
        What it is.
    task
        JumpStart's short name of it, such as ``zstc`` (zero-shot text classification).
    licence
        Of the weights; empty when the hub does not say.
    eula
        Address of an end-user licence agreement that has to be accepted; empty if there is none.
    instance_type, instance_types
        What it is served on by default, and everything it can be served on.
    size
        Bytes of its archive; None when it cannot be read.
    weights
        The repository of the Hugging Face hub that the container loads the weights from; empty
        when they are in the archive.
    isolated
        Whether its publisher has it run without network.
    startup_seconds, download_seconds
        How long its container and its archive may take; None: the service's defaults.
    """

    model_id: str
    version: str
    name: str
    description: str
    task: str
    licence: str
    eula: str
    instance_type: str
    instance_types: tuple[str, ...] = field(repr=False)
    size: int | None = None
    weights: str = ""
    isolated: bool = False
    startup_seconds: int | None = None
    download_seconds: int | None = None

    @property
    def shown_size(self) -> str:
        """The size in words."""
        if self.weights:
            return f"loaded from the Hugging Face hub: {self.weights}"
        return "unknown" if self.size is None else f"{self.size / 1e6:,.0f} MB"

    def _repr_html_(self) -> str:
        rows = {
            "Model": f"{self.model_id}, version {self.version}",
            "What it is": self.description or self.name,
            "Licence": self.licence or "the hub does not say",
            "Agreement to accept": self.eula or "none",
            "Size": self.shown_size,
            "Instance": f"{self.instance_type} by default, {len(self.instance_types)} types in all",
        }
        return card("JumpStart model", rows)


def find(session: Session, keyword: str = "", *, task: str = "", hub: str = HUB) -> pd.DataFrame:
    """List the hub's models by keyword, by task, or all of them.

    Parameters
    ----------
    session
        Where to look.
    keyword
        A part of the id, of the name or of one of the model's keywords, such as ``zstc``; case
        does not matter.
    task
        JumpStart's name of a task, which is the second part of an id, such as ``zstc``.
    hub
        Which hub.

    Returns
    -------
    pandas.DataFrame
        One row for each model: ``model_id``, ``version``, ``licence``, ``size``, ``instance`` (the
        default type), ``eula`` (whether one has to be accepted) and ``name``.
    """
    started = told = time.monotonic()
    chosen = [item for item in _listed(session, hub) if _matches(item, keyword, task)]
    chosen.sort(key=lambda item: str(item["HubContentName"]))
    found = []
    for number, item in enumerate(chosen):
        if time.monotonic() - told > _LINE_EVERY:
            told = time.monotonic()
            print(f"  {number} of {len(chosen)} models read after {told - started:.0f} s")
        found.append(describe(session, item["HubContentName"], hub=hub))
    rows = [
        (m.model_id, m.version, m.licence, m.shown_size, m.instance_type, bool(m.eula), m.name)
        for m in found
    ]
    columns = ["model_id", "version", "licence", "size", "instance", "eula", "name"]
    return pd.DataFrame(rows, columns=columns)


def describe(
    session: Session, model_id: str, version: str | None = None, *, hub: str = HUB
) -> HubModel:
    """Return what the hub says about a model.

    Parameters
    ----------
    session
        Where to look.
    model_id
        For instance ``huggingface-zstc-facebook-bart-large-mnli``.
    version
        The newest if None.
    hub
        Which hub.

    Raises
    ------
    JumpStartError
        When there is no such model or version.
    """
    wanted = {} if version is None else {"HubContentVersion": version}
    try:
        found = session.client("sagemaker").describe_hub_content(
            HubName=hub, HubContentType="Model", HubContentName=model_id, **wanted
        )
    except ClientError as error:
        if error.response["Error"].get("Code") not in _NOT_THERE:
            raise
        which = model_id if version is None else f"version {version} of {model_id}"
        raise JumpStartError(
            f"{hub} in {session.region} has no {which}: find(session, 'zstc') lists the zero-shot "
            "models, find(session) all."
        ) from error
    document = json.loads(found["HubContentDocument"])
    weights = _weights(document)
    parts = [*model_id.split("-", 2), "", ""]
    return HubModel(
        model_id=model_id,
        version=str(found["HubContentVersion"]),
        name=str(found.get("HubContentDisplayName") or model_id),
        description=" ".join(str(found.get("HubContentDescription") or "").split()),
        task=str(document.get("Task") or parts[1]),
        licence=str(document.get("License") or ""),
        eula=str(document.get("HostingEulaUri") or ("" if not _gated(document) else "gated")),
        instance_type=str(document.get("DefaultInferenceInstanceType") or ""),
        instance_types=tuple(document.get("SupportedInferenceInstanceTypes") or ()),
        size=_size(session, document),
        weights=weights,
        isolated=bool(document.get("InferenceEnableNetworkIsolation")),
        startup_seconds=document.get("ContainerStartupHealthCheckTimeout"),
        download_seconds=document.get("ModelDataDownloadTimeout"),
    )


def _listed(session: Session, hub: str) -> Iterator[dict[str, Any]]:
    client = session.client("sagemaker")
    started = told = time.monotonic()
    seen, token = 0, ""
    while True:
        page = client.list_hub_contents(
            HubName=hub,
            HubContentType="Model",
            MaxResults=_PAGE,
            **({"NextToken": token} if token else {}),
        )
        yield from page["HubContentSummaries"]
        seen += len(page["HubContentSummaries"])
        token = page.get("NextToken", "")
        if not token:
            return
        if time.monotonic() - told > _LINE_EVERY:
            told = time.monotonic()
            print(f"  {seen:,} models listed after {told - started:.0f} s")


def _matches(item: dict[str, Any], keyword: str, task: str) -> bool:
    name = str(item["HubContentName"])
    if task and task not in (*name.split("-")[1:2], *_tasks(item)):
        return False
    where = (name, item.get("HubContentDisplayName", ""), *item.get("HubContentSearchKeywords", ()))
    return any(keyword.casefold() in str(text).casefold() for text in where)


def _tasks(item: dict[str, Any]) -> list[str]:
    words = item.get("HubContentSearchKeywords", ())
    return [word.removeprefix("@task:") for word in words if word.startswith("@task:")]


def _weights(document: dict[str, Any]) -> str:
    for variable in document.get("InferenceEnvironmentVariables") or ():
        if variable.get("Name") == "HF_MODEL_ID":
            value = str(variable.get("Default") or "")
            return "" if value.startswith("/") else value
    return ""


def _gated(document: dict[str, Any]) -> bool:
    return bool(document.get("GatedBucket"))


def _size(session: Session, document: dict[str, Any]) -> int | None:
    uri = document.get("HostingPrepackedArtifactUri") or document.get("HostingArtifactUri") or ""
    place = urlsplit(str(uri))
    key = place.path.lstrip("/")
    # A prefix of many objects, which uncompressed models are, has no size of its own.
    if not key or key.endswith("/"):
        return None
    try:
        head = session.client("s3").head_object(Bucket=place.netloc, Key=key)
    except ClientError:
        return None
    return int(head["ContentLength"])
