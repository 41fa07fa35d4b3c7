"""What AWS's plain toolkit serves: SetFit as its documentation uses it."""

import json
import os

import torch
from setfit import SetFitModel


def model_fn(model_dir):
    """Load the model that train.py wrote."""
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    return SetFitModel.from_pretrained(model_dir)


def input_fn(body, _content_type):
    """Return the texts."""
    return json.loads(body)["inputs"]


def predict_fn(texts, model):
    """Return the best label of every text, with its probability."""
    probabilities = model.predict_proba(texts, as_numpy=True)
    best = probabilities.argmax(axis=1)
    rows = zip(best, probabilities, strict=True)
    return [{"label": str(model.labels[i]), "score": float(row[i])} for i, row in rows]


def output_fn(answers, _accept):
    """Return JSON."""
    return json.dumps(answers)
