"""Endpoints that stay up: updates under load, weights, capacities, processes that keep dying."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_sagemaker.endpoint_support import Deployer, answering, refused

SWAPS = 10
CONNECTIONS = 16


def _until(condition: Callable[[], object]) -> None:
    while not condition():
        time.sleep(0.05)


class Load:
    """Steady requests from several connections, each noted with the time it was sent."""

    def __init__(self, deployer: Deployer, name: str, connections: int) -> None:
        self._deployer = deployer
        self._name = name
        self._done = threading.Event()
        self.answers: list[tuple[float, str]] = []
        self.errors: list[ClientError] = []
        self._threads = [threading.Thread(target=self._ask) for _ in range(connections)]

    def _ask(self) -> None:
        while not self._done.is_set():
            sent = time.monotonic()
            try:
                self.answers.append((sent, self._deployer.invoke(self._name, "hello")["Body"]))
            except ClientError as error:
                self.errors.append(error)

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.slow
def test_ten_updates_under_load_cost_no_request(deployer: Deployer) -> None:
    names = [f"generation {number}" for number in range(SWAPS + 1)]
    configs = [deployer.config({"ModelName": deployer.model(answering(n))}) for n in names]
    name = deployer.create(configs[0])
    deployer.settled(name)
    settled: list[tuple[float, str]] = []
    with Load(deployer, name, CONNECTIONS) as load:
        for config, generation in zip(configs[1:], names[1:], strict=True):
            deployer.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
            assert deployer.settled(name)["EndpointConfigName"] == config
            settled.append((time.monotonic(), generation))
            answered = len(load.answers)
            _until(lambda: len(load.answers) > answered + CONNECTIONS)  # noqa: B023  (called here)
    assert not load.errors
    assert {answer for _, answer in load.answers} == set(names)
    for (moment, generation), following in zip(settled, [*settled[1:], None], strict=True):
        place = names.index(generation)
        # Until the next update, what is asked is answered by this generation or the next.
        allowed = {generation, *names[place + 1 : place + 2]}
        end = following[0] if following is not None else float("inf")
        found = {answer for sent, answer in load.answers if moment <= sent < end}
        assert found <= allowed, generation


def test_a_second_update_is_refused_while_the_first_is_under_way(
    deployer: Deployer, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    slow = f"""
        import os, time
        def model_fn(d):
            while not os.path.exists({str(gate)!r}):
                time.sleep(0.01)
        def transform_fn(m, d, c, a): return "new"
    """
    name = deployer.deploy(answering("old"))
    config = deployer.config({"ModelName": deployer.model(slow)})
    deployer.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
    for operation in (
        lambda: deployer.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config),
        lambda: deployer.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=name,
            DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredWeight": 2}],
        ),
        lambda: deployer.sagemaker.delete_endpoint(EndpointName=name),
    ):
        with refused("ValidationException") as error:
            operation()
        assert "Cannot update in-progress endpoint" in error["Message"]
    assert deployer.invoke(name)["Body"] == "old"
    state = deployer.describe(name)
    assert state["EndpointConfigName"] != config
    pending = state["PendingDeploymentSummary"]
    assert pending["EndpointConfigName"] == config
    assert [variant["VariantName"] for variant in pending["ProductionVariants"]] == ["AllTraffic"]
    assert state["CreationTime"] < pending["StartTime"] <= state["LastModifiedTime"]
    gate.touch()
    assert "PendingDeploymentSummary" not in deployer.settled(name)
    assert deployer.invoke(name)["Body"] == "new"


def test_weights_are_shares(deployer: Deployer) -> None:
    variants: list[dict[str, Any]] = [
        {"VariantName": letter, "ModelName": deployer.model(answering(letter))} for letter in "ab"
    ]
    variants[0]["InitialVariantWeight"] = 3
    name = deployer.create(deployer.config(*variants))
    deployer.settled(name)

    def shares(requests: int) -> Counter[str]:
        return Counter(deployer.invoke(name)["Body"] for _ in range(requests))

    assert abs(shares(100)["a"] - 75) <= 2
    deployer.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=name, DesiredWeightsAndCapacities=[{"VariantName": "a", "DesiredWeight": 0}]
    )
    deployer.settled(name)
    assert shares(20) == {"b": 20}
    assert deployer.invoke(name, TargetVariant="a")["Body"] == "a"
    with refused("ValidationException") as error:
        deployer.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=name,
            DesiredWeightsAndCapacities=[{"VariantName": "a", "DesiredInstanceCount": 0}],
        )
    assert "a variant needs an instance" in error["Message"]


def test_a_deployment_configuration_is_kept_and_shown(deployer: Deployer) -> None:
    name = deployer.deploy(answering("old"))
    policy = {
        "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0},
        "TerminationWaitInSeconds": 0,
    }
    config = deployer.config({"ModelName": deployer.model(answering("new"))})
    deployer.sagemaker.update_endpoint(
        EndpointName=name,
        EndpointConfigName=config,
        DeploymentConfig={"BlueGreenUpdatePolicy": policy},
    )
    assert deployer.settled(name)["LastDeploymentConfig"] == {"BlueGreenUpdatePolicy": policy}
    deployer.sagemaker.update_endpoint(
        EndpointName=name, EndpointConfigName=config, RetainDeploymentConfig=True
    )
    assert "LastDeploymentConfig" in deployer.settled(name)
    deployer.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
    assert "LastDeploymentConfig" not in deployer.settled(name)


@pytest.mark.slow
def test_an_endpoint_whose_process_cannot_start_again_is_out_of_service(
    deployer: Deployer, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    code = f"""
        import os
        if os.path.exists({str(broken)!r}):
            raise OSError("the weights are gone")
        def model_fn(d): pass
        def transform_fn(model, data, c, a):
            if data:
                os._exit(1)
            return "fine"
    """
    name = deployer.deploy(code)
    broken.touch()
    with refused("ModelError"):
        deployer.invoke(name, "die")
    _until(lambda: deployer.describe(name)["EndpointStatus"] == "OutOfService")
    assert "OSError: the weights are gone" in deployer.describe(name)["FailureReason"]
    broken.unlink()
    _until(lambda: deployer.describe(name)["EndpointStatus"] == "InService")
    assert "FailureReason" not in deployer.describe(name)
    assert deployer.invoke(name)["Body"] == "fine"
