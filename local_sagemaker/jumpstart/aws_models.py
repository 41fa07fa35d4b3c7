"""Models of AWS's own hub, which stand in the local one: a table of ids and where weights are.

A container of theirs loads the weights from the Hugging Face hub or its cache. Where they cannot
be had, the model is refused when it is created. It must not know how the catalogue is kept.
"""

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from importlib.resources import files

from local_sagemaker.jumpstart.entry import INSTANCE_TYPE, PIPELINES, Entry
from local_sagemaker.jumpstart.specification import Artifacts, Spec, specification

_PACKAGE = "local_sagemaker.jumpstart"
_MEGABYTE = 1_000_000
# As AWS's own have them: one process, because each loads the weights.
_ENVIRONMENT = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}


@dataclass(frozen=True)
class AwsModel:
    """A row of the table.

    Attributes
    ----------
    model_id, version
        As AWS has them.
    repository
        Where the weights are on the Hugging Face hub.
    license, name, description
        What people read.
    megabytes
        Roughly, of the weights.
    image
        Which of the images of `images.IMAGES` it runs in.
    instance_type
        What it is deployed to when nothing else is asked for.
    environment
        Variables of its container besides those that name the model and its task.
    """

    model_id: str
    version: str
    repository: str
    license: str
    name: str
    description: str
    megabytes: int
    image: str = "inference"
    instance_type: str = INSTANCE_TYPE
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def entry(self) -> Entry:
        """What is said about it."""
        task = self.model_id.split("-")[1]
        own = {"HF_MODEL_ID": self.repository, "HF_TASK": PIPELINES[task]}
        return Entry(
            model_id=self.model_id,
            name=self.name,
            description=self.description,
            license=self.license,
            environment=own | _ENVIRONMENT | self.environment,
            instance_type=self.instance_type,
        )


def table() -> list[AwsModel]:
    """Return the rows."""
    content = json.loads(files(_PACKAGE).joinpath("aws_models.json").read_text("utf-8"))
    return [AwsModel(**row) for row in content["models"]]


def stock() -> tuple[list[Spec], dict[str, bytes]]:
    """Return the specs of all rows, and what lies under the keys that they name."""
    specs: list[Spec] = []
    archives: dict[str, bytes] = {}
    for model in table():
        entry = model.entry
        # Without weights, one archive does for all models of a task.
        packed = f"huggingface-infer/prepack/infer-prepack-huggingface-{entry.task}.tar.gz"
        alone = f"source-directory-tarballs/huggingface/inference/{entry.task}/sourcedir.tar.gz"
        if packed not in archives:
            script = script_of(entry.task)
            archives |= {
                packed: _packed("code/inference.py", script),
                alone: _packed("inference.py", script),
            }
        artifacts = Artifacts(
            model=packed,
            script=alone,
            size=model.megabytes * _MEGABYTE,
            digest=hashlib.sha256(archives[packed]).hexdigest(),
        )
        specs.append(
            specification(
                entry,
                model.version,
                artifacts,
                image=model.image,
                aws=True,
                source=f"https://huggingface.co/{model.repository}",
            )
        )
    return specs, archives


def script_of(task: str) -> bytes:
    """Return the script by which a Hugging Face container answers a task's JumpStart requests."""
    return files(f"{_PACKAGE}.scripts").joinpath(f"{task}.py").read_bytes()


def _packed(name: str, content: bytes) -> bytes:
    """Return a ``.tar.gz`` of one file; the same content gives the same bytes."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as tar,
    ):
        member = tarfile.TarInfo(name)
        member.size = len(content)
        member.mode = 0o644
        tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
