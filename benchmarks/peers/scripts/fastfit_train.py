"""FastFit as its README trains it: `python fastfit_train.py MODEL DATA RESULT EPOCHS SEED`.

DATA is a JSON file with ``train`` and ``test``, each a list of [text, label]; RESULT is one with
what was predicted and what it cost. Runs in FastFit's own environment.
"""

import json
import os
import sys
import time
from pathlib import Path

# Before torch loads: idle threads that spin would count as processor time.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import datasets
import numpy as np
import transformers
from fastfit import FastFitTrainer

# All but num_train_epochs, fp16 (there is no GPU) and report_to are the README's.
STOCK = {
    "label_column_name": "label",
    "text_column_name": "text",
    "per_device_train_batch_size": 32,
    "per_device_eval_batch_size": 64,
    "max_text_length": 128,
    "dataloader_drop_last": False,
    "num_repeats": 4,
    "optim": "adafactor",
    "clf_loss_factor": 0.1,
}
STOCK_EPOCHS = 40


class Progress(transformers.TrainerCallback):
    """Says how far the training is."""

    def on_step_end(self, _args, state, _control, **_):
        """Print every tenth step."""
        if state.global_step % 10 == 0:
            print(f"step={state.global_step}/{state.max_steps}", file=sys.stderr, flush=True)


def table(rows):
    """Return rows as a data set."""
    texts, labels = zip(*rows, strict=True)
    return datasets.Dataset.from_dict({"text": list(texts), "label": list(labels)})


def main(model, data, result, epochs, seed):
    """Train, predict, and write the result."""
    content = json.loads(Path(data).read_text(encoding="utf-8"))
    train, test = table(content["train"]), table(content["test"])
    trainer = FastFitTrainer(
        model_name_or_path=model,
        num_train_epochs=epochs,
        seed=seed,
        report_to="none",
        metric_name=str(Path(__file__).resolve().parent / "fastfit_accuracy.py"),
        train_dataset=train,
        validation_dataset=test,
        test_dataset=test,
        **STOCK,
    )
    trainer.trainer.add_callback(Progress())
    trainer.trainer.remove_callback(transformers.trainer_callback.ProgressCallback)
    trainer.trainer.remove_callback(transformers.trainer_callback.PrinterCallback)
    began, cpu_began = time.monotonic(), time.process_time()
    trainer.train()
    cost = {"cpu_s": time.process_time() - cpu_began, "wall_s": time.monotonic() - began}
    steps = trainer.trainer.state.global_step
    found = trainer.trainer.predict(
        trainer.predict_dataset, ignore_keys=["doc_input_ids", "doc_attention_mask", "labels"]
    )
    scores = found.predictions[0] if isinstance(found.predictions, tuple) else found.predictions
    labels = [trainer.labels[number] for number in np.argmax(scores, axis=1)]
    all_steps = round(steps * STOCK_EPOCHS / epochs)
    facts = {"labels": labels, "steps": steps, "all_steps": all_steps, **cost}
    Path(result).write_text(json.dumps(facts), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:4], float(sys.argv[4]), int(sys.argv[5]))
