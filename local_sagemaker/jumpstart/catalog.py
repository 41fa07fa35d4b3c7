"""The models of the hub: specs, a manifest of them and their archives in one shared bucket.

The bucket is the only truth; it can be read by every account, under a name in every region, and is
written here alone. A manifest names a spec only when all that the spec names is there, so a killed
server leaves no half of a model. It must not know HTTP, nor how anybody sees the hub.
"""

import hashlib
import json
import logging
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from local_sagemaker.errors import AWSError
from local_sagemaker.jumpstart.entry import Entry, check_version
from local_sagemaker.jumpstart.published import Archives, PublishError
from local_sagemaker.jumpstart.specification import (
    BUCKET_PREFIX,
    Artifacts,
    Spec,
    header,
    spec_key,
    specification,
)
from local_sagemaker.s3.buckets import SharedBucket
from local_sagemaker.s3.objects import Objects

_LOG = logging.getLogger(__name__)

OWNER = "aws"
"""Whose the hub is, as in the ARNs of AWS's own; no account has this name."""

MANIFEST = "models_manifest.json"
PROPRIETARY_MANIFEST = "proprietary-sdk-manifest.json"
FIRST_VERSION = "1.0.0"
_BUCKET = SharedBucket(name="JumpStart", prefix=BUCKET_PREFIX, account=OWNER)
_INFERENCE = "inference"
# The SDK's list of models takes the first line of this manifest for granted, and leaves out those
# that need a newer SDK than itself: so this one is never seen.
_NOTHING_PROPRIETARY = [
    {
        "model_id": "local-none-none",
        "version": "0.0.0",
        "min_version": "9999.0.0",
        "spec_key": "proprietary-models/local-none-none/none.json",
    }
]


@dataclass(frozen=True)
class Version:
    """A version of a model.

    Attributes
    ----------
    spec
        What the bucket says about it.
    modified
        When it was written, in seconds since the epoch.
    """

    spec: Spec
    modified: float

    @property
    def aws(self) -> bool:
        """Whether it stands for a model of AWS's hub."""
        return bool(self.spec["local"]["aws"])


