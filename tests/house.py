"""The rooms of the package, the floors that they are on, and the arrows between them: ``make house``.

A room is a folder of ``lossbarcode/``; the files beside the rooms are the package itself. A room is on the floor above everything that its
modules import. Imports inside functions are made when a function is called; those that lead to the same floor or upwards (a record that
draws itself) are listed apart, as doors upstairs. Imports that form a cycle, between rooms or between files, have no floor: exit status 1.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).parents[1] / "lossbarcode"


class Import(NamedTuple):
    """One file of the package imports another."""

    file: Path
    target: Path
    line: int
    when: str  # "load": when the file is loaded; "call": inside a function; "types": for type checkers only


def room_of(file: Path, package: Path = PACKAGE) -> str:
    """The folder that a file is in; of files beside the folders the package's own name."""
    return file.relative_to(package.parent).parts[: 2 if file.parent != package else 1][-1]


def files_of(package: Path = PACKAGE) -> list[Path]:
    return sorted(package.rglob("*.py"))


def imports_of(file: Path, package: Path = PACKAGE) -> Iterator[Import]:
    """What a file imports from the package, with dots resolved."""
    tree = ast.parse(file.read_text())
    when = {}
    for node in ast.walk(tree):  # outer nodes come before inner ones
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            when |= {id(inner): "call" for inner in ast.walk(node)}
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            when |= {id(inner): "types" for line in node.body for inner in ast.walk(line)}
        if isinstance(node, ast.ImportFrom):
            start = file.parents[node.level - 1] if node.level else package.parent
            names = [f"{node.module or ''}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            start, names = package.parent, [alias.name for alias in node.names]
        else:
            continue
        targets = {found for name in names if (found := module_file(start, [part for part in name.split(".") if part], package))}
        yield from (Import(file, target, node.lineno, when.get(id(node), "load")) for target in sorted(targets - {file}))


def module_file(start: Path, parts: list[str], package: Path = PACKAGE) -> Path | None:
    """The file of a module, or of the module that holds a name; None outside the package."""
    for count in range(len(parts), -1, -1):
        place = start.joinpath(*parts[:count])
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file() and file.is_relative_to(package):
                return file
    return None


def arrows(package: Path = PACKAGE) -> dict[str, set[str]]:
    """For each room the other rooms that its modules import, if only for type checkers: that is knowledge, too."""
    found: dict[str, set[str]] = {room_of(file, package): set() for file in files_of(package)}
    for file in files_of(package):
        own = room_of(file, package)
        found[own] |= {room_of(one.target, package) for one in imports_of(file, package) if one.when != "call"} - {own}
    return found


def floors(graph: Mapping[str, set[str]]) -> dict[str, int]:
    """The floor of each room: 0 for those that import no room.

    Raises:
        graphlib.CycleError: if there is a cycle.
    """
    floor: dict[str, int] = {}
    for room in TopologicalSorter(graph).static_order():
        floor[room] = 1 + max((floor[below] for below in graph[room]), default=-1)
    return floor


def doors_upstairs(floor: Mapping[str, int], package: Path = PACKAGE) -> list[Import]:
    """Imports inside functions that lead to another room which is not on a lower floor."""
    inside = [one for file in files_of(package) for one in imports_of(file, package) if one.when == "call"]
    rooms = [(one, room_of(one.file, package), room_of(one.target, package)) for one in inside]
    return [one for one, own, other in rooms if own != other and floor[other] >= floor[own]]


def file_arrows(package: Path = PACKAGE) -> dict[Path, set[Path]]:
    """For each file the files that it imports when it is loaded."""
    return {file: {one.target for one in imports_of(file, package) if one.when == "load"} for file in files_of(package)}


def first_line(file: Path) -> str:
    return (ast.get_docstring(ast.parse(file.read_text())) or "").partition("\n")[0]


def picture(package: Path = PACKAGE) -> str:
    """The house as text, the roof first."""
    graph = arrows(package)
    floor, rooms = floors(graph), defaultdict(list)
    for file in files_of(package):
        rooms[room_of(file, package)].append(file)
    lines = []
    for level in sorted(set(floor.values()), reverse=True):
        lines += [f"Floor {level}", ""]
        for room in sorted(name for name in floor if floor[name] == level):
            count = {file: len(file.read_text().splitlines()) for file in rooms[room]}
            below = ", ".join(sorted(graph[room], key=lambda name: (-floor[name], name))) or "nothing"
            lines.append(f"  {room}  ({len(count)} files, {sum(count.values()):,} lines)  ->  {below}")
            home = package if room == package.name else package / room
            width = max(len(str(file.relative_to(home))) for file in count)
            lines += [f"    {file.relative_to(home)!s:{width}}  {count[file]:4}  {first_line(file)}" for file in count]
            lines.append("")
    lines.append("Doors upstairs (imports inside functions)")
    root = package.parent
    doors = doors_upstairs(floor, package)
    lines += [f"  {one.file.relative_to(root)}:{one.line}  ->  {one.target.relative_to(root)}" for one in doors] or ["  none"]
    return "\n".join(lines)


def cycle(package: Path = PACKAGE) -> str:
    """A cycle of imports between rooms or files, as text; empty: there is none."""
    try:
        floors(arrows(package))
        TopologicalSorter(file_arrows(package)).prepare()
    except CycleError as error:
        return " -> ".join(str(one.relative_to(package.parent)) if isinstance(one, Path) else one for one in error.args[1])
    return ""


if __name__ == "__main__":
    if found := cycle():
        sys.exit(f"imports form a cycle: {found}")
    print(picture())
