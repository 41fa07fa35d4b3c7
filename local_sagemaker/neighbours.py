"""The services beside SageMaker that its users need: what each is asked under, and by whom.

It connects rooms as `local_sagemaker.server` does, for all services but SageMaker's own and S3.
"""

from collections.abc import Mapping

from local_sagemaker.cloudwatch.endpoint_metrics import EndpointMetrics
from local_sagemaker.cloudwatch.service import CloudWatch
from local_sagemaker.cloudwatch.store import MetricStore
from local_sagemaker.database import Database
from local_sagemaker.dispatch import JsonDispatcher, QueryDispatcher, RestJsonDispatcher
from local_sagemaker.iam.service import Iam
from local_sagemaker.iam.trust import Trust
from local_sagemaker.identity import Identity
from local_sagemaker.logs.cloudwatch import CloudWatchLogs
from local_sagemaker.logs.group_tags import GroupTags
from local_sagemaker.logs.store import LogStore
from local_sagemaker.operations import Handler
from local_sagemaker.protocol import JsonProtocol, RestJsonProtocol, service_model
from local_sagemaker.query_protocol import QueryProtocol
from local_sagemaker.quotas import Quotas
from local_sagemaker.resources import Resources
from local_sagemaker.s3.buckets import Buckets
from local_sagemaker.schedules import Schedules
from local_sagemaker.sts import Sts
from local_sagemaker.tagging.carriers import Rows, TaggedBuckets
from local_sagemaker.tagging.service import Tagging


class Neighbours:
    """The services, built once.

    Parameters
    ----------
    database, identity
        Where IAM keeps what it is told, and whose keys sign.
    resources, logs, buckets
        What else carries tags.

    Attributes
    ----------
    endpoint_metrics
        Takes down what endpoints measure.
    quotas
        Of all accounts.
    """

    def __init__(
        self,
        database: Database,
        identity: Identity,
        resources: Resources,
        logs: LogStore,
        buckets: Buckets,
    ) -> None:
        self._database = database
        self._identity = identity
        self._resources = resources
        self._logs = logs
        self._buckets = buckets
        self._metrics = MetricStore(database)
        self._schedules = Schedules(resources.records)
        self.quotas = Quotas(database)
        self.endpoint_metrics = EndpointMetrics(self._metrics)

    def json(self) -> dict[str, JsonDispatcher]:
        """Return the services of AWS JSON by the prefix of their target header."""
        records = self._resources.records
        group_tags = GroupTags(self._logs, records)
        tagging = Tagging(
            [
                Rows("sagemaker", records, self._resources.exists),
                Rows("logs", records, group_tags.exists),
                Rows("scheduler", records, self._schedules.exists),
                TaggedBuckets(self._buckets),
            ]
        )
        logs = CloudWatchLogs(self._logs, group_tags)
        cloudwatch = CloudWatch(self._metrics, self.endpoint_metrics.flush)
        return {
            "GraniteServiceVersion20100801": _json("cloudwatch", cloudwatch.operations()),
            "Logs_20140328": _json("logs", logs.operations()),
            "ResourceGroupsTaggingAPI_20170126": _json(
                "resourcegroupstaggingapi", tagging.operations()
            ),
            "ServiceQuotasV20190624": _json("service-quotas", self.quotas.operations()),
        }

    def query(self) -> dict[str, QueryDispatcher]:
        """Return the services of the query protocol by signing name."""
        trust = Trust(self._database)
        iam = Iam(self._database, self._identity, trust)
        sts = Sts(self._identity, trust)
        return {
            "sts": QueryDispatcher(QueryProtocol(service_model("sts")), sts.operations()),
            "iam": QueryDispatcher(
                QueryProtocol(service_model("iam")), iam.operations(), iam.forward
            ),
        }

    def rest(self) -> dict[str, RestJsonDispatcher]:
        """Return the services of rest-json by the first part of their paths."""
        protocol = RestJsonProtocol(service_model("scheduler"))
        scheduler = RestJsonDispatcher(protocol, self._schedules.operations())
        return dict.fromkeys(("schedules", "schedule-groups", "tags"), scheduler)

    def close(self) -> None:
        """Write down what is not yet; the database must still be open."""
        self.endpoint_metrics.close()


def _json(service: str, handlers: Mapping[str, Handler]) -> JsonDispatcher:
    return JsonDispatcher(JsonProtocol(service_model(service)), handlers)
