"""The command line of one serving process: which model to load and where to listen.

It only parses arguments and prepares the process (threads, output); loading and answering are
the worker's business.
"""

import argparse
import io
import os
import sys
from pathlib import Path


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local_sagemaker.serving",
        description="Serve one model folder by the rules of the SageMaker Hugging Face "
        "inference toolkit: GET /ping and POST /invocations, one request at a time.",
        epilog="The user's code is DIR/code/inference.py (or SAGEMAKER_PROGRAM) with model_fn, "
        "input_fn, predict_fn, output_fn or transform_fn; without one, DIR is loaded by "
        "transformers.pipeline for the task in HF_TASK or in DIR/config.json.",
    )
    parser.add_argument(
        "--model-dir", required=True, type=Path, metavar="DIR", help="the unpacked model archive"
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--socket", type=Path, metavar="PATH", help="listen on a Unix domain socket")
    where.add_argument("--port", type=int, help="listen on 127.0.0.1, for trying a model by hand")
    options = parser.parse_args(arguments)
    if not options.model_dir.is_dir():
        parser.error(f"--model-dir: {options.model_dir} is not a folder")
    return options


def _prepare_process() -> None:
    # Several workers share the machine's cores: libraries that start a thread per core would
    # spend their time waiting for each other. OpenMP reads these once, when it is first loaded.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop.

    Parameters
    ----------
    arguments
        Command line without the program's name; `sys.argv` by default.

    Returns
    -------
    int
        The exit status: 0 after SIGTERM or Ctrl-C, 1 when the model could not be loaded or the
        address could not be bound (the reason is the last thing on standard error).
    """
    options = _parse(arguments)
    _prepare_process()
    # Imported late so that `--help` and a mistyped folder answer at once.
    from local_sagemaker.serving.worker import serve

    return serve(options.model_dir.resolve(), socket_path=options.socket, port=options.port)


if __name__ == "__main__":
    sys.exit(main())
