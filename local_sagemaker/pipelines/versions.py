"""Pipelines and the versions of their definitions.

Every definition that a pipeline gets is a version, numbered from 1; aliases name versions. It
keeps only definitions that could be executed; it must not know how they are.
"""

from typing import Any

from local_sagemaker.database import now
from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.pipelines import graph, texts
from local_sagemaker.pipelines.definition import Definition
from local_sagemaker.plain_lists import PlainList
from local_sagemaker.resources import Resources
from local_sagemaker.s3.objects import Objects
from local_sagemaker.store import Key, Record, Records

NOUN = "Pipeline"
# botocore, CreatePipelineRequest.PipelineVersionAliases: "a version can have up to 10 aliases".
MAX_ALIASES = 10
# botocore, PipelineDefinition: its greatest length.
_LONGEST = 1048576
_VERSIONS = "PipelineVersions"
_TOKEN = "ClientRequestToken"
_NOT_KEPT = ("PipelineDefinition", "PipelineDefinitionS3Location", "PipelineVersionAliases")
_LIST = PlainList(
    members=frozenset(),
    name="PipelineArn",
    identify=lambda item: f"{item['PipelineVersionId']:09d}",
    named=("PipelineName",),
)


class PipelineVersions:
    """The operations that make and show definitions."""

    def __init__(self, resources: Resources, objects: Objects) -> None:
        self._resources = resources
        self._objects = objects

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {
            "CreatePipeline": self.create,
            "DescribePipeline": self.describe,
            "ListPipelineVersions": self.list_versions,
            "UpdatePipeline": self.update,
            "UpdatePipelineVersion": self.update_version,
        }

    def create(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Create a pipeline with its first version; the same ClientRequestToken creates one."""
        definition = self._definition(caller, params)
        if definition is None:
            raise validation_exception(
                "A pipeline needs a PipelineDefinition or a PipelineDefinitionS3Location."
            )
        version = _version(1, params.get("PipelineVersionAliases", []))
        _check_aliases([version])
        kept = {key: value for key, value in params.items() if key not in _NOT_KEPT}
        token = params["ClientRequestToken"]
        with self._resources.records.database.transaction():
            key = self._resources.key(caller, NOUN, params["PipelineName"])
            made = self._resources.records.get(key)
            if made is None or made.private.get(_TOKEN) != token:
                private = {_VERSIONS: [version], _TOKEN: token}
                made = self._resources.create(caller, NOUN, kept, private=private)
                texts.keep(self._resources.records, made, 1, definition)
        return {"PipelineArn": made.arn}

    def update(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Change a pipeline; a new definition is a new version."""
        definition = self._definition(caller, params)
        aliases = params.get("PipelineVersionAliases", [])
        if aliases and definition is None:
            raise validation_exception(
                "PipelineVersionAliases are those of a new version, which needs a definition. "
                "UpdatePipelineVersion changes the aliases of a version that is there."
            )
        plain = ("PipelineDisplayName", "PipelineDescription", "RoleArn")
        changes = {
            key: params[key] for key in (*plain, "ParallelismConfiguration") if key in params
        }

        def change(record: Record) -> None:
            record.body |= changes | {"LastModifiedBy": {}}
            if definition is not None:
                versions = record.private[_VERSIONS]
                versions.append(_version(len(versions) + 1, aliases))
                _check_aliases(versions)

        with self._resources.records.database.transaction():
            record = self._resources.change(caller, NOUN, params["PipelineName"], change)
            newest = len(record.private[_VERSIONS])
            if definition is not None:
                texts.keep(self._resources.records, record, newest, definition)
        return {"PipelineArn": record.arn, "PipelineVersionId": newest}

    def describe(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return a pipeline with a version's definition, the newest if none is named."""
        record = self._resources.get(caller, NOUN, params["PipelineName"])
        version = find_version(record, params)
        shown = self._resources.shown(record)
        return shown | {
            "PipelineDefinition": texts.read(self._resources.records, record, version),
            "PipelineVersionDisplayName": version.get("PipelineVersionDisplayName"),
            "PipelineVersionDescription": version.get("PipelineVersionDescription"),
            "PipelineVersionAliases": version["PipelineVersionAliases"],
        }

    def list_versions(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return the versions of a pipeline."""
        record = self._resources.get(caller, NOUN, params["PipelineName"])
        items = [version | {"PipelineArn": record.arn} for version in record.private[_VERSIONS]]
        chosen, token = _LIST.page(items, params, record.arn)
        return {"PipelineVersionSummaries": chosen, "NextToken": token}

    def update_version(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Change what a version is called, and its aliases."""
        number = params["PipelineVersionId"]
        names = ("PipelineVersionDisplayName", "PipelineVersionDescription")
        operations = params.get("PipelineVersionAliasOperations") or {}

        def change(record: Record) -> None:
            version = find_version(record, {"PipelineVersionId": number})
            version |= {key: params[key] for key in names if key in params}
            gone = set(operations.get("Remove", ()))
            aliases = [a for a in version["PipelineVersionAliases"] if a not in gone]
            aliases += [a for a in operations.get("Add", ()) if a not in aliases]
            version["PipelineVersionAliases"] = aliases
            _check_aliases(record.private[_VERSIONS])

        record = self._resources.change(caller, NOUN, params["PipelineArn"], change)
        return {"PipelineArn": record.arn, "PipelineVersionId": number}

    def _definition(self, caller: Caller, params: dict[str, Any]) -> str | None:
        """Return the definition of a request, wherever it is; None if there is none."""
        text, place = params.get("PipelineDefinition"), params.get("PipelineDefinitionS3Location")
        if text is not None and place is not None:
            raise validation_exception(
                "Give either a PipelineDefinition or a PipelineDefinitionS3Location, not both."
            )
        if place is not None:
            text = self._read(caller, place)
        if text is not None:
            graph.check(Definition.read(text))
        return text

    def _read(self, caller: Caller, place: dict[str, Any]) -> str:
        bucket, key = place["Bucket"], place["ObjectKey"]
        if "VersionId" in place:
            raise validation_exception(
                "The local SageMaker's S3 keeps one version of an object: leave VersionId out."
            )
        try:
            with self._objects.open(caller.account, bucket, key) as stream:
                content = stream.read(_LONGEST + 1)
        except AWSError as error:
            raise validation_exception(
                f"The pipeline definition s3://{bucket}/{key} cannot be read: {error.message}"
            ) from error
        if len(content) > _LONGEST:
            raise validation_exception(
                f"The pipeline definition s3://{bucket}/{key} is longer than {_LONGEST} bytes."
            )
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise validation_exception(
                f"The pipeline definition s3://{bucket}/{key} is not a text in UTF-8."
            ) from error


def find_version(record: Record, params: dict[str, Any]) -> dict[str, Any]:
    """Return the version that a number or an alias names; the newest if neither is given.

    Raises
    ------
    AWSError
        ``ResourceNotFound`` for one that is not there, ``ValidationException`` for both at once.
    """
    versions: list[dict[str, Any]] = record.private[_VERSIONS]
    number, alias = params.get("PipelineVersionId"), params.get("PipelineVersionAlias")
    if number is None and alias is None:
        return versions[-1]
    if number is not None and alias is not None:
        raise validation_exception(
            "PipelineVersionId and PipelineVersionAlias cannot be given together."
        )
    for version in versions:
        if version["PipelineVersionId"] == number or alias in version["PipelineVersionAliases"]:
            return version
    named = number if alias is None else alias
    raise AWSError("ResourceNotFound", f"Pipeline '{record.arn}' has no version {named}.")


def executed_version(records: Records, execution: Record) -> tuple[Record, dict[str, Any]]:
    """Return the pipeline and its version that an execution executes."""
    key = execution.key
    pipeline = records.get(Key(key.account, key.region, NOUN, execution.private["Pipeline"]))
    if pipeline is None:
        raise AWSError("ResourceNotFound", f"The pipeline of '{execution.arn}' was deleted.")
    number = {"PipelineVersionId": execution.body["PipelineVersionId"]}
    return pipeline, find_version(pipeline, number)


def executed_definition(records: Records, execution: Record) -> Definition:
    """Return what an execution executes."""
    return Definition.read(texts.read(records, *executed_version(records, execution)))


def delete_texts(records: Records, pipeline: Record) -> None:
    """Forget the definitions of a pipeline, which goes."""
    texts.forget(records, pipeline, len(pipeline.private[_VERSIONS]))


def _version(number: int, aliases: list[str]) -> dict[str, Any]:
    return {
        "PipelineVersionId": number,
        "CreationTime": now(),
        "PipelineVersionAliases": list(aliases),
    }


def _check_aliases(versions: list[dict[str, Any]]) -> None:
    seen: set[str] = set()
    for version in versions:
        aliases = version["PipelineVersionAliases"]
        if len(aliases) > MAX_ALIASES:
            raise validation_exception(f"A version can have up to {MAX_ALIASES} aliases.")
        for alias in aliases:
            if alias.isdecimal():
                raise validation_exception(f"The alias {alias!r} cannot consist of numbers only.")
            if alias in seen:
                raise validation_exception(f"The alias {alias!r} is already in this pipeline.")
            seen.add(alias)
