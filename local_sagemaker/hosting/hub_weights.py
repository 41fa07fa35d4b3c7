"""Refuses a model whose weights cannot be had, at the moment it is created.

On AWS a container with ``HF_MODEL_ID`` downloads its weights when it starts. Here, where there may
be no internet, that would end minutes later in an endpoint that does not come up. It knows the
hub's cache and how to ask the hub whether it would give the weights; it must not know how a model
is loaded.
"""

import http.client
import os
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local_sagemaker.errors import validation_exception
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.serving.hub_cache import HubModel, NotCached

_TIMEOUT = 4.0  # seconds for an answer of the hub, names looked up and all
# How long an address that did not answer is not asked again, in seconds.
_REMEMBERED = 30.0
_TOKEN = re.compile(r"[\x21-\x7e]+")
_MODEL_FOLDER = re.compile(r"/opt/ml/model(/.*)?")
_MOST_NAMED = 8


class Unreachable(Exception):
    """The hub did not answer; the message says how."""


class Refused(Exception):
    """The hub would not give the weights; the message says why and what helps."""


@dataclass(frozen=True)
class _Answer:
    status: int
    code: str
    message: str


class HubWeights:
    """Tells whether the weights that ``HF_MODEL_ID`` names can be had.

    Parameters
    ----------
    environment
        The variables that containers inherit.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment
        self._lock = threading.Lock()
        self._silent: dict[str, tuple[float, str]] = {}

    def check(self, model: str, container: Mapping[str, Any]) -> None:
        """Refuse a container definition whose weights are neither here nor to be had.

        Parameters
        ----------
        model
            The model's name.
        container
            A ContainerDefinition.

        Raises
        ------
        AWSError
            ``ValidationException`` that says which weights, where they were looked for, and what
            to do.
        """
        environment = container.get("Environment") or {}
        named = environment.get("HF_MODEL_ID", "")
        has_data = bool(container.get("ModelDataUrl") or container.get("ModelDataSource"))
        if _MODEL_FOLDER.fullmatch(named) and not has_data and "ModelPackageName" not in container:
            raise _refused(model, f"its HF_MODEL_ID is {named}, and it has no model data")
        try:
            hub = HubModel.named_by({**self._environment, **environment})
        except ValueError as error:
            raise _refused(model, str(error)) from error
        if hub is None:
            return
        try:
            hub.cached()
        except NotCached as absence:
            why = self._why_not_to_be_had(hub)
            if why is not None:
                raise _refused(model, _sentence(hub, str(absence), why)) from None

    def _why_not_to_be_had(self, hub: HubModel) -> str | None:
        if hub.offline:
            return f"{hub.offline} is set, so it was not asked for. {_remedy(hub)}"
        try:
            self._ask(hub)
        except Unreachable as silence:
            return f"{hub.endpoint} cannot be reached ({silence}). {_remedy(hub)}"
        except Refused as refusal:
            return str(refusal)
        return None

    def _ask(self, hub: HubModel) -> None:
        if hub.token is not None and not _TOKEN.fullmatch(hub.token):
            raise Refused("the access token has characters that no token has. " + _NEW_TOKEN)
        with self._lock:
            when, how = self._silent.get(hub.endpoint, (0.0, ""))
        if when and time.monotonic() - when < _REMEMBERED:
            raise Unreachable(how)
        try:
            answer = _head(
                f"{hub.endpoint}/{hub.repository}/resolve/{hub.revision}/config.json", hub.token
            )
        except Unreachable as silence:
            with self._lock:
                self._silent[hub.endpoint] = time.monotonic(), str(silence)
            raise
        if (refusal := _refusal(hub, answer)) is not None:
            raise Refused(refusal)


class ModelCreation:
    """CreateModel, behind the question whether the model's weights can be had.

    Parameters
    ----------
    create
        Writes the record.
    weights
        Knows whether they can.
    package
        Returns what DescribeModelPackage shows of a package, by its name or ARN.
    """

    def __init__(
        self,
        create: Handler,
        weights: HubWeights,
        package: Callable[[Caller, dict[str, Any]], dict[str, Any]],
    ) -> None:
        self._create = create
        self._weights = weights
        self._package = package

    def operations(self) -> dict[str, Handler]:
        """Return the handler that takes the place of the one it was made of."""
        return {"CreateModel": self.create}

    def create(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Create a model whose weights are there or can be had."""
        for container in [*params.get("Containers", ()), params.get("PrimaryContainer") or {}]:
            for definition in self._definitions(caller, container):
                self._weights.check(params["ModelName"], definition)
        return self._create(caller, params)

    def _definitions(self, caller: Caller, container: dict[str, Any]) -> list[dict[str, Any]]:
        """Return a container as it will run: those of its model package, where it names one."""
        name = container.get("ModelPackageName")
        if name is None:
            return [container]
        shown = self._package(caller, {"ModelPackageName": name})
        own = container.get("Environment", {})
        return [
            {**packaged, "Environment": {**packaged.get("Environment", {}), **own}}
            for packaged in shown.get("InferenceSpecification", {}).get("Containers", ())
        ]


