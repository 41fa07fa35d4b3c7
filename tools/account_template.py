"""Write the minimal policy into the CloudFormation template of a workshop account.

CloudFormation cannot include a file without an S3 bucket, so the template carries a copy of
aws/minimal-policy.json; a test compares the two. Usage:
``python tools/account_template.py [--check]``.
"""

import argparse
import json
import re
import sys
from pathlib import Path

import yaml

AWS = Path(__file__).resolve().parent.parent / "aws"
POLICY = AWS / "minimal-policy.json"
TEMPLATE = AWS / "workshop-account.yaml"
_BLOCK = re.compile(
    r"(?P<head> +)(?P<begin># aws/minimal-policy\.json, by [^\n]*\n).*?"
    r"(?P<end> +# end of aws/minimal)",
    re.DOTALL,
)


def written(template: str, policy: str) -> str:
    """Return the template with the policy in its place.

    Raises
    ------
    ValueError
        When the template does not say where that is.
    """
    block = yaml.safe_dump({"PolicyDocument": json.loads(policy)}, sort_keys=False, width=96)

    def filled(found: re.Match[str]) -> str:
        lines = "".join(f"{found['head']}{line}\n" for line in block.splitlines())
        return f"{found['head']}{found['begin']}{lines}{found['end']}"

    text, count = _BLOCK.subn(filled, template)
    if count != 1:
        raise ValueError(f"{TEMPLATE.name} has {count} places for {POLICY.name}; it needs one.")
    return text


def main() -> int:
    """Write the template, or say that it is out of date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only say whether it is up to date")
    options = parser.parse_args()
    before = TEMPLATE.read_text(encoding="utf-8")
    after = written(before, POLICY.read_text(encoding="utf-8"))
    if options.check:
        if before != after:
            print(f"{TEMPLATE.name} is out of date: run python tools/account_template.py")
        return int(before != after)
    TEMPLATE.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
