"""Run the labs in a real AWS account, measure minutes and money, and leave nothing behind.

``make verify-aws`` starts it. It costs money, so it prints between which sums first and asks. It
refuses to start where it would be in the way: without credentials, in another region than asked
for, above the budget, or in an account that has something of the workshop already, because it
deletes all of that at its end. Whatever happens, also after Ctrl-C, it cleans up and looks once
more whether something is left. Its table goes to docs/verified-on-aws.md, the newest first.

Exit codes: 0 when all labs ran and nothing is left; 1 when a lab failed; 2 when it refused to
start; 3 when something is left; 130 when it was interrupted and has cleaned up.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from _aws_report import Run, report, write

from workshop_utils import cleanup, costs, estimators, instances
from workshop_utils.bill import money
from workshop_utils.notebooks import NOTEBOOKS
from workshop_utils.session import Session, SessionError, start
from workshop_utils.spending import Watch

ROOT = Path(__file__).resolve().parent.parent
LABS = {lab: ROOT / name for lab, name in NOTEBOOKS.items()}
TABLE = ROOT / "docs" / "verified-on-aws.md"
_TIMES_TO_CLEAN = 3


class Refused(Exception):
    """It will not start; the message says why and what to do."""


class Overspent(Exception):
    """What runs has cost more than the budget."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; return the exit code."""
    options = _options(arguments)
    # An operator's or a machine's end is as good a reason to clean up as Ctrl-C.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        session = _session(options)
        notebooks = options.notebook or [LABS[lab] for lab in options.labs]
        _check(session, options)
        _confirm(options)
    except (Refused, SessionError) as error:
        print(f"verify-aws: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    began = datetime.now(UTC)
    runs: list[Run] = []
    interrupted = False
    watch = Watch(session, options.max_usd)
    watch.start()
    try:
        for path in notebooks:
            before = watch.spent()
            runs.append(Run(path))
            try:
                _run(runs[-1], watch)
            finally:
                runs[-1].usd = watch.spent() - before
    except KeyboardInterrupt:
        interrupted = True
        print("\nInterrupted: cleaning up; press Ctrl-C again only if you want to do it yourself.")
    except Overspent as error:
        print(f"verify-aws: {error}", file=sys.stderr)
    finally:
        watch.stop()
        left = _clean(session)
    text = report(session.region, runs, left, began, watch.problems)
    write(options.table, text)
    print(f"\n{text}\nThe table is in {options.table}.")
    if left:
        return 3
    if interrupted:
        return 130
    done = len(runs) == len(notebooks) and all(run.outcome == "passed" for run in runs)
    return 0 if done else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    summary, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="verify_aws.py",
        description=summary,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--labs", type=int, nargs="+", choices=LABS, default=list(LABS))
    parser.add_argument(
        "--notebook", type=Path, nargs="+", help="other notebooks instead of the labs"
    )
    parser.add_argument("--region", help="refuse to run in any other region")
    parser.add_argument(
        "--max-usd", type=float, default=10.0, help="refuse, or stop, above this (default: 10)"
    )
    parser.add_argument(
        "--yes",
        action="store_true",
        default=os.environ.get("YES") == "1",
        help="do not ask; as YES=1 in the environment",
    )
    parser.add_argument("--table", type=Path, default=TABLE, help="where the table goes")
    return parser.parse_args(arguments)


def _session(options: argparse.Namespace) -> Session:
    session = start("verify-aws", "aws")
    if options.region and options.region != session.region:
        raise Refused(
            f"You are in {session.region}, and {options.region} is asked for: set "
            f"AWS_DEFAULT_REGION={options.region}."
        )
    try:
        estimators.training_image(session.region, instances.CPU)
    except ValueError as error:
        raise Refused(f"The labs cannot run in {session.region}: {error}") from error
    return session


def _check(session: Session, options: argparse.Namespace) -> None:
    print(f"Account {session.account}, region {session.region}, as {session.caller}")
    if options.notebook is None:
        estimates = [costs.estimate(session, lab) for lab in options.labs]
        for estimate in estimates:
            print(f"\n{estimate}")
        # The workshop's own review service asks, and scripts answer: nothing is paid for reviews.
        high = sum(
            item.high for one in estimates for item in one.items if item.price.component != "review"
        )
        low = sum(one.low for one in estimates)
        print(f"\nIn all: {money(low)} to {money(high)}; stopped above {money(options.max_usd)}.")
        if high > options.max_usd:
            raise Refused(
                f"The labs may cost up to {money(high)}, and the budget is "
                f"{money(options.max_usd)}: raise it with --max-usd, or run fewer --labs."
            )
    there = cleanup.plan(session).resources
    if there:
        raise Refused(
            f"This account already has {len(there)} things of the workshop, for instance "
            f"{there[0].kind} {there[0].name}, and the end of this run would delete them. Keep "
            "what you need, then run `python -m workshop_utils cleanup`."
        )


def _confirm(options: argparse.Namespace) -> None:
    if options.yes:
        return
    try:
        said = input("\nThis starts what is billed to the account above. Go on? Type yes: ")
    except EOFError:
        said = ""
    if said.strip().lower() != "yes":
        raise Refused("Nothing was started. Type yes, or pass --yes (YES=1).")


def _run(run: Run, watch: Watch) -> None:
    """Run a notebook in a process of its own, and note its sections."""
    print(f"\n{run.path.name}")
    environment = {
        **os.environ,
        "WORKSHOP_MODE": "aws",
        "WORKSHOP_APPROVAL": "Approved",
        # Scripts cannot sign in at Amazon A2I's portal; at the service that comes along they can.
        "WORKSHOP_REVIEWS": "own",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }
    command = [sys.executable, str(ROOT / "tools" / "_notebook_run.py"), str(run.path)]
    failed = ""
    with _child(command, environment) as process:
        watch.on_over = process.terminate
        for text in process.stdout or ():
            line = json.loads(text)
            if "section" in line:
                run.sections.append((line["section"], line["seconds"]))
                print(f"  {line['section']}: {line['seconds'] / 60:.1f} min", flush=True)
            else:
                failed = f"failed in cell {line['failed']}: {line['why']}"
        code = process.wait()
    if watch.over:
        run.outcome = "stopped: above the budget"
        raise Overspent("More was spent than --max-usd allows; the run was stopped.")
    run.outcome = "passed" if code == 0 else failed or f"ended with code {code}"
    print(f"  {run.outcome}", flush=True)


@contextmanager
def _child(command: list[str], environment: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """Run a process that a Ctrl-C here does not reach, and that does not outlive the block."""
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                # Its kernel notices that its parent is gone, and ends.
                process.terminate()


def _clean(session: Session) -> list[str]:
    """Delete all of the workshop's; return what is left, in words."""
    left: list[str] = []
    try:
        # What was being made when the run was interrupted may appear a moment later.
        for _ in range(_TIMES_TO_CLEAN):
            plan = cleanup.plan(session)
            if not plan.resources:
                return []
            left = [str(one) for one in plan.run().left]
            if not left:
                break
    except KeyboardInterrupt:
        return ["whatever there was: the clean-up was interrupted"]
    return left


def _interrupt(number: int, _: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


if __name__ == "__main__":
    sys.exit(main())
