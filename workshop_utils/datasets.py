"""The labs' data: Banking77, few-shot samples of it, New Year's resolutions, film reviews.

It knows tables of ``text`` and ``label``; it must not know what is trained on them.
"""

import hashlib
import html
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from workshop_utils.display import rows

COLUMNS = ["text", "label"]
DATA = Path(__file__).resolve().parent.parent / "data" / "banking77"
RESOLUTIONS = DATA.parent / "resolutions"
REVIEWS = DATA.parent / "reviews"

HUB_NAME = "PolyAI/banking77"
HUB_REVISION = "refs/convert/parquet"
# SHA-256 over the sorted lines "label<TAB>text" of the official train split (10,003 rows) of
# Casanueva et al. 2020, https://github.com/PolyAI-LDN/task-specific-datasets; independent of the
# file format that a hub serves it in.
TRAIN_FINGERPRINT = "35e8cb366407665e19e228d5e34b7aebf6849b7f7aa3f1956cae261cbd0663e7"


class DatasetError(Exception):
    """The data are not what they should be; the message says which and what to do."""


@dataclass(frozen=True)
class Dataset:
    """A labelled data set.

    Attributes
    ----------
    name, source
        What it is, and where this copy comes from.
    train, test
        Tables with the columns ``text`` and ``label``.
    """

    name: str
    source: str
    train: pd.DataFrame
    test: pd.DataFrame

    @property
    def labels(self) -> list[str]:
        """The labels of the train split, sorted."""
        return sorted(self.train["label"].unique())

    def __str__(self) -> str:
        return (
            f"{self.name}: {len(self.train):,} train and {len(self.test):,} test rows, "
            f"{len(self.labels)} labels. {self.source}"
        )

    def _repr_html_(self) -> str:
        some = rows(self.train.sample(min(5, len(self.train)), random_state=0)).to_html()
        return f"<p>{html.escape(str(self))}</p>{some}"


def banking77(source: Literal["workshop", "hub"] = "workshop") -> Dataset:
    """Return customers' questions to a bank, by intent.

    Parameters
    ----------
    source
        ``workshop`` is the slice written for this workshop, which is always there: all 77
        intents under their Banking77 names, but none of its sentences. ``hub`` is the real data
        set from the Hugging Face hub (CC BY 4.0), which needs internet; its train split is
        checked against a fingerprint.

    Raises
    ------
    DatasetError
        When the hub cannot be reached or serves other rows than the published ones.
    """
    if source == "workshop":
        return Dataset(
            name="Banking77 (workshop slice)",
            source="Written for this workshop with Banking77's 77 intents; figures on it are not "
            "comparable with published ones.",
            train=pd.read_csv(DATA / "train.csv", dtype=str, keep_default_na=False),
            test=pd.read_csv(DATA / "test.csv", dtype=str, keep_default_na=False),
        )
    if source == "hub":
        return _from_hub()
    raise DatasetError(f"There is no source {source!r}: say 'workshop' or 'hub'.")


def resolutions() -> pd.DataFrame:
    """Return New Year's resolutions, written for this workshop, with their categories.

    Returns
    -------
    pandas.DataFrame
        ``text``, ``label`` and ``second_label``: the other category that an ambiguous one may
        have, empty for the others.
    """
    return pd.read_csv(RESOLUTIONS / "resolutions.csv", dtype=str, keep_default_na=False)


def resolution_categories() -> dict[str, str]:
    """Return what each category of the resolutions means, by its name."""
    frame = pd.read_csv(RESOLUTIONS / "categories.csv", dtype=str, keep_default_na=False)
    return dict(zip(frame["label"], frame["description"], strict=True))


def film_reviews(split: Literal["train", "test", "traffic"]) -> pd.DataFrame:
    """Return film reviews, written for this workshop.

    Parameters
    ----------
    split
        ``train`` to begin with, ``test`` to compare models on, ``traffic`` for what an endpoint is
        asked.

    Returns
    -------
    pandas.DataFrame
        ``id, text, label, kind``: the label is ``positive`` or ``negative``, the kind ``clear``,
        ``mixed`` or ``ironic``.
    """
    frame = pd.read_csv(REVIEWS / "reviews.csv", dtype=str, keep_default_na=False)
    return frame[frame["split"] == split].drop(columns="split").reset_index(drop=True)


def real_distribution() -> pd.DataFrame:
    """Return the rows per intent of the real train split, as recorded: ``label,train_rows``."""
    return pd.read_csv(DATA / "real_distribution.csv")


def few_shot(frame: pd.DataFrame, shots: int, seed: int = 0) -> pd.DataFrame:
    """Draw the same number of examples of every label.

    Parameters
    ----------
    frame
        A table with the columns ``text`` and ``label``.
    shots
        Examples per label, at least 1.
    seed
        The same seed draws the same examples.

    Returns
    -------
    pandas.DataFrame
        ``shots`` rows of every label, shuffled, with a new index.

    Raises
    ------
    DatasetError
        When a label has fewer rows, by name.
    """
    if shots < 1:
        raise DatasetError(f"shots must be at least 1, not {shots}")
    counts = frame["label"].value_counts()
    short = counts[counts < shots].sort_index()
    if len(short):
        listed = ", ".join(f"{label} ({count})" for label, count in short.items())
        raise DatasetError(
            f"{shots} shots of every label are asked for, but there are fewer rows of: {listed}. "
            f"At most {counts.min()} shots can be drawn from this table."
        )
    drawn = frame.groupby("label", group_keys=False).sample(n=shots, random_state=seed)
    return drawn.sample(frac=1, random_state=seed).reset_index(drop=True)[COLUMNS]


def fingerprint(frame: pd.DataFrame) -> str:
    """Return a SHA-256 that depends on the rows of a table, not on their order or format."""
    lines = sorted(f"{label}\t{text}\n" for text, label in frame[COLUMNS].itertuples(index=False))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _from_hub() -> Dataset:
    try:
        from datasets import load_dataset

        splits = load_dataset(HUB_NAME, revision=HUB_REVISION)
    except Exception as error:
        # The hub's client raises whatever its many layers raise; all of it means "no data".
        raise DatasetError(
            f"Banking77 cannot be loaded from the Hugging Face hub ({type(error).__name__}: "
            f"{error}). Check the internet connection and HF_HUB_OFFLINE, or use the slice that "
            "comes with the workshop: banking77('workshop')."
        ) from error
    train, test = (_frame(splits[split]) for split in ("train", "test"))
    found = fingerprint(train)
    if found != TRAIN_FINGERPRINT:
        raise DatasetError(
            f"The hub's train split is not the published one: {len(train):,} rows with "
            f"fingerprint {found[:16]}…, expected {TRAIN_FINGERPRINT[:16]}…. Use "
            "banking77('workshop') and report this."
        )
    return Dataset(
        name="Banking77",
        source=f"The real data set (Casanueva et al. 2020, CC BY 4.0) from the hub: {HUB_NAME}; "
        "the train split's fingerprint is verified.",
        train=train,
        test=test,
    )


def _frame(split: object) -> pd.DataFrame:
    from datasets import ClassLabel
    from datasets import Dataset as HubDataset

    if not isinstance(split, HubDataset):
        raise DatasetError(f"The hub served {type(split).__name__} instead of a table.")
    frame = split.to_pandas()
    labels = split.features["label"]
    if isinstance(labels, ClassLabel):
        frame["label"] = [labels.int2str(int(number)) for number in frame["label"]]
    return pd.DataFrame({"text": frame["text"].astype(str), "label": frame["label"].astype(str)})
