"""The log of a job, read from CloudWatch Logs as it comes.

It must not know how a job is started or what its lines mean.
"""

from collections import deque
from collections.abc import Iterator

from botocore.exceptions import ClientError

from workshop_utils.session import Session

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
TRANSFORM_LOG_GROUP = "/aws/sagemaker/TransformJobs"
# What the SDK's own driver prints around a script's output.
_SCRIPT_STARTS = "Executing command:"
_DRIVER = ("++ ", "Training Container Execution Completed")
# Shell traces, and the environment, which is long and for nobody's eyes.
_NOISE = ("+", "SM_")
_TAIL = 15


class JobLog:
    """The lines of a job's log streams, each once.

    Parameters
    ----------
    session
        Where the job runs.
    job_name
        Its name.
    group
        The log group of its kind of job.

    Attributes
    ----------
    script_started
        Whether the script's own first line has been read.
    before_the_script
        The last lines that came before it, for a job that failed there.
    """

    def __init__(self, session: Session, job_name: str, group: str = LOG_GROUP) -> None:
        self._client = session.client("logs")
        self._group = group
        self._prefix = f"{job_name}/"
        self._tokens: dict[str, str] = {}
        self.script_started = False
        self.before_the_script: deque[str] = deque(maxlen=_TAIL)

    def new(self) -> Iterator[str]:
        """Return the lines that came since the last call."""
        try:
            streams = self._client.describe_log_streams(
                logGroupName=self._group, logStreamNamePrefix=self._prefix
            )["logStreams"]
        except ClientError as error:
            # The group comes to be with the first line of the account's first job.
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return
            raise
        for stream in streams:
            yield from self._read(stream["logStreamName"])

    def of_the_script(self) -> Iterator[str]:
        """Return the new lines of the script itself, without those of the SDK's driver.

        The driver prints the whole environment and its own steps around them.
        """
        for line in self.new():
            if line.startswith(_SCRIPT_STARTS):
                self.script_started = True
            if self.script_started:
                if not line.startswith(_DRIVER):
                    yield line
            elif not line.startswith(_NOISE):
                self.before_the_script.append(line)

    def _read(self, stream: str) -> Iterator[str]:
        while True:
            token = self._tokens.get(stream)
            page = self._client.get_log_events(
                logGroupName=self._group,
                logStreamName=stream,
                startFromHead=True,
                **({"nextToken": token} if token else {}),
            )
            for event in page["events"]:
                yield event["message"]
            self._tokens[stream] = page["nextForwardToken"]
            # CloudWatch repeats the token at the end of what there is.
            if page["nextForwardToken"] == token:
                return
