"""An endpoint that serves what the model registry holds: made once, then updated in place.

It must not know which version ought to be served; that is decided by whoever approves.
"""

import hashlib
from dataclasses import dataclass

from botocore.exceptions import ClientError

from workshop_utils.display import card
from workshop_utils.endpoints import Endpoint, EndpointFailed, settled
from workshop_utils.hosting import Hosting
from workshop_utils.lifetimes import renew
from workshop_utils.marks import HOURS, expiry_tag
from workshop_utils.model_registry import ModelVersion
from workshop_utils.serverless import choose
from workshop_utils.session import PREFIX, Session


@dataclass(frozen=True)
class Deployment:
    """A version of the registry on its way to an endpoint.

    Attributes
    ----------
    endpoint
        What is to serve it. While it is updated, it answers with what it had.
    version
        The number of the version.
    """

    endpoint: Endpoint
    version: int
    _part: str

    def wait(self, expected: float | None = None) -> Endpoint:
        """Wait until the endpoint serves the version; return it.

        What served before is deleted then.

        Parameters
        ----------
        expected
            About how many seconds that takes, to be shown beside those that have passed.

        Raises
        ------
        EndpointFailed
            When the version does not come up, with the reason. The one before goes on then; of a
            first one nothing is left behind.
        """
        endpoint = self.endpoint
        _check(endpoint, self._part, settled(endpoint, expected))
        for old in _parts(endpoint):
            if old != self._part:
                _remove(endpoint.session, old)
        print(f"Endpoint {endpoint.name} serves version {self.version}")
        return endpoint

    def _repr_html_(self) -> str:
        return card(
            "Deployment",
            {
                "Endpoint": self.endpoint.name,
                "Version": str(self.version),
                "Status": self.endpoint.status() or "deleted",
            },
        )


def start(
    version: ModelVersion, name: str, hosting: Hosting | None = None, *, hours: float = HOURS
) -> Deployment:
    """Serve a version of the registry under a name that stays; return at once.

    The first call makes the endpoint. Later ones update it: new machines come up with the new
    version, the old ones answer meanwhile, and no request is dropped. If the new version does not
    come up, the old one goes on. A second call with the same version finds what the first began.
    One with another version waits until that is done: the service does one thing at a time.

    Parameters
    ----------
    version
        An approved version.
    name
        Of the endpoint, without the workshop's prefix.
    hosting
        What it runs on. If None, what the endpoint runs on already; a new one is serverless if
        the version fits, and one instance of the default type otherwise.
    hours
        How long it is needed; see `endpoints.deploy`.

    Raises
    ------
    EndpointFailed
        When the version is not approved, or the service refuses it, with the reason.
    """
    if version.approval != "Approved":
        raise EndpointFailed(
            f"Version {version.number} is {version.approval}: only what somebody has approved is "
            "deployed. `version.decide('Approved', 'why')` approves it."
        )
    session = version.session
    endpoint = Endpoint(session, f"{PREFIX}-{name}")
    wanted = f"{version.arn} {version.created} {hosting}"
    digest = hashlib.sha256(wanted.encode()).hexdigest()[:10]
    # The configuration and the model are named alike, after what they are made of.
    deployment = Deployment(endpoint, version.number, f"{endpoint.name}-v{version.number}-{digest}")
    part = deployment._part
    if _coming(endpoint) == part:
        print(f"Version {version.number} is coming up already on endpoint {endpoint.name}")
        return deployment
    status = settled(endpoint)
    if status == "InService" and _configuration(endpoint) == part:
        print(f"Endpoint {endpoint.name} has version {version.number} already")
        renew(session, endpoint.name, hours)
        return deployment
    if status not in (None, "InService"):
        # It never came up, so there is nothing to keep alive.
        withdraw(endpoint)
        status = None
    try:
        marks = [*session.tags, expiry_tag(hours)]
        _make_model(session, part, version, marks)
        chosen = hosting or _hosting(endpoint, part, new=status is None)
        session.client("sagemaker").create_endpoint_config(
            **chosen.configuration(part, part, marks)
        )
        _put(endpoint, part, marks, new=status is None)
    except ClientError as error:
        raise EndpointFailed(
            f"{endpoint.name} was refused: {error}. With ResourceLimitExceeded, ask for a higher "
            f"quota of '{(hosting or Hosting()).instance_type} for endpoint usage', or pass "
            "another hosting."
        ) from error
    renew(session, endpoint.name, hours)
    return deployment


