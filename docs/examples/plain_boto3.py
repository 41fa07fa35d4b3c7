"""Train a small language detector, deploy it and ask it, with nothing but boto3.

    eval "$(python -m local_sagemaker start)"
    python docs/examples/plain_boto3.py

Nothing below is local: without the first line boto3 finds an AWS account instead. There the role
must be one that SageMaker may assume, and IMAGE names the container that runs; the local SageMaker
only records it.
"""

import io
import json
import tarfile
import uuid

import boto3

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.8.0-cpu-py312"

SENTENCES = {
    "en": ["the weather is nice", "where is my card", "this is the house", "what do you think"],
    "de": ["das Wetter ist gut", "wo ist meine Karte", "das ist ein Haus", "was denkst du nicht"],
    "fr": ["il fait beau ici", "ou est ma carte", "c'est une maison", "que penses-tu de nous"],
}

# Counts pairs of letters by language; that is the whole model.
TRAIN = """
import collections, json, os, pathlib

counts = collections.defaultdict(collections.Counter)
for file in pathlib.Path(os.environ["SM_CHANNEL_TRAIN"]).iterdir():
    for line in file.read_text().splitlines():
        language, text = line.split("\\t")
        text = f" {text.lower()} "
        counts[language].update(a + b for a, b in zip(text, text[1:]))
        print(f"read {language}: {text.strip()}")
print(f"languages={len(counts)};")
model = pathlib.Path(os.environ["SM_MODEL_DIR"], "counts.json")
model.write_text(json.dumps(counts))
"""

# The functions of the SageMaker inference toolkits.
INFERENCE = """
import json, math, pathlib

def model_fn(model_dir):
    return json.loads(pathlib.Path(model_dir, "counts.json").read_text())

def predict_fn(data, model):
    text = f" {data['inputs'].lower()} "
    def score(counts):
        total = sum(counts.values())
        return sum(math.log((counts.get(a + b, 0) + 0.1) / total) for a, b in zip(text, text[1:]))
    return {"language": max(model, key=lambda language: score(model[language]))}
"""


def main() -> None:
    """Train, deploy, ask, and take away what would cost money at AWS."""
    name = f"languages-{uuid.uuid4().hex[:8]}"
    identity = boto3.client("sts").get_caller_identity()
    role = f"arn:aws:iam::{identity['Account']}:role/{identity['Arn'].split('/')[1]}"
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=name)
    rows = [f"{language}\t{text}" for language, texts in SENTENCES.items() for text in texts]
    s3.put_object(Bucket=name, Key="train/sentences.tsv", Body="\n".join(rows).encode())
    code = archive({"train.py": TRAIN, "inference.py": INFERENCE})
    s3.put_object(Bucket=name, Key="code/sourcedir.tar.gz", Body=code)

    model_data = train(name, role)
    endpoint = deploy(name, role, model_data)
    runtime = boto3.client("sagemaker-runtime")
    for text in ("how is the weather", "wie ist das Wetter", "ma maison est ici"):
        answer = runtime.invoke_endpoint(
            EndpointName=endpoint,
            ContentType="application/json",
            Body=json.dumps({"inputs": text}).encode(),
        )
        print(f"{json.load(answer['Body'])['language']}  {text}")
    clean_up(name)


def train(name: str, role: str) -> str:
    """Run ``train.py`` as a training job; return where its model lies."""
    sagemaker = boto3.client("sagemaker")
    sagemaker.create_training_job(
        TrainingJobName=name,
        RoleArn=role,
        AlgorithmSpecification={
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "languages", "Regex": "languages=([0-9]+);"}],
        },
        HyperParameters={
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": f"s3://{name}/code/sourcedir.tar.gz",
        },
        InputDataConfig=[
            {
                "ChannelName": "train",
                "DataSource": {
                    "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{name}/train/"}
                },
            }
        ],
        OutputDataConfig={"S3OutputPath": f"s3://{name}/models"},
        ResourceConfig={"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )
    print(f"training job {name}")
    waiter = sagemaker.get_waiter("training_job_completed_or_stopped")
    waiter.wait(TrainingJobName=name, WaiterConfig={"Delay": 1})
    job = sagemaker.describe_training_job(TrainingJobName=name)
    print(f"{job['TrainingJobStatus']}: {job['FinalMetricDataList'][0]['Value']:.0f} languages")
    return str(job["ModelArtifacts"]["S3ModelArtifacts"])


def deploy(name: str, role: str, model_data: str) -> str:
    """Serve the model; return the endpoint's name."""
    sagemaker = boto3.client("sagemaker")
    sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=role,
        PrimaryContainer={
            "Image": IMAGE.replace("training", "inference"),
            "ModelDataUrl": model_data,
            "Environment": {
                "SAGEMAKER_PROGRAM": "inference.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": f"s3://{name}/code/sourcedir.tar.gz",
            },
        },
    )
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    waiter = sagemaker.get_waiter("endpoint_in_service")
    waiter.wait(EndpointName=name, WaiterConfig={"Delay": 1})
    print(f"endpoint {name} is in service")
    return name


def clean_up(name: str) -> None:
    """Delete the endpoint, the model and the bucket."""
    sagemaker = boto3.client("sagemaker")
    sagemaker.delete_endpoint(EndpointName=name)
    sagemaker.delete_endpoint_config(EndpointConfigName=name)
    sagemaker.delete_model(ModelName=name)
    bucket = boto3.resource("s3").Bucket(name)
    bucket.objects.all().delete()
    bucket.delete()


def archive(files: dict[str, str]) -> bytes:
    """Return a ``.tar.gz`` of text files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path, text in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


if __name__ == "__main__":
    main()
