"""A program as a file: plain text that a C program, a test bench and a person read alike.

Version 1, line by line; the grammar is `LINES`, below.  Words are separated by one blank, values
are decimal integers, a list is ``1,2,3``, or ``-`` if it is empty, names hold no blank, and a text
goes on to the end of its line. The order of the lines is fixed. The counts come first, so that a
reader can set up its tables, and the last line is ``end``, so that it knows it has all. Lines that
begin with ``#`` are comments.

population
    `size` neurons with the numbers from `start` on; `bias` and `threshold` in register units,
    `refractory` in steps (1: no dead step), decays `du` and `dv` in 1/4096.
source
    `size` lines, numbered on after the neurons.  It emits each sample's pattern in its `phase`;
    -1 is the kick: all lines spike once, in the step before the first.
parameter
    The shape of a weight matrix.
projection
    `source` counts populations, and after them sources; `target` counts populations.  `connect`
    is 0 for one-to-one, 1 for all-to-all.  A spike of step s acts at step s + 1 + `delay` and
    adds weight * 2**(6 + `exponent`) register units.  The weight is `mantissa`; or, where
    `matrix` is not -1, the entry [post, pre] of the projection's own copy of that parameter,
    which starts as the parameter, transposed or negated as `transpose` and `negate` say (the
    negative of -256 is 254).  Where `plastic` is 1, a synapse whose two neurons spike in the same
    step changes after the step's reads: by the rule's `reward` in a phase with a reward, by
    `otherwise` in all others, clipped to -256 .. 254.  `scheduled` are the phases in which that is
    meant to happen.
phase
    Whether it has a reward, and which populations are meant to fire.

`labels` say which numbers of its family the circuit has.  They, `kind`, `name` and `note` are for
people; they are no part of the digest.  The digest is that of
`sbp.program.Program`: SHA-256 in hexadecimal of the JSON, without blanks, of the list ``[circuit,
sizes, period, populations, sources, projections, parameters, reward, fires, reward, otherwise]``,
each line a list of its values in their order; `reward` and `fires` first as lists over the phases,
last as the rule's.

The weights are a file of their own (`sbp.files.plain`): learning leaves the program as it is.
"""

from __future__ import annotations

import re
import textwrap
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from sbp.errors import FileError, SpecError
from sbp.files import as_path, write_atomic
from sbp.loihi import SCALE
from sbp.program import NO_MATRIX, ONE_TO_ONE, Program, check_program, lower
from sbp.spec import (
    Circuit,
    LearningRule,
    MatrixWeight,
    Neuron,
    Parameter,
    Phase,
    Population,
    Projection,
    Source,
)

VERSION = 1
MAX_PERIOD = 1 << 12  #: steps of the longest sample
SIZE_LIMIT = 1 << 24  #: bytes of the largest file that is read

#: The lines of a file, in order; the first word of a line says which one it is.
LINES = """\
sbp-program {version:int}
circuit {name:text}
sizes {sizes:list}
labels weight_exponent {weight_exponent:int} parameter_set {parameter_set:text}
period {period:int}
rule reward {dw_reward:int} otherwise {dw_otherwise:int}
count populations {populations:int} sources {sources:int} parameters {parameters:int} \
projections {projections:int} neurons {neurons:int} lines {lines:int}
population {name:word} start {start:int} size {size:int} bias {bias:int} \
threshold {threshold:int} refractory {refractory:int} du {du:int} dv {dv:int}
source {name:word} start {start:int} size {size:int} phase {phase:int}
parameter {name:word} post {n_post:int} pre {n_pre:int}
projection {name:word} source {source:int} target {target:int} connect {connect:int} \
delay {delay:int} mantissa {mantissa:int} exponent {exponent:int} matrix {matrix:int} \
transpose {transpose:int} negate {negate:int} plastic {plastic:int} scheduled {scheduled:list} \
kind {kind:text}
phase {number:int} reward {reward:int} fires {fires:list} name {name:label} note {note:text}
digest {digest:word}
end
"""
__doc__ = f"{__doc__}\nThe grammar::\n\n{textwrap.indent(LINES, '    ')}"
_PATTERNS = {
    "int": "-?[0-9]{1,9}",
    "list": "(?:-|-?[0-9]{1,9}(?:,-?[0-9]{1,9})*)",
    "word": r"[^\s]+",
    "label": "(?:(?! note).)*",
    "text": ".*",
}
_FIELD = re.compile(r"\{(\w+):(\w+)\}")
_TEMPLATES = {line.split()[0]: line for line in LINES.splitlines()}
_TYPES = {word: dict(_FIELD.findall(line)) for word, line in _TEMPLATES.items()}