class Catalog:
    """The models of the hub.

    Parameters
    ----------
    objects
        The object store.
    region
        Where the server is.
    """

    def __init__(self, objects: Objects, region: str) -> None:
        self._objects = objects
        self._region = region
        self._writing = threading.Lock()
        objects.buckets.share(_BUCKET, region)

    def every(self) -> list[Version]:
        """Return all versions of all models, by id and the oldest first."""
        return self._versions(self._manifest())

    def newest(self) -> list[Version]:
        """Return the newest version of each model, by id."""
        return list({version.spec["model_id"]: version for version in self.every()}.values())

    def versions(self, model_id: str) -> list[Version]:
        """Return the versions of a model, the oldest first; none where there is no such model."""
        return self._versions(line for line in self._manifest() if line["model_id"] == model_id)

    def publish(
        self, entry: Entry, archives: Archives, version: str | None = None
    ) -> tuple[Spec, bool]:
        """Put a model into the hub.

        Parameters
        ----------
        entry
            What is said about it.
        archives
            Its files, checked.
        version
            Which version; the one after the newest if None, or the newest itself where nothing
            is different.

        Returns
        -------
        spec, created
            The version that is there now, and whether it was not there before.

        Raises
        ------
        PublishError
            When it is an id of AWS's own, or the version is there and different.
        """
        digest = _digest(entry, archives)
        with self._writing:
            there = self.versions(entry.model_id)
            _check_own(entry.model_id, there)
            same = _same(there, digest, version)
            if same is not None:
                return same, False
            if version is None:
                version = _next(there)
            check_version(version)
            prefix = f"huggingface-{_INFERENCE}/published/{entry.model_id}/v{version}/"
            keys = [f"{prefix}infer-prepack-{entry.model_id}.tar.gz", f"{prefix}sourcedir.tar.gz"]
            self._objects.put_file(OWNER, self._region, _BUCKET.name, keys[0], archives.model)
            if archives.script is not None:
                self._objects.put_file(OWNER, self._region, _BUCKET.name, keys[1], archives.script)
            artifacts = Artifacts(
                model=keys[0],
                script=keys[1] if archives.script is not None else None,
                size=archives.model.stat().st_size,
                digest=digest,
            )
            spec = specification(
                entry,
                version,
                artifacts,
                image=_INFERENCE,
                aws=False,
                source=entry.model_id,
            )
            self._put_spec(spec)
            self._put_manifest([*self._manifest(), header(spec)])
        return spec, True

    def remove(self, model_id: str, version: str | None = None) -> list[Spec]:
        """Remove a published model or one version of it; return what was removed.

        Raises
        ------
        PublishError
            When it is not there, or AWS's own.
        """
        with self._writing:
            there = self.versions(model_id)
            _check_own(model_id, there)
            gone = [one.spec for one in there if version in (None, one.spec["version"])]
            if not gone:
                raise PublishError(_absent(model_id, version, there, self.newest()))
            keys = {spec_key(model_id, spec["version"]) for spec in gone}
            self._put_manifest([line for line in self._manifest() if line["spec_key"] not in keys])
            for spec in gone:
                keys.add(spec["hosting_prepacked_artifact_key"])
                keys.add(spec.get("hosting_script_key", ""))
            self._objects.delete_many(OWNER, _BUCKET.name, sorted(keys - {""}))
        return gone

    def stock(self, specs: list[Spec], archives: Mapping[str, bytes]) -> None:
        """Have AWS's own models in the hub, exactly these; without room for them, none.

        A server on a full disk still has to start, so that somebody can look at it.

        Parameters
        ----------
        specs
            Their specs.
        archives
            What lies under the keys that the specs name.
        """
        try:
            with self._writing:
                self._stock(specs, archives)
        except (OSError, sqlite3.OperationalError):
            _LOG.exception("JumpStart's models cannot be written")

    def _stock(self, specs: list[Spec], archives: Mapping[str, bytes]) -> None:
        lines = [header(spec) for spec in specs]
        keys = {line["spec_key"] for line in lines}
        there = self._manifest() if self._there(MANIFEST) else []
        lines += [
            line
            for line in there
            if line["spec_key"] not in keys and not self._version(line["spec_key"]).aws
        ]
        # One commit instead of a dozen, because a new server's user waits for it.
        with self._objects.database.transaction():
            for key, data in archives.items():
                self._put(key, data)
            for spec in specs:
                self._put_spec(spec)
            self._put(PROPRIETARY_MANIFEST, _json(_NOTHING_PROPRIETARY))
            self._put_manifest(lines)

    def _manifest(self) -> list[dict[str, Any]]:
        if not self._there(MANIFEST):
            raise AWSError(
                "InternalFailure",
                "JumpStart's models could not be written when this server started: its disk was "
                "full. Free some space, stop the server and start it again.",
                507,
            )
        with self._objects.open(OWNER, _BUCKET.name, MANIFEST) as stream:
            lines: list[dict[str, Any]] = json.load(stream)
        return lines

    def _versions(self, lines: Iterable[dict[str, Any]]) -> list[Version]:
        versions = []
        for line in lines:
            try:
                versions.append(self._version(line["spec_key"]))
            except AWSError as error:
                # It may have been removed since the manifest was read.
                if error.code != "NoSuchKey":
                    raise
        return sorted(versions, key=_order)

    def _version(self, key: str) -> Version:
        stored, reader = self._objects.read(OWNER, _BUCKET.name, key)
        with reader:
            return Version(json.loads(reader.readall()), stored.info.modified)

    def _there(self, key: str) -> bool:
        return self._objects.exists(OWNER, _BUCKET.name, key)

    def _put_spec(self, spec: Spec) -> None:
        self._put(spec_key(spec["model_id"], spec["version"]), _json(spec))

    def _put_manifest(self, lines: Iterable[dict[str, Any]]) -> None:
        ordered = sorted(lines, key=lambda line: (line["model_id"], check_version(line["version"])))
        self._put(MANIFEST, _json(ordered))

    def _put(self, key: str, data: bytes) -> None:
        """Write an object unless it is there as it is to be."""
        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        try:
            if self._objects.head(OWNER, _BUCKET.name, key).info.etag == etag:
                return
        except AWSError:
            # It is not there.
            pass
        self._objects.put_bytes(OWNER, self._region, _BUCKET.name, key, data)


def _json(content: Any) -> bytes:
    return json.dumps(content, indent=1, sort_keys=True).encode()


def _order(version: Version) -> tuple[str, tuple[int, int, int]]:
    return version.spec["model_id"], check_version(version.spec["version"])


def _digest(entry: Entry, archives: Archives) -> str:
    said = json.dumps(entry.to_dict(), sort_keys=True)
    return hashlib.sha256(f"{archives.digest} {said}".encode()).hexdigest()


def _check_own(model_id: str, there: list[Version]) -> None:
    if any(version.aws for version in there):
        raise PublishError(
            f"{model_id} is a model of AWS's hub, and no other one may answer in its name: "
            "publish under an id of your own"
        )


def _same(there: list[Version], digest: str, version: str | None) -> Spec | None:
    """Return the version that already is what is to be published, or None."""
    if version is None:
        newest = there[-1].spec if there else None
        return newest if newest and newest["local"]["digest"] == digest else None
    for one in there:
        if one.spec["version"] == version:
            if one.spec["local"]["digest"] == digest:
                return one.spec
            raise PublishError(
                f"{one.spec['model_id']} {version} is there with other contents, and a version "
                "never changes: leave the version out to get the next one, or remove it first"
            )
    return None


def _next(there: list[Version]) -> str:
    if not there:
        return FIRST_VERSION
    major, minor, patch = check_version(there[-1].spec["version"])
    return f"{major}.{minor}.{patch + 1}"


def _absent(model_id: str, version: str | None, there: list[Version], newest: list[Version]) -> str:
    if there:
        known = ", ".join(one.spec["version"] for one in there)
        return f"there is no version {version} of {model_id}; there are: {known}"
    own = [one.spec["model_id"] for one in newest if not one.aws]
    return f"there is no published model {model_id}; there are: {', '.join(own) or 'none'}"
