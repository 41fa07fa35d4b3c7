"""An endpoint's variants, instances and updates: how many processes serve what."""

from tests.local_sagemaker.endpoint_support import Deployer, answering, refused, wait_for


def test_variants_share_requests_by_weight(deployer: Deployer) -> None:
    config = deployer.config(
        {"VariantName": "a", "ModelName": deployer.model(answering("A"))},
        {
            "VariantName": "b",
            "ModelName": deployer.model(answering("B")),
            "InitialVariantWeight": 0,
        },
    )
    name = deployer.create(config)
    deployer.settled(name)

    def invoked() -> set[str]:
        answers = [deployer.invoke(name) for _ in range(40)]
        assert all(a["Body"] == a["InvokedProductionVariant"].upper() for a in answers)
        return {answer["Body"] for answer in answers}

    assert invoked() == {"A"}
    assert deployer.invoke(name, TargetVariant="b")["Body"] == "B"
    with refused("ValidationError") as error:
        deployer.invoke(name, TargetVariant="c")
    assert "Variant c of endpoint" in error["Message"]
    deployer.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=name,
        DesiredWeightsAndCapacities=[
            {"VariantName": "a", "DesiredWeight": 1},
            {"VariantName": "b", "DesiredWeight": 1, "DesiredInstanceCount": 2},
        ],
    )
    shown = deployer.settled(name)["ProductionVariants"]
    assert [variant["CurrentWeight"] for variant in shown] == [1, 1]
    assert [variant["CurrentInstanceCount"] for variant in shown] == [1, 2]
    assert invoked() == {"A", "B"}
    with refused("ValidationException") as error:
        deployer.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=name,
            DesiredWeightsAndCapacities=[{"VariantName": "z", "DesiredWeight": 1}],
        )
    assert "has no production variant z" in error["Message"]


def test_instances_are_processes(deployer: Deployer) -> None:
    code = "import os\ndef model_fn(d): pass\ndef transform_fn(m, d, c, a): return str(os.getpid())"
    model = deployer.model(code)
    before = len(deployer.processes())
    name = deployer.create(deployer.config({"ModelName": model, "InitialInstanceCount": 2}))
    (shown,) = deployer.settled(name)["ProductionVariants"]
    assert shown["CurrentInstanceCount"] == 2
    assert len(deployer.processes()) == before + 2
    assert len({deployer.invoke(name)["Body"] for _ in range(4)}) == 2
    deployer.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=name,
        DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 1}],
    )
    deployer.settled(name)
    assert len({deployer.invoke(name)["Body"] for _ in range(4)}) == 1


def test_an_instance_may_have_several_model_server_workers(deployer: Deployer) -> None:
    code = "import os\ndef model_fn(d): pass\ndef transform_fn(m, d, c, a): return str(os.getpid())"
    name = deployer.deploy(code, Environment={"SAGEMAKER_MODEL_SERVER_WORKERS": "2"})
    (shown,) = deployer.describe(name)["ProductionVariants"]
    assert shown["CurrentInstanceCount"] == 1
    assert len({deployer.invoke(name)["Body"] for _ in range(4)}) == 2


def test_more_instances_than_the_machine_takes_are_said(deployer: Deployer) -> None:
    config = deployer.config({"ModelName": deployer.model(), "InitialInstanceCount": 100})
    name = deployer.create(config)
    (shown,) = deployer.settled(name)["ProductionVariants"]
    assert shown["DesiredInstanceCount"] == 100
    assert 1 < shown["CurrentInstanceCount"] < 100
    assert (
        f"100 processes were asked for; {shown['CurrentInstanceCount']} serve on this machine"
    ) in deployer.log(name)
    deployer.delete(name)


def test_update_endpoint_changes_the_model_and_keeps_nothing_of_the_old(
    deployer: Deployer,
) -> None:
    name = deployer.deploy(answering("old"))
    processes = len(deployer.processes())
    config = deployer.config({"ModelName": deployer.model(answering("new"))})
    deployer.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
    assert deployer.describe(name)["EndpointStatus"] == "Updating"
    assert deployer.invoke(name)["Body"] in {"old", "new"}
    described = deployer.settled(name)
    assert described["EndpointConfigName"] == config
    assert deployer.invoke(name)["Body"] == "new"
    wait_for(lambda: len(deployer.processes()) == processes)


def test_an_update_that_fails_leaves_the_endpoint_as_it_was(deployer: Deployer) -> None:
    name = deployer.deploy(answering("old"))
    before = deployer.describe(name)
    bad = deployer.config({"ModelName": deployer.model("raise OSError('broken')")})
    deployer.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=bad)
    described = deployer.settled(name)
    assert described["EndpointStatus"] == "InService"
    assert described["EndpointConfigName"] == before["EndpointConfigName"]
    assert described["FailureReason"].endswith("OSError: broken")
    assert "PendingDeploymentSummary" not in described
    assert deployer.invoke(name)["Body"] == "old"
    good = deployer.config({"ModelName": deployer.model(answering("new"))})
    deployer.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=good)
    assert "FailureReason" not in deployer.settled(name)


def test_update_endpoint_can_retain_weights_and_counts(deployer: Deployer) -> None:
    config = deployer.config({"ModelName": deployer.model(), "InitialVariantWeight": 0.5})
    name = deployer.create(config)
    deployer.settled(name)
    other = deployer.config({"ModelName": deployer.model(), "InitialVariantWeight": 0.25})
    deployer.sagemaker.update_endpoint(
        EndpointName=name, EndpointConfigName=other, RetainAllVariantProperties=True
    )
    (shown,) = deployer.settled(name)["ProductionVariants"]
    assert shown["CurrentWeight"] == 0.5


def test_model_and_configuration_may_go_once_the_endpoint_serves(deployer: Deployer) -> None:
    model = deployer.model(answering("still here"))
    config = deployer.config({"ModelName": model})
    name = deployer.create(config)
    deployer.settled(name)
    deployer.sagemaker.delete_endpoint_config(EndpointConfigName=config)
    deployer.sagemaker.delete_model(ModelName=model)
    assert deployer.invoke(name)["Body"] == "still here"


def test_a_serverless_variant_serves_within_its_limits(deployer: Deployer) -> None:
    serverless = {"MemorySizeInMB": 1024, "MaxConcurrency": 1}
    code = (
        "import time\ndef model_fn(d): pass\ndef transform_fn(m, d, c, a):\n    return str(len(d))"
    )
    model = deployer.model(code)
    name = deployer.create(deployer.config({"ModelName": model, "ServerlessConfig": serverless}))
    (shown,) = deployer.settled(name)["ProductionVariants"]
    assert shown["CurrentServerlessConfig"] == serverless
    assert "CurrentInstanceCount" not in shown
    assert deployer.invoke(name, bytes(4 * 1024 * 1024))["Body"] == str(4 * 1024 * 1024)
    with refused("ValidationError") as error:
        deployer.invoke(name, bytes(4 * 1024 * 1024 + 1))
    assert error["Message"].endswith("has oversize body.")