Part = TypeVar("Part")


def _pattern(template: str) -> re.Pattern[str]:
    # A text may be empty, and the blank before it gone.
    template = re.sub(r" \{(\w+):label\}", r" ?{\1:label}", template)
    template = re.sub(r" \{(\w+):text\}", r"(?: (?P<\1>.*))?", template)
    return re.compile(_FIELD.sub(lambda m: f"(?P<{m[1]}>{_PATTERNS[m[2]]})", template))


_LINES = {word: _pattern(template) for word, template in _TEMPLATES.items()}


def _integers(text: str) -> tuple[int, ...]:
    return () if text == "-" else tuple(map(int, text.split(",")))


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers)) or "-"


def _line(word: str, **values: Any) -> str:
    """One line of a file; SpecError where a name or text cannot stand in it."""
    parts = {}
    for name, kind in _TYPES[word].items():
        parts[name] = _listed(values[name]) if kind == "list" else str(values[name])
        if not re.fullmatch(_PATTERNS[kind], parts[name]) or not parts[name].isprintable():
            raise SpecError(
                f"a program file cannot hold the {name} {values[name]!r}",
                allowed="printable characters, and in a name no blank",
            )
    line = _FIELD.sub(lambda match: parts[match[1]], _TEMPLATES[word])
    return line if parts and list(parts.values())[-1] else line.removesuffix(" ")


def dumps(program: Program) -> str:
    """The text of the file that holds `program`.

    Raises
    ------
    SpecError
        Where a name or text has a line break, or the program is none that `lower` makes.
    """
    labels = check_program(program).circuit
    lines = [
        _line("sbp-program", version=VERSION),
        f"# {program.name} circuit; what each line means: pydoc sbp.files.program_file",
        _line("circuit", name=program.name),
        _line("sizes", sizes=program.sizes),
        _line(
            "labels",
            weight_exponent=labels.weight_exponent,
            parameter_set=labels.parameter_set,
        ),
        _line("period", period=program.period),
        _line("rule", dw_reward=program.dw_reward, dw_otherwise=program.dw_otherwise),
        _line("count", **_counts(program)),
        "# neurons: u <- D(u, du) + arrivals, v <- D(v, dv) + u + bias; a spike if v > threshold",
        *(_line("population", **code._asdict()) for code in program.populations),
        "# lines from outside; phase -1 is the kick, once in the step before the first",
        *(_line("source", **code._asdict()) for code in program.sources),
        *(_line("parameter", name=n, n_post=r, n_pre=c) for n, r, c in program.parameters),
        "# synapses: a spike of step s adds weight * 2^(6 + exponent) at step s + 1 + delay",
        *(
            _line("projection", **code._asdict(), kind=projection.kind)
            for code, projection in zip(program.projections, labels.projections, strict=True)
        ),
        *(
            _line(
                "phase",
                number=p,
                reward=program.reward[p],
                fires=program.fires[p],
                name=phase.name,
                note=phase.note,
            )
            for p, phase in enumerate(labels.phases)
        ),
        _line("digest", digest=program.digest),
        _line("end"),
    ]
    text = "\n".join(lines) + "\n"
    loads(text, f"{program.name} circuit")
    return text


def _counts(program: Program) -> dict[str, int]:
    return {
        "populations": len(program.populations),
        "sources": len(program.sources),
        "parameters": len(program.parameters),
        "projections": len(program.projections),
        "neurons": program.n_neurons,
        "lines": sum(source.size for source in program.sources),
    }


