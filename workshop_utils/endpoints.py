"""Endpoints: deploy a model archive, ask it, delete it.

It knows model archives and requests; it must not know how the model in them was made.
"""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from workshop_utils import display, instances
from workshop_utils.display import card
from workshop_utils.hosting import EndpointFailed, Hosting, Serverless, inference_image
from workshop_utils.lifetimes import renew
from workshop_utils.marks import HOURS, expiry_tag
from workshop_utils.serverless import choose as choose_serverless
from workshop_utils.session import PREFIX, Session

__all__ = [
    "Endpoint",
    "EndpointFailed",
    "Hosting",
    "Serverless",
    "deploy",
    "in_service",
    "inference_image",
    "serve",
    "settled",
]

_RUNNING = ("Creating", "Updating", "SystemUpdating", "RollingBack")


@dataclass(frozen=True)
class Endpoint:
    """A deployed model.

    Attributes
    ----------
    name
        Of the endpoint, its configuration and its model alike.
    """

    session: Session
    name: str

    def _repr_html_(self) -> str:
        return card("Endpoint", {"Name": self.name, "Region": self.session.region})

    def predict(
        self, texts: str | Sequence[str], *, top_k: int | None = None, **parameters: Any
    ) -> list[Any]:
        """Ask the model.

        Parameters
        ----------
        texts
            One text or several.
        top_k
            How many labels to return for each text; the best one if None.
        **parameters
            Further parameters that the model understands.

        Returns
        -------
        list
            What the model answers: for one text or several without ``top_k`` a list with one
            ``{"label", "score"}`` for each.
        """
        inputs = texts if isinstance(texts, str) else list(texts)
        payload: dict[str, Any] = {"inputs": inputs}
        wanted = parameters | ({"top_k": top_k} if top_k is not None else {})
        if wanted:
            payload["parameters"] = wanted
        answer: list[Any] = json.loads(self.invoke(json.dumps(payload).encode()))
        return answer

    def invoke(
        self,
        body: bytes,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> bytes:
        """Send a body as it is and return the answer's."""
        response = self.session.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=self.name, Body=body, ContentType=content_type, Accept=accept
        )
        answer: bytes = response["Body"].read()
        return answer

    def latencies(self, text: str, requests: int = 50) -> list[float]:
        """Measure how long one caller waits for an answer.

        Returns
        -------
        list of float
            Milliseconds of each request, one after the other, after one that does not count.
        """
        self.predict(text)
        measured = []
        for _ in range(requests):
            started = time.perf_counter()
            self.predict(text)
            measured.append((time.perf_counter() - started) * 1000)
        return measured

    def status(self) -> str | None:
        """Return the endpoint's status, or None when there is no such endpoint."""
        state = self.describe()
        return None if state is None else str(state["EndpointStatus"])

    def describe(self) -> dict[str, Any] | None:
        """Return what the service says of it, or None when there is no such endpoint."""
        client = self.session.client("sagemaker")
        try:
            found: dict[str, Any] = client.describe_endpoint(EndpointName=self.name)
            return found
        except ClientError as error:
            if _absent(error):
                return None
            raise

    def wait(self, expected: float | None = None) -> "Endpoint":
        """Wait until it answers; return it.

        Parameters
        ----------
        expected
            About how many seconds that takes, to be shown beside those that have passed.

        Raises
        ------
        EndpointFailed
            When it does not come up, with the reason. Nothing is left behind then, the model
            included.
        """
        status = settled(self, expected)
        if status == "InService":
            return self
        if status is None:
            raise EndpointFailed(f"There is no endpoint {self.name}: deploy it first.")
        client = self.session.client("sagemaker")
        state = client.describe_endpoint(EndpointName=self.name)
        reason = state.get("FailureReason", "no reason given")
        self.delete()
        raise EndpointFailed(f"{self.name} is {status}: {reason}")

    def delete(self) -> None:
        """Delete the endpoint, its configuration and its model, and wait until they are gone.

        What is gone already is fine.
        """
        self.withdraw()
        _delete(self.session.client("sagemaker").delete_model, ModelName=self.name)

    def withdraw(self) -> None:
        """Delete the endpoint and its configuration, and wait; the model stays."""
        client = self.session.client("sagemaker")
        status = settled(self)
        if status not in (None, "Deleting"):
            client.delete_endpoint(EndpointName=self.name)
        if status is not None:
            client.get_waiter("endpoint_deleted").wait(
                EndpointName=self.name, WaiterConfig={"Delay": 1, "MaxAttempts": 600}
            )
        _delete(client.delete_endpoint_config, EndpointConfigName=self.name)


