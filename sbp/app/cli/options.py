"""Options that several commands share, and what they load."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from sbp.app.cli.paths import DATA_FOLDER, DATASET, PRETRAINED, WritesResults
from sbp.errors import FileError, SbpError, check_name, did_you_mean
from sbp.learn.progress import tell

if TYPE_CHECKING:
    from sbp.learn.data import Dataset
    from sbp.learn.task import Task
    from sbp.spec import Circuit
    from sbp.weights import Weights

# Written out, since the modules that own them take long to import; a test compares them.
CIRCUIT_ENGINES = ("reference", "compiled", "lava")
ENGINES = ("reference", "algebra", "compiled", "lava")
CIRCUITS = ("learning", "inference", "single_layer", "gating_chain", "deep")
PARAMETER_SETS = ("released", "before-august-2024")

#: What is trained, traced and drawn where nobody names data: embedded, and learned in a second.
DATASET_BY_DEFAULT = "digits"
#: Layer sizes of a circuit where nobody names any.
DEFAULT_SIZES = {
    "learning": (400, 400, 10),
    "inference": (400, 400, 10),
    "single_layer": (400, 10),
    "gating_chain": (20, 20, 20, 20),
    "deep": (400, 400, 400, 10),
}

PROGRAM_FILE = ".sbp"  #: how the names of program files end
POSITIVE = click.IntRange(min=1)
MAX_SIZE = 1 << 16  #: neurons of a layer
NATURAL = click.IntRange(min=0)

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Name(click.ParamType):
    """One of some names.

    Parameters
    ----------
    what : str
        What is called so.
    names : sequence of str
        Those that are always there.
    more : callable, optional
        All names; asked, because it takes time, for a name that is not among them.
    """

    name = "name"

    def __init__(
        self, what: str, names: Sequence[str], more: Callable[[], Sequence[str]] | None = None
    ) -> None:
        self.what, self.names, self._more = what, tuple(names), more

    @property
    def all(self) -> Sequence[str]:
        """Every name."""
        return self._more() if self._more else self.names

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """The usual names, for the help."""
        names = "|".join(self.names)
        return f"[{names}]" if isinstance(param, click.Option) or not param.required else names

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name, if it is one."""
        if value not in self.names and value not in self.all:
            advice = did_you_mean(value, self.all)
            if (self.what, value) == ("engine", "algebra"):
                advice = "the algebra has no spikes: it trains and evaluates"
            allowed = f"no {self.what} is called {value!r}; allowed: {', '.join(self.all)}"
            self.fail(f"{allowed}; {advice}" if advice else allowed, param, ctx)
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names that begin so."""
        return [CompletionItem(name) for name in self.all if name.startswith(incomplete)]


def _engines() -> Sequence[str]:
    from sbp import engines

    return engines.names()


def _learners() -> Sequence[str]:
    return ("algebra", *_engines())


def _circuits() -> Sequence[str]:
    from sbp.circuits import registry

    return registry.families()


class NameOrFile(Name):
    """A name, or the path of a program file, ``FILE.sbp``."""

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """The usual names, and the file."""
        return f"[{'|'.join(self.names)}|FILE.sbp]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name or the path."""
        if str(value).lower().endswith(PROGRAM_FILE):
            return value
        return super().convert(value, param, ctx)


ENGINE = Name("engine", ENGINES, _learners)
CIRCUIT_ENGINE = Name("engine", CIRCUIT_ENGINES, _engines)
CIRCUIT = Name("circuit", CIRCUITS, _circuits)
CIRCUIT_OR_FILE = NameOrFile("circuit", CIRCUITS, _circuits)
PART = Name("part", ("train", "test"))


def wholes(parts: Iterable[str], least: int = 0, most: int = 1 << 62) -> tuple[int, ...] | None:
    """Texts as whole numbers from `least` to `most`; None if one of them is none."""
    numbers = []
    for part in map(str.strip, parts):
        digits = part.lstrip("0") or part[:1]  # Python reads no number of thousands of them
        if not digits.isdecimal() or len(digits) > 20 or not least <= int(digits) <= most:
            return None
        numbers.append(int(digits))
    return tuple(numbers)


class Sizes(click.ParamType):
    """Layer sizes, "400-400-10"."""

    name = "N-N-..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """The text as a tuple."""
        if isinstance(value, tuple):
            return value
        sizes = wholes(value.split("-"), 1, MAX_SIZE)
        if sizes is None:
            self.fail(f"{value!r:.60} is no list of layer sizes, like 400-400-10", param, ctx)
        return sizes


class Number(click.ParamType):
    """A number; a whole one stays an int."""

    name = "N"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The text as a number."""
        try:
            number = float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number", param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a number", param, ctx)
        return int(number) if number.is_integer() else number