def loads(text: str, where: str | Path = "program file") -> Program:
    """Read the text of a program file, and check all of it.

    Parameters
    ----------
    text : str
    where : str or path
        What an error message begins with.

    Raises
    ------
    FileError
        Where a line is missing or not what it should be, a value is none that the chip holds,
        parts do not fit each other, or the digest is another: one line that names the place.
    """
    lines = _Lines(text, where)
    version = lines.take("sbp-program")["version"]
    if version != VERSION:
        lines.fail(f"version is {version}; allowed: {VERSION}")
    head: dict[str, Any] = {}
    for word in ("circuit", "sizes", "labels", "period", "rule"):
        head |= lines.take(word)
        if not 1 <= head.get("period", 1) <= MAX_PERIOD:
            lines.fail(f"period is {head['period']}; allowed: 1 to {MAX_PERIOD}")
    count = lines.take("count")
    at = 0

    def numbered(make: Callable[[dict[str, Any]], Part]) -> Callable[[dict[str, Any]], Part]:
        def made(values: dict[str, Any]) -> Part:
            nonlocal at
            _in_range("start", values["start"], at, at)
            at += values["size"]
            return make(values)

        return made

    populations = lines.many("population", count["populations"], numbered(_population))
    sources = lines.many("source", count["sources"], numbered(_source))
    parameters = lines.many("parameter", count["parameters"], lambda v: Parameter(**v))
    senders: list[Population | Source] = [*populations, *sources]

    def projection(values: dict[str, Any]) -> Projection:
        for name, among in (("source", senders), ("target", populations)):
            _in_range(name, values[name], 0, len(among) - 1)
        _in_range("mantissa", values["mantissa"], -256, 255)
        _in_range("matrix", values["matrix"], NO_MATRIX, len(parameters) - 1)
        for name in ("connect", "transpose", "negate", "plastic"):
            _in_range(name, values[name], 0, 1)
        if values["scheduled"] and values["matrix"] == NO_MATRIX:
            raise SpecError("scheduled learning without a matrix", allowed="scheduled -")
        return _projection(values, senders, parameters)

    projections = lines.many("projection", count["projections"], projection)
    learns: defaultdict[int, dict[str, None]] = defaultdict(dict)
    for code in lines.values["projection"]:
        for p in code["scheduled"]:
            learns[p][parameters[code["matrix"]].name] = None

    def phase(values: dict[str, Any]) -> Phase:
        p = values["number"]
        if p != len(lines.values["phase"]) - 1:
            raise SpecError(f"phase {p}", allowed=f"phase {len(lines.values['phase']) - 1}")
        _in_range("reward", values["reward"], 0, 1)
        for number in values["fires"]:
            _in_range("fires", number, 0, len(populations) - 1)
        fires = tuple(populations[number].name for number in values["fires"])
        return Phase(
            fires, tuple(learns[p]), bool(values["reward"]), values["note"], values["name"]
        )

    phases = lines.many("phase", head["period"], phase)
    digest = lines.take("digest")["digest"]
    lines.take("end")
    lines.finish()
    try:
        rule = LearningRule(head["dw_reward"], head["dw_otherwise"])
        program = lower(
            Circuit(
                head["name"], head["sizes"], tuple(sources), tuple(populations),
                tuple(projections), tuple(phases), tuple(parameters), rule,
                head["weight_exponent"], head["parameter_set"],
            )
        )  # fmt: skip
    except SpecError as error:
        raise FileError(f"{where}: {error}") from None
    lines.compare(program)
    if digest != program.digest:
        lines.fail(f"the digest is {digest[:12]}..., that of the lines above {program.digest[:12]}")
    return program


def _in_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        allowed = f"{low} to {high}" if low < high else str(low) if low == high else "none"
        raise SpecError(f"{name} is {value}", allowed=allowed)


def _population(values: dict[str, Any]) -> Population:
    vth, rest = divmod(values["threshold"], SCALE)
    if rest:
        raise SpecError(f"threshold is {values['threshold']}", allowed=f"multiples of {SCALE}")
    neuron = Neuron(values["bias"], vth, values["refractory"], values["du"], values["dv"])
    return Population(values["name"], values["size"], neuron)


def _source(values: dict[str, Any]) -> Source:
    phase = values["phase"]
    return Source(values["name"], values["size"], None if phase == -1 else phase)


def _projection(
    values: dict[str, Any], senders: list[Population | Source], parameters: list[Parameter]
) -> Projection:
    weight: int | MatrixWeight
    if values["matrix"] == NO_MATRIX:
        _in_range("exponent", values["exponent"], 0, 7)
        weight = values["mantissa"] << values["exponent"]
    else:
        weight = MatrixWeight(
            parameters[values["matrix"]].name, bool(values["transpose"]), bool(values["negate"]),
            values["exponent"], bool(values["plastic"]),
        )  # fmt: skip
    return Projection(
        senders[values["source"]].name,
        senders[values["target"]].name,
        values["kind"],
        weight,
        "one-to-one" if values["connect"] == ONE_TO_ONE else "all-to-all",
        values["delay"],
    )


def write(program: Program, path: str | Path) -> Path:
    """Write `program` to `path`, whole or not at all; for errors see `dumps`."""
    text = dumps(program)
    return write_atomic(path, lambda stream: stream.write(text.encode()))


