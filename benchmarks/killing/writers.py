"""Clients that write all the time, each kind of thing SageMaker keeps, and how each is read back.

A writer works on names of its own, in a cycle, so that what is to be checked stays bounded. It
ends when the server is gone; any answer that says "refused" is an error of the server or of the
writer, and is raised.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .ledger import ABSENT, UNKNOWN, Cell, Ledger

MB = 1 << 20
BUCKET = "ledger"
GROUP = "/ledger"
_NAMES = 8
_TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
# A retry would hide that a write is in doubt, or do it twice.
ONCE = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=60)


class Clients:
    """One boto3 client of each service, made anew for each life of the server."""

    def __init__(self) -> None:
        session = boto3.Session()
        self.sagemaker = session.client("sagemaker", config=ONCE)
        self.metrics = session.client("sagemaker-metrics", config=ONCE)
        self.runtime = session.client("sagemaker-runtime", config=ONCE)
        self.s3 = session.client("s3", config=ONCE)
        self.iam = session.client("iam", config=ONCE)
        self.logs = session.client("logs", config=ONCE)


class Writers:
    """Threads that write until they are told to stop or the server is gone.

    Attributes
    ----------
    in_part
        Set while a part of a multipart upload is on its way.
    """

    def __init__(self, ledger: Ledger, clients: Clients, seed: int) -> None:
        self._ledger = ledger
        self._clients = clients
        self._stop = threading.Event()
        self._errors: list[BaseException] = []
        self.in_part = threading.Event()
        work: list[Callable[[random.Random, int], None]] = [
            self._experiments,
            self._models,
            self._objects,
            self._uploads,
            self._roles,
            self._log_lines,
            self._metric_batches,
        ]
        self._threads = [
            threading.Thread(target=self._run, args=(step, random.Random(seed + number)))
            for number, step in enumerate(work)
        ]

    def start(self) -> None:
        """Start writing."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> list[BaseException]:
        """Stop; return the errors that a vanished server does not explain."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self._errors

    def _run(self, step: Callable[[random.Random, int], None], chance: random.Random) -> None:
        try:
            for number in itertools.count():
                if self._stop.is_set():
                    return
                step(chance, number)
        except BotoCoreError:
            return
        except Exception as error:  # noqa: BLE001  (given to whoever stops this)
            self._errors.append(error)

    def _experiments(self, chance: random.Random, number: int) -> None:
        client, ledger = self._clients.sagemaker, self._ledger
        name = f"experiment-{number % _NAMES}"
        record, tags = Cell("experiment", name), Cell("tags", name)
        if ledger.expected(record) == ABSENT:
            ledger.forget(tags)
            with ledger.write(record, ""):
                arn = client.create_experiment(ExperimentName=name)["ExperimentArn"]
            ledger.note(tags, {})
            with ledger.write(tags, {"made": str(number)}):
                client.add_tags(ResourceArn=arn, Tags=[{"Key": "made", "Value": str(number)}])
        text = chance.randbytes(300).hex()
        with ledger.write(record, text):
            client.update_experiment(ExperimentName=name, Description=text)
        if chance.random() < 0.3:
            ledger.forget(tags)
            with ledger.write(record, ABSENT):
                client.delete_experiment(ExperimentName=name)

    def _models(self, chance: random.Random, number: int) -> None:
        client, ledger = self._clients.sagemaker, self._ledger
        name = f"model-{number % _NAMES}"
        cell = Cell("model", name)
        if ledger.expected(cell) != ABSENT:
            with ledger.write(cell, ABSENT):
                client.delete_model(ModelName=name)
        image = f"image-{chance.randrange(10**9)}"
        with ledger.write(cell, image):
            client.create_model(
                ModelName=name,
                PrimaryContainer={"Image": image},
                ExecutionRoleArn="arn:aws:iam::111122223333:role/LocalSageMakerExecutionRole",
            )

    def _objects(self, chance: random.Random, number: int) -> None:
        client, ledger = self._clients.s3, self._ledger
        key = f"object-{number % _NAMES}"
        cell = Cell("object", key)
        if chance.random() < 0.2 and ledger.expected(cell) != ABSENT:
            with ledger.write(cell, ABSENT):
                client.delete_object(Bucket=BUCKET, Key=key)
            return
        data = chance.randbytes(chance.choice([0, 10, 3000, 2 * MB]))
        meta = str(number)
        with ledger.write(cell, (_digest(data), meta)):
            client.put_object(Bucket=BUCKET, Key=key, Body=data, Metadata={"number": meta})

    def _uploads(self, chance: random.Random, number: int) -> None:
        client, ledger = self._clients.s3, self._ledger
        key = f"upload-{number % _NAMES}"
        cell = Cell("multipart object", key)
        made = client.create_multipart_upload(Bucket=BUCKET, Key=key, Metadata={"number": "-"})
        upload = made["UploadId"]
        parts_cell = Cell("parts", f"{key} {upload}")
        parts: dict[int, str] = {}
        digest = hashlib.sha256()
        ledger.note(parts_cell, {})
        for part, size in ((1, 5 * MB), (2, 5 * MB), (3, 70_000)):
            data = chance.randbytes(size)
            digest.update(data)
            self.in_part.set()
            with ledger.write(parts_cell, UNKNOWN) as settle:
                parts[part] = client.upload_part(
                    Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=part, Body=data
                )["ETag"]
                settle(dict(parts))
            self.in_part.clear()
        listed = [{"PartNumber": part, "ETag": etag} for part, etag in parts.items()]
        with ledger.write(parts_cell, ABSENT):
            if chance.random() < 0.2:
                client.abort_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload)
            else:
                with ledger.write(cell, (digest.hexdigest(), "-")):
                    client.complete_multipart_upload(
                        Bucket=BUCKET, Key=key, UploadId=upload, MultipartUpload={"Parts": listed}
                    )

    def _roles(self, chance: random.Random, number: int) -> None:
        client, ledger = self._clients.iam, self._ledger
        name = f"role-{number % _NAMES}"
        cell, policy = Cell("role", name), Cell("role policy", name)
        if ledger.expected(cell) == ABSENT:
            with ledger.write(cell, UNKNOWN) as settle:
                settle(_shown(client.create_role(RoleName=name, AssumeRolePolicyDocument=_TRUST)))
        elif ledger.expected(policy) != ABSENT:
            with ledger.write(policy, ABSENT):
                client.delete_role_policy(RoleName=name, PolicyName="own")
            with ledger.write(cell, ABSENT):
                client.delete_role(RoleName=name)
        else:
            sid = f"n{chance.randrange(10**9)}"
            statement = {"Sid": sid, "Effect": "Allow", "Action": "s3:*", "Resource": "*"}
            document = {"Version": "2012-10-17", "Statement": [statement]}
            with ledger.write(policy, document):
                client.put_role_policy(
                    RoleName=name, PolicyName="own", PolicyDocument=json.dumps(document)
                )
        # Every entry is answered again at the next start: the journal is to stay that of a user.
        self._stop.wait(0.1)

    def _log_lines(self, chance: random.Random, number: int) -> None:
        client, ledger = self._clients.logs, self._ledger
        name = f"stream-{number % 2}"
        cell = Cell("log", name)
        before = ledger.expected(cell)
        if before == ABSENT:
            with ledger.write(cell, ()):
                client.create_log_stream(logGroupName=GROUP, logStreamName=name)
            before = ()
        lines = tuple(f"{number} {chance.randrange(10**9)}" for _ in range(chance.randrange(1, 5)))
        now = int(time.time() * 1000)
        with ledger.write(cell, before + lines):
            client.put_log_events(
                logGroupName=GROUP,
                logStreamName=name,
                logEvents=[{"timestamp": now, "message": line} for line in lines],
            )
        self._stop.wait(0.02)

    def _metric_batches(self, chance: random.Random, number: int) -> None:
        client, ledger = self._clients, self._ledger
        name = f"component-{number % 2}"
        cell = Cell("metrics", name)
        before = ledger.expected(cell)
        if before == ABSENT:
            with ledger.write(cell, ()):
                client.sagemaker.create_trial_component(TrialComponentName=name)
            before = ()
        values = tuple(float(chance.randrange(1000)) for _ in range(chance.randrange(1, 5)))
        with ledger.write(cell, before + values):
            client.metrics.batch_put_metrics(
                TrialComponentName=name,
                MetricData=[
                    {
                        "MetricName": "loss",
                        "Value": value,
                        "Step": len(before) + step,
                        "Timestamp": int(time.time()),
                    }
                    for step, value in enumerate(values)
                ],
            )
        self._stop.wait(0.02)


class Reader:
    """Reads a cell of any of the kinds above."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._kinds: dict[str, Callable[[str], Any]] = {
            "experiment": self._experiment,
            "tags": self._tags,
            "model": self._model,
            "object": self._object,
            "multipart object": self._object,
            "parts": self._parts,
            "role": lambda name: _shown(clients.iam.get_role(RoleName=name)),
            "role policy": self._policy,
            "log": self._log,
            "metrics": self._metrics,
        }

    def __call__(self, cell: Cell) -> Any:
        """Return what the server shows of a cell, ``ABSENT`` when it is not there."""
        try:
            return self._kinds[cell.kind](cell.name)
        except ClientError as error:
            if error.response["Error"]["Code"] in _GONE:
                return ABSENT
            if "Could not find" in str(error):
                return ABSENT
            return f"{error}"

    def _experiment(self, name: str) -> str:
        shown = self._clients.sagemaker.describe_experiment(ExperimentName=name)
        return str(shown.get("Description", ""))

    def _tags(self, name: str) -> dict[str, str]:
        arn = f"arn:aws:sagemaker:us-east-1:111122223333:experiment/{name}"
        tags = self._clients.sagemaker.list_tags(ResourceArn=arn)["Tags"]
        return {tag["Key"]: tag["Value"] for tag in tags}

    def _model(self, name: str) -> str:
        shown = self._clients.sagemaker.describe_model(ModelName=name)
        return str(shown["PrimaryContainer"]["Image"])

    def _object(self, key: str) -> tuple[str, str]:
        shown = self._clients.s3.get_object(Bucket=BUCKET, Key=key)
        return _digest(shown["Body"].read()), shown["Metadata"]["number"]

    def _parts(self, name: str) -> dict[int, str]:
        key, upload = name.split()
        shown = self._clients.s3.list_parts(Bucket=BUCKET, Key=key, UploadId=upload)
        return {part["PartNumber"]: part["ETag"] for part in shown.get("Parts", [])}

    def _policy(self, name: str) -> Any:
        shown = self._clients.iam.get_role_policy(RoleName=name, PolicyName="own")
        return shown["PolicyDocument"]

    def _log(self, name: str) -> tuple[str, ...]:
        pages = self._clients.logs.get_paginator("filter_log_events").paginate(
            logGroupName=GROUP, logStreamNames=[name]
        )
        return tuple(event["message"] for page in pages for event in page["events"])

    def _metrics(self, name: str) -> tuple[float, ...]:
        arn = f"arn:aws:sagemaker:us-east-1:111122223333:experiment-trial-component/{name}"
        query = {
            "MetricName": "loss",
            "ResourceArn": arn,
            "MetricStat": "Last",
            "Period": "IterationNumber",
            "XAxisType": "IterationNumber",
        }
        (answer,) = self._clients.metrics.batch_get_metrics(MetricQueries=[query])[
            "MetricQueryResults"
        ]
        if answer["Status"] != "Complete":
            return (ABSENT,) if "not found" in answer.get("Message", "") else ()
        return tuple(answer["MetricValues"])


def abandon(clients: Clients, ledger: Ledger) -> None:
    """Abort all unfinished uploads, which would be kept for ever, as on S3."""
    for upload in clients.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []):
        clients.s3.abort_multipart_upload(
            Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"]
        )
        ledger.forget(Cell("parts", f"{upload['Key']} {upload['UploadId']}"))


_GONE = frozenset(
    {"ResourceNotFound", "NoSuchKey", "NoSuchUpload", "NoSuchEntity", "ResourceNotFoundException"}
)


def _shown(answer: dict[str, Any]) -> tuple[str, str, str]:
    role = answer["Role"]
    return role["RoleId"], role["Arn"], str(role["CreateDate"])


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
