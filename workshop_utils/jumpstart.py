"""JumpStart: find a model in SageMaker's public hub, read what it is, make it ready to serve.

It knows the hub and the SDK's way to a model; it must not know what the model is asked.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from botocore.exceptions import ClientError

from workshop_utils import endpoints, instances
from workshop_utils.display import card
from workshop_utils.endpoints import Endpoint, Hosting, Serverless
from workshop_utils.hub_models import HubModel, JumpStartError, describe
from workshop_utils.lifetimes import renew
from workshop_utils.marks import HOURS, expiry_tag
from workshop_utils.serverless import choose as choose_serverless
from workshop_utils.session import PREFIX, Session

ZERO_SHOT_TASK = "zstc"
BART = "huggingface-zstc-facebook-bart-large-mnli"
"""The zero-shot model of AWS's own examples: BART, trained on natural language inference."""
_AUTO = instances.AUTO


class WeightsMissing(JumpStartError):
    """The weights of a model can be had neither here nor from the Hugging Face hub."""


@dataclass(frozen=True)
class Security:
    """What a model may reach, who it acts as, and what encrypts its disks.

    Without any of it JumpStart models run as the session's execution role, outside of any VPC of
    yours, with access to the internet, on disks encrypted with a key of AWS's.

    Attributes
    ----------
    role
        ARN of the execution role; the session's if None.
    kms_key
        Id or ARN of a KMS key of yours for the machines' disks.
    subnets, security_groups
        Ids of a VPC's: the containers' traffic then goes through it.
    network_isolation
        Whether the containers get no network at all. SageMaker still brings them the model.

    Raises
    ------
    JumpStartError
        When there are subnets without security groups or the other way round.
    """

    role: str | None = None
    kms_key: str | None = None
    subnets: Sequence[str] = ()
    security_groups: Sequence[str] = ()
    network_isolation: bool = False

    def __post_init__(self) -> None:
        for name in ("subnets", "security_groups"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise JumpStartError(f"{name} is the text {value!r}: pass a list of ids.")
            object.__setattr__(self, name, tuple(value))
        if bool(self.subnets) != bool(self.security_groups):
            raise JumpStartError(
                "A VPC needs both subnets and security_groups: SageMaker puts the containers into "
                "the ones and applies the others to them."
            )


@dataclass(frozen=True)
class Model:
    """A JumpStart model that is ready to serve: behind an endpoint, or in a transform job.

    Attributes
    ----------
    name
        Of the SageMaker model, and of its endpoint if it gets one.
    about
        What the hub says about it.
    instance_type
        What it was prepared for.
    security
        As it was asked for.
    tags
        That it carries, in AWS's form.
    """

    session: Session = field(repr=False)
    name: str
    about: HubModel
    instance_type: str
    security: Security
    tags: tuple[Mapping[str, str], ...] = field(repr=False)

    @property
    def endpoint(self) -> Endpoint:
        """Its endpoint, whether it is there or not."""
        return Endpoint(self.session, self.name)

    def delete(self) -> None:
        """Delete its endpoint, the endpoint's configuration and the model."""
        self.endpoint.delete()

    def _repr_html_(self) -> str:
        rows = {
            "Name": self.name,
            "Is": f"{self.about.name} ({self.about.model_id}, version {self.about.version})",
            "Licence": self.about.licence or "the hub does not say",
            "Instance": self.instance_type,
            "Role": self.security.role or self.session.role,
            "VPC": ", ".join(self.security.subnets) or "none of yours",
            "Disks": self.security.kms_key or "encrypted with a key of AWS's",
            "Network": "none" if self.security.network_isolation else "the container has access",
        }
        return card("JumpStart model, ready to serve", rows)


def build(
    session: Session,
    model_id: str,
    *,
    version: str | None = None,
    instance_type: str = _AUTO,
    security: Security | None = None,
    tags: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    accept_eula: bool = False,
) -> Model:
    """Make a SageMaker model of a JumpStart model, with the SDK's own ModelBuilder.

    A second call with the same arguments returns the model that is there.

    Parameters
    ----------
    session
        Where and as whom.
    model_id, version
        As `hub_models.find` lists them; the newest version if None.
    instance_type
        What it will be served on: the container image depends on it. ``auto`` takes the
        publisher's default if the account may start one, else what it may start.
    security
        Role, KMS key, VPC and network isolation; SageMaker's defaults if None.
    tags
        Beside those of the workshop.
    environment
        Variables for the container, beside the model's own.
    accept_eula
        Some models (those of the Llama family, say) may be used only by who accepts their
        publisher's licence agreement. Pass True after reading it; SageMaker refuses such a model
        otherwise. Models without an agreement need nothing.

    Raises
    ------
    JumpStartError
        When there is no such model, or it has an agreement that was not accepted.
    WeightsMissing
        When the service cannot get its weights.
    QuotaTooLow
        When the account may start none of the instance types that it runs on.
    """
    about = describe(session, model_id, version)
    if about.eula and not accept_eula:
        raise JumpStartError(
            f"{model_id} has a licence agreement ({about.eula}). Read it, and pass "
            "accept_eula=True if you accept it."
        )
    chosen = _instance(session, about, instance_type)
    secured = security or Security()
    if about.isolated:
        secured = replace(secured, network_isolation=True)
    marks = [*session.tags, *({"Key": k, "Value": v} for k, v in (tags or {}).items())]
    variables = sorted((environment or {}).items())
    wanted = f"{model_id} {about.version} {chosen} {secured} {marks} {variables}"
    digest = hashlib.sha256(wanted.encode()).hexdigest()[:10]
    # The id's own words last: names may have 63 characters, and these can be cut.
    short = about.model_id.split("-", 2)[-1]
    name = f"{PREFIX}-{digest}-{short}"[:63].rstrip("-")
    model = Model(session, name, about, chosen, secured, tuple(marks))
    if not _there(session, name):
        _build(model, environment or {}, accept_eula)
    return model


def deploy(
    model: Model,
    *,
    instance_count: int = 1,
    serverless: Serverless | bool | None = None,
    hours: float = HOURS,
    wait: bool = True,
) -> Endpoint:
    """Put a model behind an endpoint, and wait until it answers.

    A second call returns the endpoint that is there. With machines it is billed until it is
    deleted.

    Parameters
    ----------
    model
        From `build`.
    instance_count
        How many machines share the requests.
    serverless
        True, or a size, for a serverless endpoint, False for one with machines. If None, a model
        that fits gets one, unless several machines are asked for. A model in a VPC, without
        network, for GPUs, or whose data lies in S3 unpacked gets machines all the same, because
        serverless endpoints can have none of it; a line says so.
    hours
        How long it is needed; see `endpoints.deploy`.
    wait
        False returns at once, while it is coming up; `Endpoint.wait` waits.

    Raises
    ------
    QuotaTooLow
        When the account may not start so many machines.
    EndpointFailed
        When the endpoint does not come up, with the reason.
    """
    endpoint = model.endpoint
    if endpoints.in_service(endpoint, wait=wait):
        renew(model.session, endpoint.name, hours)
        return endpoint
    # A start that was interrupted may have left something.
    endpoint.withdraw()
    several = serverless is None and instance_count > 1
    chosen = choose_serverless(model.session, model.name, False if several else serverless)
    if chosen is None:
        instances.require(model.session, model.instance_type, "endpoint", instance_count)
    hosting = Hosting(
        instance_type=model.instance_type,
        instance_count=instance_count,
        serverless=chosen,
        kms_key=model.security.kms_key,
        startup_seconds=model.about.startup_seconds or Hosting.startup_seconds,
        download_seconds=model.about.download_seconds,
    )
    endpoints.serve(endpoint, hosting, [*model.tags, expiry_tag(hours)], wait=wait)
    # Its model is older: it may have been built for a batch.
    renew(model.session, endpoint.name, hours)
    return endpoint


def _instance(session: Session, about: HubModel, instance_type: str) -> str:
    if instance_type == _AUTO:
        return instances.for_serving(session, about.instance_type, about.instance_types)
    if about.instance_types and instance_type not in about.instance_types:
        raise JumpStartError(
            f"{about.model_id} does not run on {instance_type}, but on "
            f"{', '.join(about.instance_types)}."
        )
    return instance_type


def _build(model: Model, environment: Mapping[str, str], accept_eula: bool) -> None:
    from sagemaker.core.jumpstart.configs import JumpStartConfig
    from sagemaker.core.training.configs import Compute, Networking
    from sagemaker.serve.model_builder import ModelBuilder

    security = model.security
    role = security.role or model.session.role
    network = Networking(
        subnets=list(security.subnets) or None,
        security_group_ids=list(security.security_groups) or None,
        enable_network_isolation=security.network_isolation,
    )
    builder = ModelBuilder.from_jumpstart_config(
        JumpStartConfig(
            model_id=model.about.model_id,
            model_version=model.about.version,
            accept_eula=accept_eula,
        ),
        role_arn=role,
        compute=Compute(instance_type=model.instance_type, instance_count=1),
        network=network,
        env_vars=dict(environment),
        sagemaker_session=model.session.sagemaker,
    )
    # The builder has just told its library to show every step.
    logging.getLogger("sagemaker.core.utils.utils").setLevel(logging.ERROR)
    builder.add_tags([dict(tag) for tag in model.tags])
    try:
        builder.build(model_name=model.name, role_arn=role)
    except ClientError as error:
        said = str(error.response["Error"].get("Message", error))
        # The local SageMaker's words; on AWS the weights of these models are in the archive.
        if "the weights of" in said:
            raise WeightsMissing(said) from error
        raise JumpStartError(f"{model.about.model_id} was refused: {said}") from error


def _there(session: Session, name: str) -> bool:
    try:
        session.client("sagemaker").describe_model(ModelName=name)
    except ClientError as error:
        if "Could not find" in str(error):
            return False
        raise
    return True