def read(path: str | Path) -> Program:
    """Read a program file; for errors see `loads`."""
    return loads(read_text(path, "program file", SIZE_LIMIT), path)


def read_text(path: str | Path, what: str, limit: int) -> str:
    """The text of a file; FileError if it is missing, too large or not UTF-8."""
    try:
        with open(as_path(path), "rb") as stream:
            data = stream.read(limit + 1)
        if len(data) > limit:
            raise FileError(f"{path} is no {what}: it has more than {limit >> 20} MiB")
        return data.decode()
    except UnicodeDecodeError:
        raise FileError(f"{path} is no {what}: it is not text") from None
    except FileNotFoundError:
        raise FileError(f"{path} does not exist", do=f"give the path of a {what}") from None
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}") from None


def _first_fault(word: str, line: str) -> str:
    """What is wrong with a line that should be a `word` line."""
    parts = line.split(" ") if line else []
    if parts[:1] != [word]:
        found = repr(line[:40]) if line else "nothing"
        return f"found {found}; allowed: a line {word!r}"
    for number, wanted in enumerate(_TEMPLATES[word].split(" ")):
        if number == len(parts):
            return f"the line ends before {_FIELD.sub(lambda m: m[1], wanted)}"
        if not _pattern(wanted).fullmatch(parts[number]):
            field = _FIELD.fullmatch(wanted)
            kinds = {"int": "a whole number", "list": "whole numbers, or -", "word": "a name"}
            allowed = f"{field[1]}, {kinds[field[2]]}" if field else wanted
            return f"found {parts[number][:40]!r}; allowed: {allowed}"
    return f"found more than the line {word!r} holds"


class _Lines:
    """The lines of a file, taken one after the other, and what they held."""

    def __init__(self, text: str, where: str | Path) -> None:
        numbered = enumerate(text.split("\n"), start=1)
        self._rest = iter(
            [(n, line.rstrip("\r")) for n, line in numbered if not line.startswith("#")]
        )
        self.where, self.number = where, 0
        self.values: dict[str, list[dict[str, Any]]] = {word: [] for word in _TEMPLATES}
        self.numbers: dict[str, list[int]] = {word: [] for word in _TEMPLATES}

    def fail(self, why: str, number: int | None = None) -> NoReturn:
        raise FileError(f"{self.where}, line {number or self.number}: {why}")

    def take(self, word: str) -> dict[str, Any]:
        """The values of the next line, which has to be a `word` line."""
        self.number, line = next(self._rest, (self.number, ""))
        match = _LINES[word].fullmatch(line)
        if match is None:
            if word == "sbp-program":
                raise FileError(
                    f"{self.where} is no program file: its first line is not 'sbp-program 1'"
                )
            self.fail(_first_fault(word, line))
        read: dict[str, Callable[[str], Any]] = {"int": int, "list": _integers}
        values = {
            name: read.get(kind, str)(match[name] or "") for name, kind in _TYPES[word].items()
        }
        self.values[word].append(values)
        self.numbers[word].append(self.number)
        return values

    def many(self, word: str, count: int, make: Callable[[dict[str, Any]], Part]) -> list[Part]:
        """`count` lines that begin with `word`, each made into a part."""
        made = []
        for _ in range(count):
            values = self.take(word)
            try:
                made.append(make(values))
            except SpecError as error:
                self.fail(str(error))
        return made

    def finish(self) -> None:
        """Nothing but an empty rest may follow."""
        for number, line in self._rest:
            if line:
                self.fail(f"found {line[:40]!r} after the end", number)

    def compare(self, program: Program) -> None:
        """Every value has to be the one that the circuit of the other lines implies."""
        implied: dict[str, list[dict[str, Any]]] = {
            "count": [_counts(program)],
            "population": [code._asdict() for code in program.populations],
            "source": [code._asdict() for code in program.sources],
            "projection": [code._asdict() for code in program.projections],
            "phase": [{"fires": fires} for fires in program.fires],
        }
        for word, parts in implied.items():
            for values, number, part in zip(
                self.values[word], self.numbers[word], parts, strict=True
            ):
                for name, value in part.items():
                    if values[name] != value:
                        found = _listed(values[name]) if isinstance(value, tuple) else values[name]
                        wanted = _listed(value) if isinstance(value, tuple) else value
                        self.fail(f"{name} is {found}; allowed here: {wanted}", number)
