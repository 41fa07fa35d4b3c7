"""What the Hugging Face cache of this machine holds, read from its files alone.

The hub's client would ask the network first, and calls a snapshot without weights complete. It
knows the cache's layout and the variables that say where it is; it must not know what a model is
loaded for.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MAIN = "main"
_TRUE = frozenset({"1", "ON", "YES", "TRUE"})
# huggingface_hub.utils.validate_repo_id: one name or owner/name, without "--" and "..".
_REPOSITORY = re.compile(r"(?!.*(--|\.\.))\w[\w.-]{0,95}(/\w[\w.-]{0,95})?")
_REVISION = re.compile(r"(?!.*\.\.)\w[\w.-]*(/\w[\w.-]*)*")


class NotCached(Exception):
    """The cache does not hold all of a model; the message is the end of "is not there: …"."""


@dataclass(frozen=True)
class HubModel:
    """A model of the Hugging Face hub, as a container's variables name it.

    Attributes
    ----------
    repository
        Its ``HF_MODEL_ID``, such as ``facebook/bart-large-mnli``.
    revision
        Its ``HF_MODEL_REVISION``: a branch, a tag or a commit.
    cache
        The folder that the hub's client downloads to.
    offline
        The variable that forbids to download, None where none does.
    endpoint
        The hub's address.
    token
        The access token, None where there is none.
    """

    repository: str
    revision: str
    cache: Path
    offline: str | None
    endpoint: str
    token: str | None

    @classmethod
    def named_by(cls, environment: Mapping[str, str]) -> "HubModel | None":
        """Return the model that variables name; None when there is none, or a folder is named.

        Raises
        ------
        ValueError
            If ``HF_MODEL_ID`` or ``HF_MODEL_REVISION`` cannot be one.
        """
        repository = environment.get("HF_MODEL_ID", "")
        if not repository or Path(repository).is_absolute():
            return None
        if not _REPOSITORY.fullmatch(repository):
            raise ValueError(
                f"HF_MODEL_ID is {repository!r}: name a repository of the Hugging Face hub, such "
                "as facebook/bart-large-mnli, or /opt/ml/model for the model's own data."
            )
        revision = environment.get("HF_MODEL_REVISION") or MAIN
        if not _REVISION.fullmatch(revision):
            raise ValueError(
                f"HF_MODEL_REVISION is {revision!r}: name a branch, a tag or a commit."
            )
        return cls(
            repository=repository,
            revision=revision,
            cache=_cache_folder(environment),
            offline=next(
                (
                    name
                    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
                    if environment.get(name, "").upper() in _TRUE
                ),
                None,
            ),
            endpoint=(environment.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/"),
            token=_token(environment),
        )

    @property
    def folder(self) -> Path:
        """Where the cache holds the repository, if it does."""
        return self.cache / f"models--{self.repository.replace('/', '--')}"

    def cached(self) -> Path:
        """Return the folder of the model's files in the cache.

        Raises
        ------
        NotCached
            When the repository, its revision, or weights that torch can load are not there.
        """
        if not self.folder.is_dir():
            raise NotCached(f"there is no {self.folder}")
        reference = self.folder / "refs" / self.revision
        commit = reference.read_text("utf-8").strip() if reference.is_file() else self.revision
        snapshot = self.folder / "snapshots" / commit
        if not snapshot.is_dir():
            raise NotCached(f"{self.folder} has no revision {self.revision}")
        if not (snapshot / "config.json").is_file():
            raise NotCached(f"{snapshot} has no config.json")
        missing = _missing_weights(snapshot)
        if missing:
            raise NotCached(f"{snapshot} has no {missing}")
        return snapshot

    def others(self) -> list[str]:
        """Return the repositories that the cache does hold."""
        return sorted(
            path.name.removeprefix("models--").replace("--", "/")
            for path in self.cache.glob("models--*")
            if path.is_dir()
        )

    def how_to_get(self) -> str:
        """Return what brings the model into the cache, as a sentence."""
        revision = "" if self.revision == MAIN else f" --revision {self.revision}"
        return (
            f"On a machine with internet, `hf download {self.repository}{revision}` fetches it; "
            f"then copy the folder {self.folder.name} from ~/.cache/huggingface/hub there to "
            f"{self.cache} here, or set HF_HOME to a folder whose hub/ has it."
        )


def _missing_weights(snapshot: Path) -> str:
    """Return which weights are missing; empty when all are there."""
    indices = [*snapshot.glob("*.safetensors.index.json"), *snapshot.glob("*.bin.index.json")]
    for index in indices:
        lacking = _missing_parts(index)
        if not lacking:
            return ""
    if indices:
        return ", ".join(lacking)
    weights = [*snapshot.glob("*.safetensors"), *snapshot.glob("pytorch_model*.bin")]
    # The links of a download that was removed lead nowhere.
    return "" if any(path.is_file() for path in weights) else "model.safetensors"


def _missing_parts(index: Path) -> list[str]:
    """Return which files that an index of weights names are not beside it."""
    try:
        parts = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return [f"{index.name} that can be read"]
    return sorted(part for part in parts if not (index.parent / part).is_file())


def _cache_folder(environment: Mapping[str, str]) -> Path:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if folder := environment.get(name):
            return Path(folder).expanduser()
    return _home(environment) / "hub"


def _home(environment: Mapping[str, str]) -> Path:
    if home := environment.get("HF_HOME"):
        return Path(home).expanduser()
    caches = environment.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(caches).expanduser() / "huggingface"


def _token(environment: Mapping[str, str]) -> str | None:
    # The toolkit's own variable is HF_API_TOKEN.
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_API_TOKEN"):
        if token := environment.get(name, "").strip():
            return token
    path = Path(environment.get("HF_TOKEN_PATH") or _home(environment) / "token").expanduser()
    try:
        return path.read_text("utf-8").strip() or None
    except OSError:
        return None
