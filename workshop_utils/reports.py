"""What a training job wrote about its model: figures per label, errors, the confusion matrix.

It reads the archive ``output.tar.gz`` that SageMaker makes of ``SM_OUTPUT_DATA_DIR``. Members are
read, never extracted.
"""

import json
import tarfile
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from workshop_utils.display import card
from workshop_utils.session import Session

# The largest file of a report is a picture of some 100 kB.
_LARGEST_MEMBER = 64 * 1024 * 1024


class ReportMissing(Exception):
    """The job wrote no report; the message says what it did write."""


@dataclass(frozen=True)
class Report:
    """An evaluation on the channel ``test``.

    Attributes
    ----------
    accuracy, macro_f1
        Between 0 and 1.
    by_label
        Indexed by label: ``precision``, ``recall``, ``f1`` and ``support``.
    errors
        One row per wrong answer: ``text,label,predicted,score``.
    picture
        The confusion matrix as a PNG.
    """

    accuracy: float
    macro_f1: float
    by_label: pd.DataFrame
    errors: pd.DataFrame
    picture: bytes = field(repr=False)

    def _repr_html_(self) -> str:
        rows = {
            "Accuracy": f"{self.accuracy:.3f}",
            "Macro-F1": f"{self.macro_f1:.3f}",
            "Test rows": f"{int(self.by_label['support'].sum()):,}",
            "Wrong answers": f"{len(self.errors):,}",
        }
        return card("Evaluation", rows)

    def confusions(self) -> pd.DataFrame:
        """Return how often each pair of labels was taken for each other, most often first.

        Returns
        -------
        pandas.DataFrame
            ``label,predicted,rows``.
        """
        pairs = self.errors.groupby(["label", "predicted"]).size()
        return pairs.sort_values(ascending=False).rename("rows").reset_index()


def of_job(session: Session, job: Any) -> Report:
    """Return the report of a training job.

    Parameters
    ----------
    session
        Where the job ran.
    job
        From `estimators.train`.

    Raises
    ------
    ReportMissing
        When the job wrote none, for instance because it had no channel ``test``.
    """
    model = urlsplit(str(job.model_artifacts.s3_model_artifacts))
    key = model.path.lstrip("/").rpartition("/")[0] + "/output.tar.gz"
    client = session.client("s3")
    listed = client.list_objects_v2(Bucket=model.netloc, Prefix=key)
    if not listed.get("KeyCount"):
        raise ReportMissing(
            f"There is no s3://{model.netloc}/{key}: the job wrote nothing to SM_OUTPUT_DATA_DIR. "
            "Give it a channel 'test'."
        )
    archive = client.get_object(Bucket=model.netloc, Key=key)["Body"].read()
    files = _members(archive)
    try:
        content = json.loads(files["classification_report.json"])
        return Report(
            accuracy=content["accuracy"],
            macro_f1=content["macro_f1"],
            by_label=pd.DataFrame.from_dict(content["labels"], orient="index"),
            errors=pd.read_csv(BytesIO(files["errors.csv"]), keep_default_na=False),
            picture=files["confusion_matrix.png"],
        )
    except KeyError as error:
        found = ", ".join(sorted(files)) or "nothing"
        raise ReportMissing(f"s3://{model.netloc}/{key} has no {error}; it has {found}.") from error


def _members(archive: bytes) -> dict[str, bytes]:
    files = {}
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        for member in tar:
            if member.isfile() and member.size <= _LARGEST_MEMBER:
                content = tar.extractfile(member)
                if content is not None:
                    files[member.name.removeprefix("./")] = content.read()
    return files
