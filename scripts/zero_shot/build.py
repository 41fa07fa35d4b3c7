"""Make the model folder that an endpoint serves, or its archive, from a model's saved weights.

It runs where the repository is, not in a container: what a container needs is in the folder it
writes, ``code/`` included, part of which comes from ``scripts/few_shot``::

    python scripts/zero_shot/build.py --model FOLDER --output model.tar.gz

FOLDER holds a sentence encoder (as ``SentenceTransformer.save`` writes it) or a model of natural
language inference (as ``save_pretrained`` writes it). ``--output`` is a folder, or an archive where
it ends in ``.tar.gz``; the same weights give the same bytes. Prints what it wrote. A sentence
encoder needs a card, which says what its cosines mean: cards of known encoders are in ``cards/``.
This module must not know of SageMaker.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import shutil
import sys
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
FEW_SHOT = HERE.parent / "few_shot"
CARDS = HERE / "cards"
SERVING = (
    "inference.py",
    "payload.py",
    "choice.py",
    "classifier.py",
    "entailment.py",
    "bi_encoder.py",
    "card.py",
)
ENCODER = "encoder.py"
REQUIREMENTS = "requirements-inference.txt"
# The same weights in other forms, which repositories on the hub have beside each other.
LEFT_OUT = (".*", "*.py", "__pycache__", "*.bin", "*.h5", "*.ot", "*.msgpack", "onnx", "openvino")
# Weights hardly compress, and more than the fastest level only takes time.
_LEVEL = 1
_READ_ALWAYS = 0o644

# At the end, so that no module here is hidden by one of the same name there.
sys.path.append(str(FEW_SHOT))

from card import Card  # noqa: E402 - the path above is for what this imports next
from encoder import ONNX_FILES  # noqa: E402
from encoder_config import EncoderConfig  # noqa: E402
from encoder_graph import EncoderGraph, Int8EncoderGraph  # noqa: E402
from model_readme import write_readme  # noqa: E402
from weights import FILE_NAME, Weights  # noqa: E402

GRAPHS = {"fp32": EncoderGraph, "int8": Int8EncoderGraph}


def main() -> int:
    """Build as the command line asks."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0],
        epilog="Example: python scripts/zero_shot/build.py --model minilm/ --output model.tar.gz",
    )
    parser.add_argument("--model", type=Path, required=True, help="folder of the saved model")
    parser.add_argument("--output", type=Path, required=True, help="folder, or FILE.tar.gz")
    parser.add_argument("--card", type=Path, help="card of a sentence encoder; default: by weights")
    parser.add_argument(
        "--variant", choices=GRAPHS, help="precision of a sentence encoder; default: the card's"
    )
    given = parser.parse_args()
    try:
        build(given.model, given.output, given.card, given.variant)
    except (ValueError, OSError) as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 1
    return 0


def build(model: Path, output: Path, card: Path | None = None, variant: str | None = None) -> Path:
    """Write the model folder or archive; return its path.

    Parameters
    ----------
    model : Path
        The saved model.
    output : Path
        A folder, made or filled anew, or a file ending in ``.tar.gz``.
    card : Path or None
        Card of a sentence encoder; None: the one in ``cards/`` made with these very weights.
    variant : str or None
        ``fp32`` or ``int8`` instead of what the card says.

    Raises
    ------
    ValueError
        If `model` holds neither kind of model, no card is known, or `output` is a folder of
        something else.
    """
    if not output.name.endswith(".tar.gz"):
        _check_folder(model, output)
        _write_folder(model, output, card, variant)
        return output
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        _write_folder(model, folder, card, variant)
        _pack(folder, output)
    return output


