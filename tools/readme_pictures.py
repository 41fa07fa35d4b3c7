"""Take the pictures at the head of README.md that come from the labs.

``lab1_curve.png`` is what section 3 of Lab 1 draws of its recorded results; ``cost_card.png`` is
what ``ws.cost()`` shows while Lab 2's endpoint runs on a machine, in a local SageMaker of its own.
(The portal's pictures are portal_pictures.py's.) Usage: ``python tools/readme_pictures.py [--into
FOLDER]``.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from _pictures import PICTURES, checked, chromium

from workshop_utils import jumpstart, plots, recorded, zero_shot_models
from workshop_utils.session import start

if TYPE_CHECKING:
    from workshop_utils.bill import Bill

# As JupyterLab shows a table.
_STYLE = """
body { margin: 0; padding: 10px; display: inline-block; background: #fff; }
table { border-collapse: collapse; font: 13px/1.5 Helvetica, Arial, sans-serif; color: #222; }
caption { font-size: 14px; padding: 4px 8px; }
th, td { padding: 5px 8px; vertical-align: top; }
tr:nth-child(odd) { background: #f5f5f5; }
"""


def curve(path: Path) -> None:
    """Draw Lab 1's recorded curves."""
    figure = plots.recipes(recorded.few_shot())
    figure.set_size_inches(5.6, 4.2)  # pages show it at half the width of a notebook
    figure.savefig(path, dpi=140, bbox_inches="tight", metadata={"Software": None})
    checked(path)


def bill() -> "Bill":
    """Return what is billing while an endpoint of Lab 2 runs on a machine."""
    session = start("zero-shot")
    try:
        model = zero_shot_models.build(session, zero_shot_models.BI_ENCODER)
        jumpstart.deploy(model, serverless=False)
        return session.cost()
    finally:
        session.close()


def photograph(html: str, path: Path) -> None:
    """Take a picture of a piece of HTML, as large as it is."""
    with chromium() as browser:
        page = browser.new_page(device_scale_factor=1.5, viewport={"width": 400, "height": 400})
        page.set_content(f"<style>{_STYLE}</style>{html}")
        page.locator("body").screenshot(path=path)
    checked(path)


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--into", type=Path, default=PICTURES, help="the folder; docs/pictures")
    into: Path = parser.parse_args().into
    curve(into / "lab1_curve.png")
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"WORKSHOP_MODE": "local", "LOCAL_SAGEMAKER_HOME": f"{home}/home"}
        photograph(bill()._repr_html_(), into / "cost_card.png")


if __name__ == "__main__":
    main()
