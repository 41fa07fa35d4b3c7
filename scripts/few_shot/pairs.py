"""Fine-tuning of an encoder with pairs of sentences: the stock recipe ``setfit``.

SetFit's own trainer does the work; here it is kept from looking for networks and folders it does
not need. This module must not know of heads, of files or of SageMaker.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from recipe import SetFitRecipe

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

LOSS_LINES = 20
# SetFit lists every pair of rows before it draws some: 24 bytes each, 1.2 GB for 10,000 rows.
MAX_ROWS = 10_000


def fine_tune(
    body: SentenceTransformer,
    texts: list[str],
    labels: list[str],
    recipe: SetFitRecipe,
    on_loss: Callable[[int, int, float], None],
) -> None:
    """Fine-tune `body` in place with SetFit's contrastive pairs.

    Parameters
    ----------
    body : SentenceTransformer
        The encoder; changed in place.
    texts, labels : list of str
        The examples.
    recipe : SetFitRecipe
        Its `steps` must be above 0.
    on_loss : callable
        Called with (step, steps, mean loss since the last call) about twenty times.

    Raises
    ------
    ValueError
        If there are more rows than SetFit can list the pairs of.
    """
    if len(texts) > MAX_ROWS:
        raise ValueError(
            f"The recipe setfit would list {len(texts) ** 2 // 2:,} pairs of {len(texts)} rows. "
            f"Use at most {MAX_ROWS:,} rows, or the recipe fast, which lists no pairs."
        )
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments
    from transformers import PrinterCallback, ProgressCallback, TrainerCallback

    steps = recipe.steps(len(texts))
    codes = {label: code for code, label in enumerate(sorted(set(labels)))}

    class Report(TrainerCallback):
        def on_log(self, _: Any, state: Any, __: Any, **kwargs: Any) -> None:
            loss = (kwargs.get("logs") or {}).get("embedding_loss")
            if loss is not None:
                on_loss(state.global_step, steps, float(loss))

    with tempfile.TemporaryDirectory() as scratch:
        trainer = Trainer(
            model=SetFitModel(model_body=body, normalize_embeddings=True),
            args=TrainingArguments(
                output_dir=scratch,
                batch_size=recipe.batch_size,
                num_epochs=1,
                max_steps=steps,
                num_iterations=recipe.num_iterations or None,
                body_learning_rate=recipe.learning_rate,
                seed=recipe.seed,
                logging_strategy="steps",
                logging_steps=max(1, steps // LOSS_LINES),
                # SetFit's defaults look for mlflow and write checkpoints every 500 steps.
                report_to="none",
                save_strategy="no",
                show_progress_bar=False,
            ),
            # Not used, since SetFit never evaluates here, but its default is fetched from the hub.
            metric=lambda _predicted, _true: {},
            callbacks=[Report()],
        )
        # Otherwise torch warns about it wherever there is no GPU.
        trainer.st_trainer.args.dataloader_pin_memory = body.device.type == "cuda"
        for callback in (ProgressCallback, PrinterCallback):
            trainer.remove_callback(callback)
        data = Dataset.from_dict({"text": texts, "label": [codes[label] for label in labels]})
        trainer.train_embeddings(*trainer.dataset_to_parameters(data))
    body.eval()
