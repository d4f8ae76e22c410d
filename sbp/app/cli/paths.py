"""What a command reads and writes: declared once, compared in one place.

Every parameter that names a file or a folder has one of the types below, which know what stands
behind a name: a run is several files, ``pretrained`` lies in the package.  Before a command does
anything, `Command` compares its outputs with its inputs and with each other, however the same
file is spelled; afterwards it removes the folders that a failed command made and left empty.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain, count, permutations
from pathlib import Path
from typing import Any, NamedTuple

import click

from sbp.app.cli.output import STANDARD_OUTPUT, quietly
from sbp.errors import FileError, SbpError, did_you_mean

PRETRAINED = "pretrained"
QUIET = "sbp.quiet"
#: Endings of the files that people keep beside ours: a file of another kind has none of them.
KINDS = {
    ".npz", ".npy", ".json", ".csv", ".nir", ".h5", ".hdf5", ".onnx", ".pt", ".pth", ".png",
    ".svg", ".pdf", ".gz", ".zip", ".md", ".html", ".py", ".ipynb",
}  # fmt: skip


class PathType(click.ParamType):
    """A path.  ``~`` is the home folder; an empty one would mean the present folder."""

    name = "path"

    def text(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The path as text, with ``~`` expanded."""
        text = os.path.expanduser(value)
        if not text:
            self.fail("it is empty; give the path of a file or a folder", param, ctx)
        if text.startswith("~"):
            who = text[1:].partition(os.sep)[0]
            self.fail(f"no user is called {who!r}; write ./{text} for a file here", param, ctx)
        return text

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The text as a `Path`."""
        return Path(self.text(value, param, ctx))


class Reads(PathType):
    """A path that a command reads: a file, unless a subclass says more."""

    def files(self, value: Any) -> Iterable[Path]:
        """Every file that is read."""
        return [value]


class Run(Reads):
    """The folder of a training run, a weights file, or the network that ships; stays text."""

    name = "RUN"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text, with ``~`` expanded."""
        return self.text(value, param, ctx)

    def files(self, value: str) -> Iterable[Path]:
        """The run's files, also where one of them was named."""
        if value == PRETRAINED:
            from sbp.learn import pretrained

            return [pretrained.path()]
        path = Path(value)
        return _of_run(path) if path.is_dir() else [path, *_of_run(path.parent)]


class Trace(Reads):
    """A trace, or the name of one that comes with the package."""

    name = "TRACE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The text as a `Path`."""
        path = Path(self.text(value, param, ctx))
        if path.exists() or path.suffix or len(path.parts) > 1:
            return path
        from sbp.files import shipped

        ours = {file.stem: file for file in sorted(shipped.folder("traces").glob("*.npz"))}
        if path.name not in ours:
            hint = did_you_mean(path.name, ours)
            self.fail(
                f"{path} is neither a file nor a trace that comes with the package; "
                f"those are {', '.join(ours)}" + (f"; {hint}" if hint else ""),
                param,
                ctx,
            )
        return ours[path.name]


class DatasetName(Reads):
    """A data set that has a name, or the path of one's own; stays text."""

    name = "NAME|FILE.npz"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text, with ``~`` expanded."""
        return self.text(value, param, ctx)

    def files(self, value: str) -> Iterable[Path]:
        """Every file that is read, of one's own and of those that have a name."""
        from sbp.learn.data import inputs

        path = Path(value)
        found = [path, *path.iterdir()] if path.is_dir() else [path]
        with suppress(SbpError):  # told when it is loaded
            found += inputs(value)
        return found


class DataFolder(Reads):
    """Where downloaded data sets are; without a value the usual place."""

    def files(self, value: Path | None) -> Iterable[Path]:
        """What lies there, in torchvision's layout."""
        from sbp.learn.data import data_root

        return data_root(value).glob("*/raw/*")


