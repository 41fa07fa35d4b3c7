"""What litserve serves: `python litserve_server.py MODEL PORT`."""

import sys

import litserve
from aws_plain_inference import model_fn, predict_fn


class SetFitAPI(litserve.LitAPI):
    """SetFit, one request at a time."""

    def setup(self, _device):
        """Load the model."""
        self.model = model_fn(sys.argv[1])

    def decode_request(self, request):
        """Return the texts."""
        return request["inputs"]

    def predict(self, texts):
        """Return the answers."""
        return predict_fn(texts, self.model)

    def encode_response(self, answers):
        """Return them as they are."""
        return answers


if __name__ == "__main__":
    server = litserve.LitServer(SetFitAPI(api_path="/invocations"), accelerator="cpu")
    server.run(port=int(sys.argv[2]), host="127.0.0.1", generate_client_file=False)