class Layers(click.ParamType):
    """Hidden neurons of a layer, "400", of several from the input on, "400-400", or "none"."""

    name = "N[-N...]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """The text as a tuple."""
        if not isinstance(value, str):
            return (value,) if isinstance(value, int) else tuple(value)
        if value == "none":
            return ()
        sizes = wholes(value.replace(",", "-").split("-"), 1, MAX_SIZE)
        if sizes is None:
            self.fail(
                f"{value!r:.60} is no number of hidden neurons; allowed: 1 to {MAX_SIZE}, as in "
                "400, or of several layers, as in 400-400, or none", param, ctx,
            )  # fmt: skip
        return sizes


class SampleRange(click.ParamType):
    """Samples "N" (the first N) or "START:STOP"."""

    name = "N|START:STOP"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> slice:
        """The text as a slice with both ends."""
        if isinstance(value, slice):
            return value
        first, _, last = value.rpartition(":")
        ends = wholes((first or "0", last))
        if ends is None or ends[0] >= ends[1]:
            self.fail(f"{value!r:.60} is no range of samples, like 10 or 100:110", param, ctx)
        return slice(*ends)


def unused(names: dict[str, str]) -> None:
    """Refuse options that would be ignored: option -> why it has no effect here."""
    context = click.get_current_context()
    for name, why in names.items():
        if context.get_parameter_source(name.replace("-", "_")) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name} has no effect {why}")


def examples(*lines: str) -> str:
    """Examples below the options of a help page."""
    # The first line keeps click from filling the lines.
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def options(*chosen: Decorator) -> Decorator:
    """Several options as one decorator; they are listed in this order in the help."""
    return lambda function: reduce(lambda f, option: option(f), reversed(chosen), function)


DATA_DIR_OPTION = click.option(
    "--data-dir",
    metavar="DIR",
    type=DATA_FOLDER,
    help="Where MNIST's files are or go; default $SBP_DATA, else the user's cache.",
)
PLACE_OPTIONS = options(
    DATA_DIR_OPTION,
    click.option(
        "--crop",
        metavar="N",
        type=NATURAL,
        help="Pixels cut off at every side; default as published.",
    ),
    click.option(
        "--threshold",
        metavar="N",
        type=Number(),
        help="Least value of a pixel that spikes; default as published.  Your own grey pictures "
        "need one.",
    ),
)
WEIGHT_EXPONENT = click.option(
    "--weight-exponent",
    type=click.IntRange(-3, 0),
    metavar="E",
    default=0,
    show_default=True,
    help="Plastic weights are mantissa * 2**E, -3 .. 0.",
)
CIRCUIT_OPTIONS = options(
    click.argument("circuit", type=CIRCUIT_OR_FILE, default="learning"),
    click.option(
        "--sizes",
        type=Sizes(),
        help="Layer sizes.  Default: 400-400-10 (learning, inference), 400-10 (single_layer), "
        "400-400-400-10 (deep), 20-20-20-20 (gating_chain).",
    ),
    click.option(
        "--ring", metavar="N", type=click.IntRange(min=2), help="Gates in a gating chain's ring."
    ),
)
CIRCUIT_VARIANT = options(
    WEIGHT_EXPONENT,
    click.option(
        "--parameters",
        type=Name("parameter set", PARAMETER_SETS),
        default="released",
        show_default=True,
        help="The authors' parameter set.",
    ),
)
JSON_OPTION = click.option(
    "--json",
    "json_file",
    metavar="FILE",
    type=WritesResults(),
    help="Write the results as JSON; - for standard output, without the text.",
)


def dataset_option(default: str | None) -> Decorator:
    """``--dataset``."""
    unsaid = (
        f"  Default: the one the network was trained on; without a network {DATASET_BY_DEFAULT}."
    )
    return click.option(
        "--dataset",
        type=DATASET,
        default=default,
        show_default=default is not None,
        metavar="NAME|FILE.npz|FOLDER",
        help="Data set (`sbp info` lists them), your own x_train, y_train, x_test, y_test, or "
        f"your folder of idx files.{'' if default else unsaid}",
    )


def dataset_options(default: str | None) -> Decorator:
    """``--dataset --data-dir --crop --threshold``."""
    return options(dataset_option(default), PLACE_OPTIONS)


def engine_option(names: tuple[str, ...], default: str | None) -> Decorator:
    """``--engine``, one of `names`."""
    return click.option(
        "--engine",
        type=ENGINE if "algebra" in names else CIRCUIT_ENGINE,
        default=default,
        show_default=default is not None,
        help="What computes; `sbp info` lists them.",
    )


class Setting(click.ParamType):
    """An engine's own option, "NAME=VALUE"; a value is a number, true, false, or a text."""

    name = "NAME=VALUE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        """Name and value."""
        if isinstance(value, tuple):
            return value
        from sbp.engines.protocol import parse_option

        try:
            return parse_option(value)
        except SbpError as error:
            self.fail(str(error), param, ctx)


ENGINE_OPTIONS = options(
    click.option(
        "--layout",
        type=Name("layout", ("network", "fused")),
        help="Lava: one process per population and projection, or one for the whole circuit."
        "  Default: fused.",
    ),
    click.option(
        "--option",
        "settings",
        type=Setting(),
        multiple=True,
        help="Any option of the engine, also of one that was installed; may be repeated.",
    ),
)


def said(option: str) -> bool:
    """Whether the command line gives an option, rather than its default."""
    source = click.get_current_context().get_parameter_source(option)
    return source is ParameterSource.COMMANDLINE


def engine_options(
    engine: str,
    layout: str | None,
    settings: tuple[tuple[str, Any], ...],
    of_algebra: tuple[str, ...] = (),
) -> dict[str, Any]:
    """What is handed to the engine beside the program; refused before anything is loaded.

    `of_algebra` are the options that the algebra has here.
    """
    chosen: dict[str, Any] = {}
    for name, value in (*([] if layout is None else [("layout", layout)]), *settings):
        if name in chosen:
            raise click.UsageError(f"the option {name} of the engine is given twice")
        chosen[name] = value
    if not chosen:
        return {}
    from sbp import engines
    from sbp.engines.protocol import check_options

    if layout is not None:
        try:
            check_options(engines.get(engine), {"layout": layout})
        except SbpError:
            raise click.UsageError(
                f"--layout {layout}: {engine} has no layouts; --engine lava has"
            ) from None
    if engine == "algebra":
        for name in chosen:
            check_name("option", name, of_algebra, owner="the algebra")
    else:
        check_options(engines.get(engine), chosen)
    return chosen


def load_dataset(
    name: str, data_dir: Path | None, crop: int | None, threshold: float | None
) -> Dataset:
    """`sbp.learn.data.load`."""
    from sbp.learn import data

    return data.load(name, root=data_dir, crop=crop, threshold=threshold)


def load_dataset_for(
    run: str | None,
    name: str | None,
    data_dir: Path | None,
    crop: int | None,
    threshold: float | None,
) -> Dataset:
    """The data set `name`; without one that of the saved `run`, as it was then, else the usual.

    Where answers on it are no test score of the network, a line on standard error says so.
    """
    from sbp.learn import data

    known = history_of(run) if run is not None else {}
    data_dir = data_dir or place_of(known)
    if name is None and run == PRETRAINED:
        name = data.best_mnist(data_dir)
    if name is None and run is not None:
        found = data.recall(known, near=run, root=data_dir, crop=crop, threshold=threshold)
    else:
        found = load_dataset(name or DATASET_BY_DEFAULT, data_dir, crop, threshold)
    if told := found.no_test_of(known.get("dataset")):
        tell(f"note: {told}")
    return found


def place_of(known: Mapping[str, Any]) -> Path | None:
    """Where a run found its data set by ``--data-dir``, if that is still there."""
    place = known.get("data_dir")
    return Path(place) if place and Path(place).is_dir() else None


def task_of(run: str, weights: Weights) -> Task:
    """What the saved `weights` of a run do."""
    from sbp.learn import measures

    return measures.task_of(weights, history_of(run))


def build_circuit(
    circuit: str, sizes: tuple[int, ...] | None, ring: int | None, **more: Any
) -> Circuit:
    """The circuit that `CIRCUIT_OPTIONS` name, or that of a program file."""
    from sbp.circuits.registry import build

    if circuit.lower().endswith(PROGRAM_FILE):
        from sbp.files import program_file

        unused(dict.fromkeys(("sizes", "ring", "weight-exponent", "parameters"),
                             f"beside {circuit}, which says it all"))  # fmt: skip
        return program_file.read(circuit).circuit
    if sizes is None and circuit not in DEFAULT_SIZES:
        raise click.UsageError(f"the circuit {circuit} has no usual size: give --sizes")
    return build(circuit, sizes or DEFAULT_SIZES[circuit], ring=ring, **more)


def _must_exist(where: str) -> None:
    if not Path(where).exists():
        raise FileError(
            f"{where} does not exist",
            allowed=f"the folder of a training run, a weights.npz, or {PRETRAINED}",
        )


def load_weights(where: str) -> Weights:
    """Those of a run folder, a weights file, or the network that ships."""
    from sbp.learn import checkpoint, pretrained

    if where == PRETRAINED:
        return pretrained.load()
    _must_exist(where)
    return checkpoint.load_weights(where)


def history_of(where: str) -> dict[str, Any]:
    """What is known of how saved weights were trained; empty if nothing is."""
    from sbp.learn import checkpoint, pretrained

    if where == PRETRAINED:
        return pretrained.about()
    _must_exist(where)
    try:
        return checkpoint.load_history(where)
    except SbpError:
        return {}
