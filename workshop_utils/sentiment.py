"""Lab 3's own part: its data in S3, the recipe of its pipeline, and what an execution starts with.

It puts the other modules together; it must not do their work.
"""

import pandas as pd

from workshop_utils import answers, datasets, instances, model_registry, models, pipelines
from workshop_utils.endpoints import Endpoint
from workshop_utils.pipeline_recipe import Recipe
from workshop_utils.session import PREFIX, Session

NAME = f"{PREFIX}-sentiment"
_BATCH = 64


def recipe(
    session: Session, *, encoder: str = models.MINILM, **hyperparameters: str | int | float
) -> Recipe:
    """Send the lab's data and the encoder to S3; return what the pipeline is made of.

    Parameters
    ----------
    session
        Where.
    encoder
        What is fine-tuned: the encoder that comes with the workshop, or a model of the Hugging
        Face hub such as ``distilbert-base-uncased``.
    **hyperparameters
        Of `scripts/sentiment/train.py`, for instance ``seed`` and ``epochs``.
    """
    for split in ("train", "test"):
        frame = datasets.film_reviews(split)[["text", "label"]]
        session.upload(frame.to_csv(index=False).encode(), "data", split, f"{split}.csv")
    # A job's input prefix must not be empty, and these two begin so.
    session.upload(b"People's answers lie below this prefix.\n", "reviews", "README.txt")
    session.upload(b"No model is approved yet.\n", "no-champion", "README.txt")
    return Recipe(
        name=NAME,
        group=NAME,
        base=session.uri("data", "train/"),
        test=session.uri("data", "test/"),
        encoder=models.base_model(session, encoder),
        reviews=session.uri("reviews/"),
        no_champion=session.uri("no-champion/"),
        training_type=instances.for_training(session),
        hyperparameters=hyperparameters,
    )


def learn(pipeline: pipelines.Pipeline) -> pipelines.Execution:
    """Start the pipeline on the base data and every answer there is, against the champion."""
    session, made = pipeline.session, pipeline.recipe
    version = answers.versions_of(session, made.reviews)
    best = model_registry.champion(session, made.group)
    champion = made.no_champion if best is None else best.model_data
    return pipeline.start(version, {"Champion": champion, "ReviewsVersion": version})


def classify(endpoint: Endpoint, reviews: pd.DataFrame) -> pd.DataFrame:
    """Ask an endpoint about reviews, some at a time.

    Parameters
    ----------
    endpoint
        What is asked.
    reviews
        Column ``text``; with a column ``label`` the answers are judged.

    Returns
    -------
    pandas.DataFrame
        The reviews with ``predicted``, ``score``, and ``right`` if they have labels.
    """
    texts = list(reviews["text"])
    found = []
    for first in range(0, len(texts), _BATCH):
        found += endpoint.predict(texts[first : first + _BATCH])
    answered = reviews.assign(
        predicted=[str(one["label"]) for one in found],
        score=[float(one["score"]) for one in found],
    )
    if "label" in answered:
        answered["right"] = answered["predicted"].str.casefold() == answered["label"].str.casefold()
    return answered