class Writes(PathType):
    """A file that a command writes.

    Parameters
    ----------
    *endings : str
        How the name may end.  A name that ends like a file of another kind is refused.
    decide : bool
        The ending decides what is written, so that it has to be one of them.
    usual : str
        Name where none is given, "raster.png": in the folder of the run that is read, if there
        is one, and beside an older file, as raster-2.png, never over it.
    """

    def __init__(self, *endings: str, decide: bool = False, usual: str = "") -> None:
        self.endings, self.decide, self.usual = endings, decide, usual

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The text as a `Path`."""
        path = super().convert(value, param, ctx)
        ending = path.suffix.lower()
        if (self.decide and ending not in self.endings) or ending in KINDS.difference(self.endings):
            ends = f"ends in {path.suffix}" if ending else "has no ending"
            self.fail(f"{path} {ends}; allowed: {' or '.join(self.endings)}", param, ctx)
        return path

    def files(self, value: Path) -> Iterable[Path]:
        """Every file that may be written."""
        return [value]

    def check(self, value: Path) -> None:
        """Raise FileError now if it cannot be written, or is a file that must not be lost."""
        from sbp.files import check_writable

        check_writable(value)
        if any(_same(value, file) for file in _of_run(value.parent)):
            raise FileError(f"{value} belongs to a training run", do="choose another name")


class WritesResults(Writes):
    """A JSON file, or ``-``: standard output, which then gets nothing else."""

    def __init__(self) -> None:
        super().__init__(".json")

    def files(self, value: Path) -> Iterable[Path]:
        """The file, if it is one."""
        return [] if value == STANDARD_OUTPUT else [value]

    def check(self, value: Path) -> None:
        """Raise FileError now if it cannot be written."""
        if value != STANDARD_OUTPUT:
            super().check(value)


class WritesFolder(Writes):
    """A folder that a command fills; its name is free.

    Parameters
    ----------
    *patterns : str
        Of the files' names.
    mark : str
        A file by which the command knows a folder that it filled before.  In any other, files of
        those names are somebody's, and stay.
    """

    def __init__(self, *patterns: str, mark: str = "") -> None:
        super().__init__()
        self.patterns, self.mark = patterns, mark

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The text as a `Path`."""
        return Path(self.text(value, param, ctx))

    def files(self, value: Path) -> Iterable[Path]:
        """The folder, and those that are there already."""
        return [value, *(path for pattern in self.patterns for path in value.glob(pattern))]

    def check(self, value: Path) -> None:
        """Raise FileError now if no file can be written there."""
        from sbp.files import check_writable

        if value.exists() and not value.is_dir():
            raise FileError(f"{value} is not a folder", do="choose another one")
        check_writable(value / "file")
        _, *there = self.files(value)
        if self.mark and there and not (value / self.mark).exists():
            raise FileError(
                f"{min(there)} is there, and {value} was not filled by this command",
                do="choose another folder",
            )


class WritesRun(WritesFolder):
    """The folder of a training run."""

    def files(self, value: Path) -> Iterable[Path]:
        """The folder and the run's files, there or not."""
        from sbp.learn.checkpoint import RunFolder

        return [value, *RunFolder(value).files]


def _of_run(folder: Path) -> Sequence[Path]:
    """The files of the run in a folder; none if there is no run."""
    from sbp.learn.checkpoint import RunFolder

    run = RunFolder(folder)
    return run.files if run.used else ()


def _same(a: Path, b: Path) -> bool:
    """Whether two paths are one file: through links and other spellings, there or not."""
    with suppress(OSError):
        if os.path.samefile(a, b):
            return True
    return _spelling(a) == _spelling(b)


def _spelling(path: Path) -> str:
    real = os.path.normcase(os.path.realpath(path))
    return real.casefold() if sys.platform == "darwin" else real


class _Named(NamedTuple):
    """A file that a command reads or writes, and the parameter that names it."""

    label: str
    path: Path
    is_folder: bool = False


def _named(context: click.Context, role: type[Reads] | type[Writes]) -> Iterator[_Named]:
    for parameter in context.command.params:
        kind = parameter.type
        value = context.params.get(parameter.name or "")
        if not isinstance(kind, role):
            continue
        for each in value if isinstance(value, tuple) else (value,):
            if each is not None or isinstance(kind, DataFolder):
                for path in kind.files(each):
                    is_folder = isinstance(kind, WritesFolder) and path == each
                    yield _Named(_label(parameter), path, is_folder)


def _label(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option):
        return parameter.opts[0]
    return parameter.human_readable_name.strip("[].")


