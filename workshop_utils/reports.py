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

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
    rows, embeddings
        Numbers of test rows, and what the trained encoder makes of them, shape (n_rows,
        n_features); None of a model that writes none.
    """

    accuracy: float
    macro_f1: float
    by_label: pd.DataFrame
    errors: pd.DataFrame
    picture: bytes = field(repr=False)
    rows: NDArray[np.int64] | None = field(default=None, repr=False)
    embeddings: NDArray[np.float32] | None = field(default=None, repr=False)

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

    def confused_pairs(self, examples: pd.DataFrame, count: int = 6) -> pd.DataFrame:
        """Return the intents that are taken for others most often, with sentences to judge by.

        Parameters
        ----------
        examples
            Training rows, ``text,label``.
        count
            How many pairs.

        Returns
        -------
        pandas.DataFrame
            ``true``, ``answered`` and ``rows``; ``question``, the one of them that the model was
            surest about; and ``a training example of the answer``, the one that shares most words
            with it.
        """
        shown = []
        for label, predicted, rows in self.confusions().head(count).itertuples(index=False):
            wrong = self.errors.query("label == @label and predicted == @predicted")
            question = str(wrong.sort_values("score")["text"].iloc[-1])
            known = examples.loc[examples["label"] == predicted, "text"]
            example = max(known, key=lambda text: _shared_words(question, text), default="")
            shown.append((label, predicted, rows, question, example))
        columns = ["true", "answered", "rows", "question", "a training example of the answer"]
        return pd.DataFrame(shown, columns=columns)


def _shared_words(one: str, other: str) -> float:
    """Return the share of all their words that two sentences have in common."""
    words = [set(text.lower().split()) for text in (one, other)]
    return len(words[0] & words[1]) / max(1, len(words[0] | words[1]))


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
    rows, embeddings = _embeddings(files.get("embeddings.npz"))
    try:
        content = json.loads(files["classification_report.json"])
        return Report(
            accuracy=content["accuracy"],
            macro_f1=content["macro_f1"],
            by_label=pd.DataFrame.from_dict(content["labels"], orient="index"),
            errors=pd.read_csv(BytesIO(files["errors.csv"]), keep_default_na=False),
            picture=files["confusion_matrix.png"],
            rows=rows,
            embeddings=embeddings,
        )
    except KeyError as error:
        found = ", ".join(sorted(files)) or "nothing"
        raise ReportMissing(f"s3://{model.netloc}/{key} has no {error}; it has {found}.") from error


def _embeddings(
    content: bytes | None,
) -> tuple[NDArray[np.int64] | None, NDArray[np.float32] | None]:
    if content is None:
        return None, None
    with np.load(BytesIO(content), allow_pickle=False) as arrays:
        return arrays["rows"], arrays["embeddings"].astype(np.float32)


def _members(archive: bytes) -> dict[str, bytes]:
    files = {}
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        for member in tar:
            if member.isfile() and member.size <= _LARGEST_MEMBER:
                content = tar.extractfile(member)
                if content is not None:
                    files[member.name.removeprefix("./")] = content.read()
    return files
