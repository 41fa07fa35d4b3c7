"""A lab's code cells, read from its notebook: which section they are in, and what they need.

It reads source; it must not run any.
"""

import ast
import re
import symtable
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import nbformat

from workshop_utils import notebooks

# These read everything before they bind anything; a loop, for instance, reads what it has bound.
_AT_ONCE = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr)
# How IPython calls a magic of the whole cell; the cell's code is a string in it.
_CELL_MAGIC = "get_ipython().run_cell_magic("
_SECTION = re.compile(r"^## (\d+)\. (.+)$", re.MULTILINE)


class _Enclosed(ast.NodeTransformer):
    """Puts each comprehension into a function of its own.

    From Python 3.12 on the table of symbols takes its variables for those of the whole cell.
    """

    def _enclose(self, node: ast.expr) -> ast.Lambda:
        nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
        return ast.Lambda(args=nothing, body=node)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _enclose


@dataclass(frozen=True)
class Cell:
    """A code cell.

    Attributes
    ----------
    name
        Its id in the notebook.
    section
        The number of the heading that it stands under.
    source
        Its code. In one that `read` returns, magics (``%``, ``!``, ``?``) are the calls that
        IPython makes of them.
    tags
        ``deeper``, for instance, is one that can be left out, and ``effect`` one that later cells
        rely on although they use none of its names.
    """

    name: str
    section: int
    source: str
    tags: frozenset[str]

    @property
    def mistake(self) -> str:
        """Why it is not Python; empty where it is."""
        try:
            self._symbols()
        except SyntaxError as error:
            return f"{error.msg} (line {error.lineno})"
        return ""

    @property
    def unread(self) -> str:
        """Why nobody can tell what it makes; empty where that can be told."""
        if self.source.startswith(_CELL_MAGIC):
            return "a magic of the whole cell (%%) hides what it makes"
        return self.mistake

    @property
    def made(self) -> frozenset[str]:
        """The names that it binds; none where it is not Python."""
        if self.mistake:
            return frozenset()
        symbols = self._symbols().get_symbols()
        return frozenset(s.get_name() for s in symbols if s.is_assigned() or s.is_imported())

    @property
    def needed(self) -> frozenset[str]:
        """The names that it reads before it has bound them; builtins are among them.

        None where it is not Python.
        """
        if self.mistake:
            return frozenset()
        needed: set[str] = set()
        bound: set[str] = set()
        for statement in ast.parse(self.source).body:
            part = replace(self, source=ast.unparse(statement))
            own = set[str]() if isinstance(statement, _AT_ONCE) else part.made
            read = set(part._read())
            if isinstance(statement, ast.AugAssign):
                # What it adds to is read, too, which the table of symbols does not say.
                read |= part.made
            needed |= read - bound - own
            bound |= part.made
        return frozenset(needed)

    @property
    def imports(self) -> "Cell":
        """What is left of it if nothing is done but to import; nothing if it is not Python."""
        if self.mistake:
            return replace(self, source="")
        body = ast.parse(self.source).body
        lines = [ast.unparse(one) for one in body if isinstance(one, ast.Import | ast.ImportFrom)]
        return replace(self, source="\n".join(lines))

    def _symbols(self) -> symtable.SymbolTable:
        tree = ast.fix_missing_locations(_Enclosed().visit(ast.parse(self.source)))
        return symtable.symtable(ast.unparse(tree), self.name, "exec")

    def _read(self) -> Iterator[str]:
        tables = [self._symbols()]
        while tables:
            table = tables.pop()
            tables += table.get_children()
            top = table.get_type() == "module"
            for symbol in table.get_symbols():
                if symbol.is_referenced() and (top or symbol.is_global()):
                    yield symbol.get_name()


@dataclass(frozen=True)
class LabCells:
    """A lab as its notebook has it.

    Attributes
    ----------
    sections
        Titles by number.
    cells
        In order.
    """

    sections: dict[int, str]
    cells: tuple[Cell, ...]

    @property
    def last(self) -> int:
        """The number of the last section."""
        return max(self.sections)

    def wanted_from(self, section: int) -> frozenset[str]:
        """Return the names that a section and those after it read and do not make themselves."""
        wanted: frozenset[str] = frozenset()
        for cell in reversed([cell for cell in self.cells if cell.section >= section]):
            wanted = (wanted - cell.made) | cell.needed
        return wanted

    def before(self, section: int, wanted: Iterable[str]) -> list[tuple[Cell, frozenset[str]]]:
        """Return what of the cells before a section makes some names, with those that each makes.

        Cells that can be left out are left out, and one that is wanted for its imports alone is
        reduced to them. What a cell reads is made by one before it, so that the whole runs by
        itself.
        """
        missing = frozenset(wanted)
        found = []
        for cell in reversed([cell for cell in self.cells if cell.section < section]):
            used = cell.made & missing
            effect = "effect" in cell.tags
            if "deeper" in cell.tags or not (used or effect):
                continue
            if not effect and used <= cell.imports.made:
                cell = cell.imports
            found.append((cell, used))
            missing = (missing - cell.made) | cell.needed
        return found[::-1]


def read(lab: int) -> LabCells:
    """Read a lab's notebook, as it was last saved.

    Parameters
    ----------
    lab
        Its number.

    Raises
    ------
    FileNotFoundError
        When there is no such lab, or its notebook is not beside this package.
    """
    # nbformat says nothing about its types.
    notebook = nbformat.read(notebooks.path(lab), as_version=4)  # type: ignore[no-untyped-call]
    sections: dict[int, str] = {}
    cells = []
    number = 0
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for heading in _SECTION.finditer(cell.source):
                number = int(heading[1])
                sections[number] = heading[2]
        elif cell.cell_type == "code":
            tags = frozenset(cell.metadata.get("tags", []))
            cells.append(Cell(cell.id, number, _plain(cell.source), tags))
    return LabCells(sections, tuple(cells))


def _plain(source: str) -> str:
    """Return a cell's source with calls in the place of IPython's magics."""
    try:
        from IPython.core.inputtransformer2 import TransformerManager
    except ImportError:
        # Then nothing here could run a magic.
        return source
    try:
        # IPython says nothing about its types.
        plain: str = TransformerManager().transform_cell(source)  # type: ignore[no-untyped-call]
    except SyntaxError:
        # Lines that fit under no other, for instance. Only whoever needs the cell wants to know.
        return source
    return plain
