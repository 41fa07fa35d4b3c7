"""Builds the rooms of one local SageMaker and connects them.

This is the one place that knows every room. It must not answer a request itself.
"""

from collections.abc import Mapping

from botocore.model import OperationModel
from starlette.applications import Starlette

from local_sagemaker import __version__
from local_sagemaker.app import Services, create_app
from local_sagemaker.catalogs import Catalogs
from local_sagemaker.containers.container import Containers
from local_sagemaker.coverage import refusal
from local_sagemaker.database import Database
from local_sagemaker.dispatch import (
    JsonDispatcher,
    RestJsonDispatcher,
)
from local_sagemaker.edge.deployments import EdgeDeployments
from local_sagemaker.edge.devices import Devices
from local_sagemaker.errors import AWSError
from local_sagemaker.faults.capacity import RequestedInstances
from local_sagemaker.faults.rules import Faults
from local_sagemaker.feature_metadata import FeatureMetadata
from local_sagemaker.hosting.async_inference import AsyncInference
from local_sagemaker.hosting.async_requests import AsyncRequests
from local_sagemaker.hosting.deployments import Deployments
from local_sagemaker.hosting.endpoint_configs import EndpointConfigs
from local_sagemaker.hosting.endpoints import Endpoints
from local_sagemaker.hosting.hub_weights import HubWeights, ModelCreation
from local_sagemaker.hosting.routes import Routes
from local_sagemaker.hosting.runtime import Runtime
from local_sagemaker.hubs.contents import HubContents
from local_sagemaker.hubs.public import PublicHub
from local_sagemaker.human_review.service import HumanReview, Surroundings
from local_sagemaker.identity import Identity
from local_sagemaker.image_versions import ImageVersions
from local_sagemaker.jobs.scheduler import Scheduler
from local_sagemaker.jobs.training import TrainingJobs
from local_sagemaker.jumpstart.aws_models import stock
from local_sagemaker.jumpstart.catalog import Catalog
from local_sagemaker.jumpstart.pages import JumpStartPages
from local_sagemaker.logs.store import LogStore
from local_sagemaker.monitoring import Monitoring
from local_sagemaker.neighbours import Neighbours
from local_sagemaker.operations import Handler, Room
from local_sagemaker.own_pages import OwnPages
from local_sagemaker.pipelines.calls import Calls
from local_sagemaker.pipelines.engine import Engine
from local_sagemaker.pipelines.executions import PipelineExecutions
from local_sagemaker.pipelines.step_run import Services as PipelineServices
from local_sagemaker.pipelines.versions import PipelineVersions
from local_sagemaker.pipelines.views import ExecutionViews
from local_sagemaker.policies import Policies
from local_sagemaker.portal.access import open_access
from local_sagemaker.portal.pages import Portal
from local_sagemaker.processing.jobs import ProcessingJobs
from local_sagemaker.protocol import JsonProtocol, RestJsonProtocol, service_model
from local_sagemaker.registry.model_cards import ModelCards
from local_sagemaker.registry.packages import ModelPackages
from local_sagemaker.request_log.observer import Observer
from local_sagemaker.request_log.statistics import RequestStatistics
from local_sagemaker.request_log.writer import RequestLog
from local_sagemaker.resources import Resources
from local_sagemaker.s3.objects import Objects
from local_sagemaker.s3.service import S3
from local_sagemaker.s3.tree import Tree
from local_sagemaker.server_status import ServerStatus
from local_sagemaker.settings import Settings
from local_sagemaker.store import Records
from local_sagemaker.tracking.experiments import Experiments
from local_sagemaker.tracking.job_components import JobComponents
from local_sagemaker.tracking.lineage import Associations, Lineage
from local_sagemaker.tracking.lineage_groups import LineageGroups
from local_sagemaker.tracking.lineage_query import LineageQuery
from local_sagemaker.tracking.metric_series import MetricSeries
from local_sagemaker.tracking.metrics import Metrics
from local_sagemaker.tracking.model_documents import ModelDocuments
from local_sagemaker.tracking.search import Search
from local_sagemaker.tracking.suggestions import Suggestions
from local_sagemaker.transform.jobs import TransformJobs
from local_sagemaker.unrun.automl import AutoMLJobs
from local_sagemaker.unrun.jobs import UnrunJobs