def check(context: click.Context) -> None:
    """Refuse outputs that are inputs, that are named twice or cannot be written.

    Raises
    ------
    FileError
    """
    outputs = list(_named(context, Writes))
    for one, other in permutations(outputs, 2):
        if one.label != other.label and _is_plain(one.path) and _in_the_way(one, other):
            raise FileError(
                f"{one.path} is named twice, by {one.label} and by {other.label}",
                do="choose another name for one of the two",
            )
    there = [output for output in outputs if output.path.is_file()]
    inputs = list(_named(context, Reads)) if there else []
    for output in there:
        for found in inputs:
            if _same(output.path, found.path):
                spelled = "" if output.path == found.path else f" is {found.path} and"
                raise FileError(
                    f"{output.label} {output.path}{spelled} would be written over, "
                    f"but {found.label} reads it",
                    do=f"choose another name for {output.label}",
                )
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        if isinstance(parameter.type, Writes) and value is not None:
            parameter.type.check(value)


def _in_the_way(one: _Named, other: _Named) -> bool:
    """Whether two outputs are the same, or the first is a file where the other needs a folder."""
    if _same(one.path, other.path):
        return True
    above = map(_spelling, Path(os.path.realpath(other.path)).parents)
    return not one.is_folder and _spelling(one.path) in above


def _is_plain(path: Path) -> bool:
    """Whether it is not a pipe or a device, into which several results may go."""
    return path.is_file() or path.is_dir() or not path.exists()


def _remove_empty_folders(context: click.Context) -> None:
    """In the end, remove the folders that were made for the outputs and stayed empty."""
    paths = [
        value
        for parameter in context.command.params
        if isinstance(parameter.type, Writes)
        and (value := context.params.get(parameter.name or "")) is not None
    ]
    made = {folder for path in paths for folder in (path, *path.parents) if not folder.exists()}

    def remove() -> None:
        for folder in sorted(made, key=lambda folder: len(folder.parts), reverse=True):
            with suppress(OSError):  # it is a file, not there, or in use
                folder.rmdir()

    # After the command has given back what it holds: a lock in the folder of a run, say.
    context.call_on_close(remove)


def _name_outputs(context: click.Context) -> None:
    """Give the usual names to the outputs that have none."""
    for parameter in context.command.params:
        kind, name = parameter.type, parameter.name or ""
        if isinstance(kind, Writes) and kind.usual and context.params.get(name) is None:
            context.params[name] = _free(_home(context) / kind.usual)


def _home(context: click.Context) -> Path:
    """The folder of the run that is read; the present one if there are several or none."""
    runs = [
        run
        for parameter in context.command.params
        if isinstance(parameter.type, Run) and (value := context.params.get(parameter.name or ""))
        for run in (value if isinstance(value, tuple) else (value,))
    ]
    single = len(runs) == 1 and runs[0] != PRETRAINED and Path(runs[0]).is_dir()
    return Path(runs[0]) if single else Path()


def _free(path: Path) -> Path:
    """`path`, or the first of its kind that is not there yet: name-2, name-3 ..."""
    numbered = (path.with_name(f"{path.stem}-{n}{path.suffix}") for n in count(2))
    return next(each for each in chain([path], numbered) if not os.path.lexists(each))


def _quiet(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    context.meta[QUIET] = wanted


class Command(click.Command):
    """A command whose outputs are compared with its inputs before it starts, and that has -q."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if all("--quiet" not in parameter.opts for parameter in self.params):
            self.params.append(click.Option(
                ["-q", "--quiet"], is_flag=True, expose_value=False, callback=_quiet,
                help="Print nothing but errors and warnings.",
            ))  # fmt: skip

    def invoke(self, ctx: click.Context) -> Any:
        """Check, then run."""
        _name_outputs(ctx)
        _remove_empty_folders(ctx)
        check(ctx)
        to_stream = any(
            isinstance(parameter.type, WritesResults)
            and ctx.params.get(parameter.name or "") == STANDARD_OUTPUT
            for parameter in self.params
        )
        with quietly(ctx, to_stream or ctx.meta.get(QUIET, False)):
            return super().invoke(ctx)


class Group(click.Group):
    """Commands, listed in the order of the help, not of the alphabet."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order they were added."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command of the first word, or what may have been meant."""
        word = args[0]
        if self.get_command(ctx, word) is None and not word.startswith("-"):
            advice = did_you_mean(word, self.commands)
            ctx.fail(f"No such command {word!r}" + (f"; {advice}" if advice else ""))
        return super().resolve_command(ctx, args)


command = partial(click.command, cls=Command)

FILE = Reads()
RUN = Run()
TRACE = Trace()
DATASET = DatasetName()
DATA_FOLDER = DataFolder()
OUT_RUN = WritesRun()
