"""What mlflow serves: `python mlflow_model.py MODEL TARGET` writes it as an mlflow model."""

import sys
from pathlib import Path

import mlflow


class SetFitModel(mlflow.pyfunc.PythonModel):
    """SetFit as a pyfunc."""

    def load_context(self, context):
        """Load the model."""
        from aws_plain_inference import model_fn

        self.model = model_fn(context.artifacts["model"])

    def predict(self, model_input: list[str]):
        """Return the answers."""
        from aws_plain_inference import predict_fn

        return predict_fn(list(model_input), self.model)


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    mlflow.pyfunc.save_model(
        sys.argv[2],
        python_model=SetFitModel(),
        artifacts={"model": sys.argv[1]},
        code_paths=[str(here / "aws_plain_inference.py")],
        pip_requirements=["mlflow"],
    )