_NEW_TOKEN = "Make one at https://huggingface.co/settings/tokens and set HF_TOKEN to it."


def _refused(model: str, why: str) -> Exception:
    return validation_exception(f"The local SageMaker cannot serve the model {model}: {why}")


def _sentence(hub: HubModel, absence: str, why: str) -> str:
    revision = f" (revision {hub.revision})" if hub.revision != "main" else ""
    return (
        f"the weights of {hub.repository}{revision} are not in the Hugging Face cache "
        f"({absence}), and the hub does not give them: {why}"
    )


def _remedy(hub: HubModel) -> str:
    others = hub.others()[:_MOST_NAMED]
    here = f"; that cache holds {', '.join(others)}" if others else ""
    return (
        f"{hub.how_to_get()} Or take a model that is here: `python -m local_sagemaker models` "
        f"lists those that were published{here}. No other model answers in its place."
    )


def _refusal(hub: HubModel, answer: _Answer) -> str | None:
    """Return why the hub does not give a model's files; None when it does."""
    if answer.status < 400:
        return None
    page = f"{hub.endpoint}/{hub.repository}"
    if answer.code == "GatedRepo":
        who = "your access token's account has" if hub.token else "you have no HF_TOKEN, and"
        return (
            f"{hub.repository} is gated, and {who} no access. Ask for it at {page}, then set "
            "HF_TOKEN to a token of the account that was granted it."
        )
    if answer.code == "RevisionNotFound":
        return f"{page} has no revision {hub.revision}: correct HF_MODEL_REVISION."
    if answer.code == "EntryNotFound":
        return f"{page} has no config.json at revision {hub.revision}: transformers cannot load it."
    if hub.token and answer.status == 401:
        return f"the access token is not valid ({answer.message or 'HTTP 401'}). {_NEW_TOKEN}"
    if answer.status in (401, 404):
        # Without a valid token the hub does not tell a private repository from none.
        token = "for the token that is set" if hub.token else "without a token (HF_TOKEN)"
        return f"there is no {page} {token}: check the spelling of HF_MODEL_ID."
    if answer.status == 403:
        return f"the access token may not read {page} ({answer.message or 'HTTP 403'})."
    return f"{page} answers HTTP {answer.status} {answer.message}. Try again later. {_remedy(hub)}"


def _head(url: str, token: str | None) -> _Answer:
    """Ask for the head of a file; raise `Unreachable` when there is no answer in time."""
    found: list[_Answer | Exception] = []

    def ask() -> None:
        try:
            found.append(_request(url, token))
        except (OSError, http.client.HTTPException, ValueError) as error:
            found.append(error)

    # A name server that is silent is waited for as long as the system says, whatever the timeout.
    thread = threading.Thread(target=ask, name="hub", daemon=True)
    thread.start()
    thread.join(_TIMEOUT)
    if not found:
        raise Unreachable(f"no answer within {_TIMEOUT:g} seconds")
    answer = found[0]
    if isinstance(answer, Exception):
        raise Unreachable(str(getattr(answer, "reason", None) or answer) or type(answer).__name__)
    return answer


def _request(url: str, token: str | None) -> _Answer:
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"HF_ENDPOINT must be an http address, not {url}")
    request = urllib.request.Request(url, method="HEAD")
    if token is not None:
        # Not sent on to where a redirection leads.
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    try:
        with _OPENER.open(request, timeout=_TIMEOUT) as response:
            return _Answer(response.status, "", "")
    except urllib.error.HTTPError as error:
        with error:
            headers = error.headers
            message = " ".join(headers.get("X-Error-Message", "").split())[:200]
            return _Answer(error.code, headers.get("X-Error-Code", ""), message)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirection to the file's storage says enough: the hub gives it."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)
