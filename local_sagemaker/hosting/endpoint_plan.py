"""What an endpoint is to be: read from its configuration and models, and kept in its record.

It knows the members of an endpoint configuration, and refuses those that the local SageMaker would
not heed. It must not know how anything of it is run.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from local_sagemaker.database import now
from local_sagemaker.errors import validation_exception
from local_sagemaker.hosting import serverless
from local_sagemaker.hosting.async_plan import AsyncPlan
from local_sagemaker.hosting.models import model_source
from local_sagemaker.hosting.variants import VariantPlan, retained
from local_sagemaker.identity import Caller
from local_sagemaker.resources import Resources
from local_sagemaker.store import Record

_NOT_SERVED = ("ExplainerConfig", "ShadowProductionVariants")
_WANTED, _PENDING = "wanted", "PendingDeploymentSummary"
_ASYNC, _CAPTURE = "AsyncInferenceConfig", "DataCaptureConfig"


@dataclass(frozen=True)
class EndpointPlan:
    """What was asked for of one endpoint.

    Attributes
    ----------
    config
        Name of its configuration.
    variants
        Its production variants.
    deployment
        The DeploymentConfig that came with it. It is kept and shown; here all traffic moves at
        once, and no alarm is watched.
    asynchronous
        What was asked for of an asynchronous endpoint; None for any other.
    """

    config: str
    variants: tuple[VariantPlan, ...]
    deployment: dict[str, Any] | None = None
    asynchronous: AsyncPlan | None = None

    @classmethod
    def read(cls, resources: Resources, caller: Caller, config: str) -> "EndpointPlan":
        """Read a configuration and the models that it names.

        Raises
        ------
        AWSError
            When one of them is not there, or asks for what the local SageMaker does not serve.
        """
        body = resources.get(caller, "EndpointConfig", config).body
        capture = body.get(_CAPTURE)
        refused = (
            _NOT_SERVED
            if capture is None or not capture.get("EnableCapture", True)
            else (*_NOT_SERVED, _CAPTURE)
        )
        for member in refused:
            if body.get(member):
                raise validation_exception(
                    f"The local SageMaker cannot serve the endpoint configuration {config}: "
                    f"it has {member}. Leave it out, or use AWS for it."
                )
        variants = [_variant(resources, caller, variant) for variant in body["ProductionVariants"]]
        asynchronous = AsyncPlan.read(config, body[_ASYNC]) if body.get(_ASYNC) else None
        return cls(config, tuple(variants), asynchronous=asynchronous)

    @classmethod
    def of(cls, record: Record) -> "EndpointPlan":
        """Read what `keep` wrote into an endpoint's record."""
        return cls.from_dict({"config": record.body["EndpointConfigName"], **record.private})

    def keep(self, record: Record) -> None:
        """Write it into an endpoint's record."""
        record.body["EndpointConfigName"] = self.config
        set_or_remove(record.body, "LastDeploymentConfig", self.deployment)
        record.private |= self.private()

    @classmethod
    def wanted(cls, record: Record) -> "EndpointPlan | None":
        """Return what an update under way asks for, as `keep_wanted` wrote it, or None."""
        wanted = record.private.get(_WANTED)
        return cls.from_dict(wanted) if wanted is not None else None

    def keep_wanted(self, record: Record) -> None:
        """Write into an endpoint's record that an update to it is under way, and show that."""
        record.private[_WANTED] = self.to_dict()
        if self.config == record.body["EndpointConfigName"]:
            # As on AWS it is shown for a new configuration only.
            return
        moment = now()
        record.body[_PENDING] = {
            "EndpointConfigName": self.config,
            "ProductionVariants": [variant.summary(0, moment) for variant in self.variants],
            "StartTime": moment,
        }

    def private(self) -> dict[str, Any]:
        """Return what an endpoint's record keeps of it unseen, as JSON can carry it."""
        content = self.to_dict()
        del content["config"]
        return content

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "EndpointPlan":
        """Read what `to_dict` returned."""
        return cls(
            config=content["config"],
            variants=tuple(VariantPlan.from_dict(variant) for variant in content["plans"]),
            deployment=content.get("deployment"),
            asynchronous=(
                AsyncPlan(**content["asynchronous"]) if content.get("asynchronous") else None
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON can carry it."""
        return {
            "config": self.config,
            "plans": [plan.to_dict() for plan in self.variants],
            "deployment": self.deployment,
            "asynchronous": asdict(self.asynchronous) if self.asynchronous else None,
        }

    @property
    def serverless(self) -> dict[str, dict[str, Any]]:
        """The ServerlessConfig of each serverless variant, by the variant's name."""
        return {plan.name: plan.serverless for plan in self.variants if plan.serverless}

    def retaining(
        self, current: "EndpointPlan", excluded: Sequence[dict[str, Any]]
    ) -> "EndpointPlan":
        """Return it with another's weights and instance counts; see `retained`."""
        return replace(self, variants=tuple(retained(self.variants, current.variants, excluded)))

    def resized(self, endpoint: str, desired: Sequence[dict[str, Any]]) -> "EndpointPlan":
        """Return it with DesiredWeightsAndCapacities applied.

        Raises
        ------
        AWSError
            ``ValidationException`` for a variant that it does not have, or no instance at all.
        """
        wanted = {item["VariantName"]: item for item in desired}
        if unknown := wanted.keys() - {plan.name for plan in self.variants}:
            raise validation_exception(
                f"The endpoint {endpoint} has no production variant {', '.join(sorted(unknown))}."
            )
        for name, item in wanted.items():
            if "DesiredInstanceCount" in item and name in self.serverless:
                raise validation_exception(
                    f"The production variant {name} is serverless: it has no instances to count."
                )
            if item.get("DesiredInstanceCount") == 0:
                raise validation_exception(
                    f"DesiredInstanceCount of the variant {name} is 0: a variant needs an "
                    "instance. Give it the weight 0, and it gets no requests."
                )
        variants = [plan.resized(wanted.get(plan.name, {})) for plan in self.variants]
        return replace(self, variants=tuple(variants))


def forget_wanted(record: Record) -> None:
    """Write into an endpoint's record that no update is under way."""
    record.private.pop(_WANTED, None)
    record.body.pop(_PENDING, None)


def set_or_remove(body: dict[str, Any], name: str, value: object) -> None:
    """Set a member of a record's body, or remove it where there is no value."""
    if value is None:
        body.pop(name, None)
    else:
        body[name] = value


def _variant(resources: Resources, caller: Caller, variant: dict[str, Any]) -> VariantPlan:
    if "ModelName" not in variant:
        raise validation_exception(
            f"The local SageMaker cannot serve the variant {variant['VariantName']}: it names "
            "no model, as variants for inference components do. Use AWS for it."
        )
    model = resources.get(caller, "Model", variant["ModelName"])
    if variant.get("ServerlessConfig"):
        # Another one than when the configuration was made may have the name now.
        serverless.check_model(variant["VariantName"], model.body)

    def package(name: str) -> dict[str, Any]:
        return resources.get(caller, "ModelPackage", name).body

    return VariantPlan.of(variant, model_source(variant["ModelName"], model.body, package))