def deploy(
    session: Session,
    model_data: str | None,
    *,
    instance_type: str | None = None,
    serverless: Serverless | bool | None = None,
    environment: Mapping[str, str] | None = None,
    name: str = "few-shot",
    hours: float = HOURS,
    wait: bool = True,
) -> Endpoint:
    """Put a model behind an endpoint, and wait until it answers.

    A second call with the same arguments returns the endpoint that is there.

    Parameters
    ----------
    session
        Where and as whom.
    model_data
        S3 URI of a ``model.tar.gz`` with ``code/inference.py`` in it; None for a container that
        fetches the model its variable ``HF_MODEL_ID`` names, and needs no script.
    instance_type
        What serves it; billed from now until `Endpoint.delete`. If None, and it comes to
        machines, the workshop's type for CPUs.
    serverless
        True, or a size, for an endpoint without machines of its own, and False for one with
        them. If None, a model that fits gets a serverless one, unless an instance type is given;
        see `workshop_utils.serverless.choose`.
    environment
        Variables for the container.
    name
        Part of the endpoint's name.
    hours
        How long it is needed; ``cleanup --expired`` deletes it afterwards. Each call begins anew.
    wait
        False returns at once, while it is coming up; `Endpoint.wait` waits.

    Raises
    ------
    EndpointFailed
        When the model does not come up, with the reason. Nothing is left behind then.
    """
    from sagemaker.core.resources import Model
    from sagemaker.core.shapes import ContainerDefinition, Tag

    # The name follows from what is deployed, so a second call finds what the first one made.
    wanted = f"{model_data} {instance_type} {serverless} {sorted((environment or {}).items())}"
    digest = hashlib.sha256(wanted.encode()).hexdigest()[:10]
    endpoint = Endpoint(session, f"{PREFIX}-{name}-{digest}")
    if in_service(endpoint, wait=wait):
        renew(session, endpoint.name, hours)
        return endpoint
    # A start that was interrupted may have left a configuration or a model.
    endpoint.delete()
    machine = instance_type or instances.CPU
    marks = [*session.tags, expiry_tag(hours)]
    script = {"SAGEMAKER_PROGRAM": "inference.py"} if model_data else {}
    Model.create(
        model_name=endpoint.name,
        primary_container=ContainerDefinition(
            image=inference_image(session.region, machine),
            environment=script | dict(environment or {}),
            **({"model_data_url": model_data} if model_data else {}),
        ),
        execution_role_arn=session.role,
        tags=[Tag(key=tag["Key"], value=tag["Value"]) for tag in marks],
        session=session.boto,
        region=session.region,
    )
    asked = False if serverless is None and instance_type is not None else serverless
    chosen = choose_serverless(session, endpoint.name, asked)
    serve(endpoint, Hosting(machine, serverless=chosen), marks, wait=wait)
    return endpoint


def in_service(endpoint: Endpoint, *, wait: bool = True) -> bool:
    """Tell whether an endpoint is there and answers, after what it is doing now; say so if it is.

    What an earlier call made under its name then need not be made again. Without waiting, one that
    is coming up counts as well.
    """
    if not wait and endpoint.status() in _RUNNING:
        print(f"Endpoint {endpoint.name} is coming up already")
        return True
    if settled(endpoint) != "InService":
        return False
    print(f"Endpoint {endpoint.name} is already in service")
    return True


def serve(
    endpoint: Endpoint,
    hosting: Hosting,
    tags: Sequence[Mapping[str, str]] | None = None,
    *,
    wait: bool = True,
) -> None:
    """Put the model that has an endpoint's name behind it, and wait until it answers.

    Parameters
    ----------
    endpoint
        Names the endpoint, its configuration and the model, which exists.
    hosting
        What it runs on.
    tags
        Those of the session, and when it expires, if None.
    wait
        False returns at once; `Endpoint.wait` waits.

    Raises
    ------
    EndpointFailed
        When it does not come up, with the reason. Nothing is left behind then, the model included.
    """
    session = endpoint.session
    # Not through the SDK's resources: theirs spell MemorySizeInMB as the service does not know it.
    client = session.client("sagemaker")
    default = [*session.tags, expiry_tag()]
    marks = [dict(tag) for tag in (default if tags is None else tags)]
    try:
        client.create_endpoint_config(**hosting.configuration(endpoint.name, endpoint.name, marks))
        client.create_endpoint(
            EndpointName=endpoint.name, EndpointConfigName=endpoint.name, Tags=marks
        )
    except ClientError as error:
        endpoint.delete()
        raise EndpointFailed(
            f"{endpoint.name} was refused: {error}. With ResourceLimitExceeded, ask for a higher "
            f"quota of '{hosting.instance_type} for endpoint usage', or pass another instance_type."
        ) from error
    if wait:
        endpoint.wait()


def settled(endpoint: Endpoint, expected: float | None = None) -> str | None:
    """Wait while the service works on an endpoint; return its status then.

    Parameters
    ----------
    endpoint
        It need not be there.
    expected
        About how many seconds that takes, to be shown beside those that have passed.
    """
    live = display.Live()
    pause = 0.1
    shown = began = None
    while True:
        state = endpoint.describe()
        status = None if state is None else str(state["EndpointStatus"])
        running = status in _RUNNING
        if state is not None and running and status != shown:
            print(f"  [{status}] {endpoint.name}")
            # Since the service began, which may be long before anybody waits.
            shown = status
            began = state["CreationTime" if status == "Creating" else "LastModifiedTime"]
        if began is not None:
            waited = (datetime.now(UTC) - began).total_seconds()
            page = display.elapsed("Since the start", waited, expected, over=not running)
            live.show(page, ())
            if not running:
                print(f"  [{status}] after {waited:.1f} s")
        if not running:
            return status
        time.sleep(pause)
        pause = min(pause * 1.3, 10.0)


def _delete(operation: Any, **name: str) -> None:
    try:
        operation(**name)
    except ClientError as error:
        if not _absent(error):
            raise


def _absent(error: ClientError) -> bool:
    return "Could not find" in str(error)