def _check_folder(model: Path, output: Path) -> None:
    """Refuse to empty a folder that build.py did not write, or the one it reads."""
    source, target = model.resolve(), output.resolve()
    if source.is_relative_to(target) or target.is_relative_to(source):
        raise ValueError(f"{output} and {model} lie in each other; name another --output.")
    written = (output / "code" / "inference.py").is_file() and (output / "config.json").is_file()
    if output.is_dir() and any(output.iterdir()) and not written:
        raise ValueError(f"{output} holds files that are no model folder; name another one.")


def _write_folder(model: Path, folder: Path, card: Path | None, variant: str | None) -> None:
    encoder, inference = (model / "modules.json").is_file(), (model / "config.json").is_file()
    if not encoder and not inference:
        raise ValueError(
            f"{model} holds no saved model: neither modules.json (a sentence encoder) nor "
            "config.json (a model of natural language inference)."
        )
    if not any(model.glob("*.safetensors")):
        raise ValueError(
            f"{model} has no weights as *.safetensors. Others are pickles, which could run "
            "anything; save the model anew with save_pretrained."
        )
    if not encoder and (card or variant):
        raise ValueError(f"{model} is no sentence encoder; --card and --variant are for those.")
    known = _card_for(model, card) if encoder else None
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(model, folder, ignore=shutil.ignore_patterns(*LEFT_OUT))
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(_READ_ALWAYS)
    if known:
        _write_encoder(folder, known, variant)
    _write_code(folder, known is not None)


def _card_for(model: Path, card: Path | None) -> Card:
    with (model / FILE_NAME).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    known = [Card.read(path) for path in ([card] if card else sorted(CARDS.glob("*.json")))]
    for one in known:
        if one.weights_sha256 == digest:
            return one
    names = ", ".join(one.model for one in known)
    raise ValueError(
        f"The weights in {model} (SHA-256 {digest}) are not those of {names}. What a cosine means "
        "differs from encoder to encoder: measure it as benchmarks/zero_shot.py does, and pass "
        "--card FILE."
    )


def _write_encoder(folder: Path, card: Card, variant: str | None) -> None:
    """Write the graphs, the card and the README of a sentence encoder."""
    config = EncoderConfig.read(folder)
    limit = min(_longest_text(folder) or config.max_tokens, config.max_tokens)
    weights = Weights(folder)
    for name, graph in GRAPHS.items():
        content = graph(config, weights, limit).model().SerializeToString()
        (folder / ONNX_FILES[name]).write_bytes(content)
    encoder = {**card.encoder, "max_tokens": limit}
    if variant and variant != encoder["variant"]:
        encoder |= {"variant": variant, "reason": "build.py was asked for it"}
    final = replace(card, encoder=encoder)
    final.write(folder)
    write_readme(folder, final)


def _longest_text(folder: Path) -> int | None:
    """Return where Sentence Transformers cuts texts, in tokens."""
    path = folder / "sentence_bert_config.json"
    found = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    limit: int | None = found.get("max_seq_length")
    return limit


def _write_code(folder: Path, encoder: bool) -> None:
    code = folder / "code"
    code.mkdir()
    for name in SERVING:
        shutil.copyfile(HERE / name, code / name)
    shutil.copyfile(FEW_SHOT / ENCODER, code / ENCODER)
    if encoder:
        # AWS's images have what the other kind needs.
        shutil.copyfile(FEW_SHOT / REQUIREMENTS, code / "requirements.txt")


def _pack(folder: Path, archive: Path) -> None:
    """Write a folder's content as an archive that is the same for the same content."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    scratch = archive.with_name(archive.name + ".partial")
    print(f"Packing {archive} ...", file=sys.stderr, flush=True)
    with (
        scratch.open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=_LEVEL, fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            member = tarfile.TarInfo(path.relative_to(folder).as_posix())
            member.size = path.stat().st_size
            with path.open("rb") as content:
                tar.addfile(member, content)
    scratch.replace(archive)
    print(f"Wrote {archive} ({archive.stat().st_size / 1e6:.0f} MB)", flush=True)


if __name__ == "__main__":
    sys.exit(main())