def served_version(endpoint: Endpoint) -> str | None:
    """Return the ARN of the model version that an endpoint of this module serves.

    None where it serves a model that is not of the registry.
    """
    client = endpoint.session.client("sagemaker")
    model = client.describe_model(ModelName=_configuration(endpoint))
    container = model.get("PrimaryContainer") or (model.get("Containers") or [{}])[0]
    found = container.get("ModelPackageName")
    return None if found is None else str(found)


def withdraw(endpoint: Endpoint) -> None:
    """Delete an endpoint, its configurations and their models, and wait until they are gone."""
    endpoint.withdraw()
    for part in _parts(endpoint):
        _remove(endpoint.session, part)


def _make_model(
    session: Session, part: str, version: ModelVersion, marks: list[dict[str, str]]
) -> None:
    client = session.client("sagemaker")
    # A call that was interrupted may have left either.
    _remove(session, part)
    client.create_model(
        ModelName=part,
        PrimaryContainer={"ModelPackageName": version.arn},
        ExecutionRoleArn=session.role,
        Tags=marks,
    )


def _hosting(endpoint: Endpoint, model: str, *, new: bool) -> Hosting:
    # The service makes no serverless endpoint of one with machines.
    machines = not new and not _serverless(endpoint)
    return Hosting(serverless=choose(endpoint.session, model, False if machines else None))


def _serverless(endpoint: Endpoint) -> bool:
    client = endpoint.session.client("sagemaker")
    variants = client.describe_endpoint(EndpointName=endpoint.name)["ProductionVariants"]
    return all("CurrentServerlessConfig" in variant for variant in variants)


def _put(endpoint: Endpoint, part: str, marks: list[dict[str, str]], *, new: bool) -> None:
    client = endpoint.session.client("sagemaker")
    if new:
        client.create_endpoint(EndpointName=endpoint.name, EndpointConfigName=part, Tags=marks)
    else:
        client.update_endpoint(EndpointName=endpoint.name, EndpointConfigName=part)


def _check(endpoint: Endpoint, part: str, status: str | None) -> None:
    state = endpoint.describe()
    if state is None:
        # Its configurations and models would stay.
        withdraw(endpoint)
        raise EndpointFailed(
            f"There is no endpoint {endpoint.name} any more: it was deleted. `deployments.start` "
            "makes it anew."
        )
    if status == "InService" and state["EndpointConfigName"] == part:
        return
    reason = state.get("FailureReason", "no reason given")
    if status == "InService":
        _remove(endpoint.session, part)
        raise EndpointFailed(f"The update of {endpoint.name} failed: {reason}. The old one serves.")
    withdraw(endpoint)
    raise EndpointFailed(f"{endpoint.name} is {status}: {reason}")


def _coming(endpoint: Endpoint) -> str | None:
    """Return the configuration that an endpoint is about to have, or None."""
    state = endpoint.describe() or {}
    if state.get("EndpointStatus") == "Creating":
        return str(state["EndpointConfigName"])
    if state.get("EndpointStatus") == "Updating":
        pending: str | None = state.get("PendingDeploymentSummary", {}).get("EndpointConfigName")
        return pending
    return None


def _configuration(endpoint: Endpoint) -> str:
    client = endpoint.session.client("sagemaker")
    return str(client.describe_endpoint(EndpointName=endpoint.name)["EndpointConfigName"])


def _parts(endpoint: Endpoint) -> list[str]:
    head = f"{endpoint.name}-v"
    pages = endpoint.session.client("sagemaker").get_paginator("list_endpoint_configs")
    return [
        str(item["EndpointConfigName"])
        for page in pages.paginate(NameContains=head)
        for item in page["EndpointConfigs"]
        if str(item["EndpointConfigName"]).startswith(head)
    ]


def _remove(session: Session, part: str) -> None:
    client = session.client("sagemaker")
    for operation, name in (
        (client.delete_endpoint_config, {"EndpointConfigName": part}),
        (client.delete_model, {"ModelName": part}),
    ):
        try:
            operation(**name)
        except ClientError as error:
            if "Could not find" not in str(error):
                raise
