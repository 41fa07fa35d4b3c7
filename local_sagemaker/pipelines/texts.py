"""The texts of pipelines' definitions, each in a record of its own.

A pipeline has as many as it has versions, each of up to a megabyte, and whoever lists or starts it
wants one of them at most. It must not know what a text says.
"""

from collections.abc import Mapping
from typing import Any

from local_sagemaker.database import now
from local_sagemaker.errors import AWSError
from local_sagemaker.store import Key, Record, Records

_KIND = "PipelineVersionText"
_TEXT = "PipelineDefinition"


def keep(records: Records, pipeline: Record, number: int, text: str) -> None:
    """Keep the text of a new version; part of the transaction that its caller has begun."""
    moment = now()
    arn = f"{pipeline.arn}/version/{number}"
    records.insert(Record(_key(pipeline, number), arn, moment, moment, body={_TEXT: text}))


def read(records: Records, pipeline: Record, version: Mapping[str, Any]) -> str:
    """Return the text of a version.

    Parameters
    ----------
    records
        Where it is kept.
    pipeline, version
        Which one, as `local_sagemaker.pipelines.versions.find_version` returns it.

    Raises
    ------
    AWSError
        ``ResourceNotFound`` when the pipeline was deleted meanwhile.
    """
    if _TEXT in version:
        # Made by a server that still kept all texts in the pipeline's record.
        return str(version[_TEXT])
    record = records.get(_key(pipeline, version["PipelineVersionId"]))
    if record is None:
        raise AWSError("ResourceNotFound", f"Pipeline '{pipeline.arn}' was deleted.")
    return str(record.body[_TEXT])


def forget(records: Records, pipeline: Record, versions: int) -> None:
    """Remove the texts of all versions of a pipeline."""
    for number in range(1, versions + 1):
        records.delete(_key(pipeline, number))


def _key(pipeline: Record, number: int) -> Key:
    owner = pipeline.key
    return Key(owner.account, owner.region, _KIND, f"{owner.name}/{number}")
