"""The labs' notebooks: what their files are called, and where they are.

By exact names: a copy beside a notebook (JupyterLab calls it ``…-Copy1.ipynb``) is not the lab. It
must not know what is in them.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = {
    1: "lab1_few_shot_learning.ipynb",
    2: "lab2_zero_shot_jumpstart.ipynb",
    3: "lab3_human_in_the_loop.ipynb",
}


def path(lab: int) -> Path:
    """Return where a lab's notebook is.

    Parameters
    ----------
    lab
        Its number.

    Raises
    ------
    FileNotFoundError
        When there is no such lab, or its notebook is not beside this package.
    """
    if lab not in NOTEBOOKS:
        raise FileNotFoundError(f"There is no lab {lab}, but {', '.join(map(str, NOTEBOOKS))}.")
    found = ROOT / NOTEBOOKS[lab]
    if not found.is_file():
        raise FileNotFoundError(
            f"There is no notebook {found}: give it its name back, or `git checkout -- "
            f"{found.name}`."
        )
    return found