_CLOSE_SECONDS = 10.0


class Server:
    """One local SageMaker.

    Parameters
    ----------
    settings
        Where it lives.
    token
        Opens its own pages to the command line.

    Raises
    ------
    StoreError
        When the state on disk cannot be used.
    """

    def __init__(self, settings: Settings, token: str) -> None:
        self.settings = settings
        self._token = token
        self.database = Database(settings.home / "state.db")
        self.identity = Identity(self.database, settings.account)
        self.records = Records(self.database)
        self.faults = Faults(RequestedInstances(self.records))
        self.resources = Resources(self.records, service_model("sagemaker"))
        self.series = MetricSeries(self.database)
        self.associations = Associations(self.database)
        self.experiments = Experiments(self.resources, self.series, self.associations)
        self.objects = Objects(self.database, settings.home / "s3")
        self.catalog = Catalog(self.objects, settings.region)
        self.catalog.stock(*stock())
        self.s3 = S3(self.objects)
        self.logs = LogStore(settings.home / "logs")
        self.neighbours = Neighbours(
            self.database, self.identity, self.resources, self.logs, self.objects.buckets
        )
        self.containers = Containers(settings, self.identity)
        scheduler = Scheduler(settings.max_jobs)
        self.training = TrainingJobs(
            self.resources,
            self.objects,
            self.containers,
            self.logs,
            scheduler,
            self.faults.shortage,
            log_metrics=JobComponents(self.records, self.series).log,
        )
        self.training.recover()
        self.processing = ProcessingJobs(
            self.resources,
            self.objects,
            self.containers,
            self.logs,
            scheduler,
            self.faults.shortage,
        )
        self.processing.recover()
        self.transforms = TransformJobs(
            self.resources,
            self.objects,
            self.containers,
            self.logs,
            scheduler,
            self.faults.shortage,
        )
        self.transforms.recover()
        routes = Routes()
        self.asynchronous = AsyncInference(AsyncRequests(self.database), self.objects, routes)
        self.runtime = Runtime(routes, self.asynchronous)
        deployments = Deployments(
            self.containers, self.objects, self.logs, settings.serverless_idle_seconds
        )
        deployments.statistics.watch(self.neighbours.endpoint_metrics)
        self.endpoints = Endpoints(
            self.resources,
            deployments,
            routes,
            self.faults.shortage,
        )
        self.endpoints.recover()
        self.asynchronous.recover()
        self.human_review = HumanReview(
            Surroundings(settings, self.resources, self.objects, self.identity)
        )
        self.portal = Portal(self.human_review, open_access(settings.home), settings)
        self.requests = RequestStatistics()
        self.status = ServerStatus(
            settings,
            __version__,
            records=self.records,
            queue=scheduler,
            endpoints=self.endpoints.statistics,
            faults=self.faults,
            requests=self.requests,
            review=self.portal.status,
        )
        # Last, because their threads would outlive a server that does not come to be.
        self.request_log = RequestLog(settings.home)
        self.tree = Tree(self.objects, settings.home / "tree")
        self.human_review.recover()
        self._operations = self._sagemaker()
        calls = Calls(JsonProtocol(service_model("sagemaker")), self._operations, self.faults)
        self.pipelines = Engine(PipelineServices(self.records, self.objects, calls))
        self.pipelines.recover()

    def application(self) -> Starlette:
        """Return the ASGI application."""
        return create_app(
            self._services(),
            self.identity,
            self.settings.port,
            hosts=self.settings.portal_hosts,
            portal=self.portal,
            pages=OwnPages(
                self._token,
                self.status,
                self.faults,
                lambda: self.tree.rebuild().to_dict(),
                JumpStartPages(self.catalog, self.settings.region),
                self.neighbours.quotas,
            ),
            faults=self.faults,
            observer=Observer(self.request_log, self.requests),
        )

    def _services(self) -> Services:
        sagemaker = (
            self._operations
            | PipelineExecutions(self.resources, self.objects, self.pipelines).operations()
        )
        metrics = Metrics(self.series, self.records, self.experiments.trial_component)
        metrics_api = _rest("sagemaker-metrics", metrics.operations())
        human_loops = _rest("sagemaker-a2i-runtime", self.human_review.runtime_operations())
        return Services(
            json={
                "SageMaker": JsonDispatcher(
                    JsonProtocol(service_model("sagemaker")), sagemaker, _declared_refusal
                ),
                **self.neighbours.json(),
            },
            query=self.neighbours.query(),
            rest={
                "BatchPutMetrics": metrics_api,
                "BatchGetMetrics": metrics_api,
                "human-loops": human_loops,
                **self.neighbours.rest(),
            },
            s3=self.s3,
            runtime=self.runtime,
        )

    def _sagemaker(self) -> dict[str, Handler]:
        """Return the operations of SageMaker but for those that a pipeline is executed by."""
        sagemaker = self.resources.operations()
        documents = self.experiments.search_documents() | {
            "Model": ModelDocuments(self.resources).models
        }
        search = Search(self.resources, service_model("sagemaker"), documents)
        # What a room does itself takes the place of the generic operation.
        rooms: list[Room] = [
            self.experiments,
            Lineage(self.resources, self.associations),
            LineageGroups(self.records),
            LineageQuery(self.resources, self.associations),
            search,
            Suggestions(search),
            *self._records_of_their_own(),
            self._model_creation(),
            self.training,
            self.processing,
            self.transforms,
            EndpointConfigs(self.resources),
            self.endpoints,
            self.human_review,
        ]
        for room in rooms:
            sagemaker |= room.operations()
        sagemaker |= PublicHub(self.catalog, dict(sagemaker)).operations()
        return sagemaker

    def _model_creation(self) -> ModelCreation:
        packages = ModelPackages(self.resources)
        return ModelCreation(packages.create_model, HubWeights(), packages.describe)

    def _records_of_their_own(self) -> list[Room]:
        """Return the rooms that keep records with rules of their own, and run nothing."""
        devices = Devices(self.resources)
        return [
            AutoMLJobs(self.resources),
            Catalogs(self.records),
            devices,
            EdgeDeployments(self.resources, devices),
            FeatureMetadata(self.resources),
            HubContents(self.resources),
            ImageVersions(self.resources),
            ModelCards(self.resources),
            ModelPackages(self.resources),
            Monitoring(self.resources),
            PipelineVersions(self.resources, self.objects),
            ExecutionViews(self.resources),
            Policies(self.resources),
            UnrunJobs(self.resources),
        ]

    def close(self) -> None:
        """Close what is open; the state on disk stays."""
        self.request_log.close()
        self.human_review.close()
        # First, so that an execution is not told of the jobs that end with the server.
        self.pipelines.close()
        self.asynchronous.close()
        self.endpoints.close()
        self.neighbours.close()
        self.transforms.close()
        self.processing.close()
        self.training.close()
        self.pipelines.join(_CLOSE_SECONDS)
        self.s3.close()
        self.tree.close()
        self.objects.close()
        self.database.close()


def _rest(service: str, handlers: Mapping[str, Handler]) -> RestJsonDispatcher:
    protocol = RestJsonProtocol(service_model(service))
    return RestJsonDispatcher(protocol, handlers, _declared_refusal)


def _declared_refusal(operation: OperationModel) -> AWSError:
    return refusal(operation.name)
