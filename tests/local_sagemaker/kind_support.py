"""Making a resource of any kind through boto3, its parents first, from the service model alone."""

import uuid
from collections.abc import Callable
from typing import Any

from botocore.config import Config

from local_sagemaker.coverage import Coverage, declared
from local_sagemaker.kinds import Kind, Parent, declared_kinds
from local_sagemaker.protocol import service_model
from tests.local_sagemaker.core_support import client_of, fits
from tests.local_sagemaker.request_support import request

MODEL = service_model("sagemaker")
KINDS = declared_kinds(MODEL)
Request = dict[str, Any]
Call = Callable[[str, Request], Request]

# Members that are refused because this server would have to act upon them.
NOT_DONE = {
    "DeviceFleet": {"EnableIotRoleAlias"},
    "Pipeline": {"PipelineDefinitionS3Location"},
    "Project": {
        "ServiceCatalogProvisioningUpdateDetails",
        "TemplateProvidersToUpdate",
    },
    "Cluster": {"InstanceGroupsToDelete"},
}
# Of members that exclude one another, those to leave out.
INSTEAD = {
    "Model": {"Containers"},
    "App": {"SpaceName"},
    "TrialComponent": {"Parameters"},
}
# What rooms of their own ask of a request, besides what the model says.
PARENTS_OF_ROOMS = {
    "EdgeDeploymentPlan": Parent("DeviceFleet", ("DeviceFleetName",)),
    "EdgePackagingJob": Parent("CompilationJob", ("CompilationJobName",)),
    "ModelCardExportJob": Parent("ModelCard", ("ModelCardName",)),
    "Trial": Parent("Experiment", ("ExperimentName",)),
}
ASKED_BY_ROOMS: dict[str, Request] = {
    "CompilationJob": {"InputConfig": {"S3Uri": "s3://bucket/model.tar.gz", "Framework": "ONNX"}},
    "EdgeDeploymentPlan": {"ModelConfigs": []},
    "Model": {"PrimaryContainer": {"Image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/i:1"}},
    "ModelCard": {"Content": "{}"},
    "MonitoringSchedule": {
        "MonitoringScheduleConfig": {"ScheduleConfig": {"ScheduleExpression": "NOW"}}
    },
    "Pipeline": {"PipelineDefinition": '{"Version": "2020-12-01", "Steps": []}'},
}
# Its versions are named by their ARNs, which tests of its own go into.
TESTED_ELSEWHERE = {"ModelPackage"}


def kept() -> list[str]:
    """Return the nouns whose Create is answered with a record."""
    classes = {noun: declared(kind.operations["create"]) for noun, kind in KINDS.items()}
    recorded = (Coverage.RECORDS, Coverage.FAILS)
    return [
        noun
        for noun, it in classes.items()
        if it is not None and it.coverage in recorded and noun not in TESTED_ELSEWHERE
    ]


def checked_call(**client: Any) -> Call:
    """Return a function that calls an operation and checks its answer against the model."""
    config = Config(parameter_validation=False, retries={"max_attempts": 0})
    sagemaker = client_of("sagemaker", config=config, **client)

    def checked(operation: str, params: Request) -> Request:
        # The private method takes the operation's own name.
        answer: Request = sagemaker._make_api_call(operation, params)
        shape = MODEL.operation_model(operation).output_shape
        if shape is not None:
            fits(answer, shape)
        return {key: value for key, value in answer.items() if key != "ResponseMetadata"}

    return checked


def made(call: Call, noun: str, *, most: bool) -> tuple[Request, Request, Request]:
    """Make a resource, its parents first; return the request, its address and Create's answer."""
    kind = KINDS[noun]
    if noun == "Endpoint":
        return _endpoint(call)
    shape = MODEL.operation_model(kind.operations["create"]).input_shape
    params = request(shape, most=most)
    if noun == "App":
        params["UserProfileName"] = ""
    for member in NOT_DONE.get(noun, set()) | INSTEAD.get(noun, set()):
        params.pop(member, None)
    if kind.name_key in params:
        params[kind.name_key] = f"life{uuid.uuid4().hex[:12]}"
    params |= ASKED_BY_ROOMS.get(noun, {})
    others = [PARENTS_OF_ROOMS[noun]] if noun in PARENTS_OF_ROOMS else []
    for parent in (*kind.row.parents, *others):
        if parent.members[-1] not in params:
            continue
        _, address, answer = made(call, parent.noun, most=False)
        known = {**address, **answer}
        for member, own in zip(parent.members, KINDS[parent.noun].address, strict=False):
            by_arn = member.endswith("Arn")
            params[member] = answer[KINDS[parent.noun].arn_key] if by_arn else known[own]
    for member in ("ProductionVariants", "ShadowProductionVariants"):
        for variant in params.get(member, []):
            variant["ModelName"] = made(call, "Model", most=False)[0]["ModelName"]
            # Instead of instances, whose members are many.
            variant.pop("ServerlessConfig", None)
    answer = call(kind.operations["create"], params)
    address = {}
    for member in (name for part in kind.address for name in part.split("|")):
        if member in params or member in answer:
            address[member] = params.get(member, answer.get(member))
    return params, address, answer


def _endpoint(call: Call) -> tuple[Request, Request, Request]:
    """Make an endpoint whose model is not there, so that it has failed soon."""
    name = f"life{uuid.uuid4().hex[:12]}"
    container = {"Image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/some:image"}
    call("CreateModel", {"ModelName": name, "PrimaryContainer": container})
    variant = {"VariantName": "All", "ModelName": name, "InstanceType": "ml.m5.large"}
    variants = [variant | {"InitialInstanceCount": 1}]
    call("CreateEndpointConfig", {"EndpointConfigName": name, "ProductionVariants": variants})
    params = {"EndpointName": name, "EndpointConfigName": name}
    return params, {"EndpointName": name}, call("CreateEndpoint", params)


def shown(call: Call, kind: Kind, address: Request) -> Request:
    answer = call(kind.operations["describe"], address)
    return answer[kind.wrapper] if kind.wrapper else answer


def asked_by_list(kind: Kind, params: Request) -> Request:
    """Return the members that List requires, from a request that made one of its items."""
    shape = MODEL.operation_model(kind.operations["list"]).input_shape
    return {member: params[member] for member in shape.required_members}


def summaries(call: Call, kind: Kind, asked: Request) -> list[Request]:
    items: list[Request] = []
    token: Request = {}
    while True:
        page = call(kind.operations["list"], asked | {"MaxResults": 100} | token)
        items += page[str(kind.list_key)]
        if "NextToken" not in page:
            return items
        token = {"NextToken": page["NextToken"]}
