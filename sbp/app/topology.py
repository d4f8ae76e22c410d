"""Read circuits from tables like those of the authors' code, and compare them synapse by synapse.

The authors describe their network in two Python files: *tables* named ``layers`` (population ->
layer type, neuron type) and ``connected_pairs`` (source, target, connection type), and *settings*,
a dictionary ``params`` that holds ``connection_types``, ``neuron_types`` and the numbers they are
made from.  Such files are read here as data: their assignments are evaluated by a small
interpreter that knows literals, names, arithmetic and subscripts.  Nothing in them is executed,
whatever else they hold.

What the files compute with code is done here by rule: the ring of gates ``g00 .. gNN`` with the
connection type ``1ge``, the mantissa and exponent of a number, and plastic matrices, which carry
W1 from the input layer type, W2 from the hidden one, W2 transposed from the output one, negated
from ``oT-``.
"""

from __future__ import annotations

import ast
import operator
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sbp import loihi
from sbp.errors import FileError, brief
from sbp.program import NO_MATRIX, ONE_TO_ONE, Program

#: the authors' names -> ours; gates g00, g01, ... are g0, g1, ...
NAMES = {
    "input": "input", "in_tgt": "target", "in_g": "kick", "x": "x", "m_x6": "x_mem", "h1": "h",
    "h1_copy": "h<", "h1_copy2": "h>", "m_h1": "h_mem", "c_h1": "h_box", "h1T": "hT", "o": "o",
    "o_copy": "o<", "o_copy2": "o>", "oT-": "o-", "t": "t", "d+": "d+", "d-": "d-",
}  # fmt: skip
GATE = re.compile(r"g(\d\d)")
RULE = "y0*x0*r1*4-y0*x0*2"  #: the learning rule as the settings write it, without blanks


class _Unknown:
    """What the interpreter cannot or need not know."""


UNKNOWN = _Unknown()
OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv, ast.Div: operator.truediv, ast.LShift: operator.lshift,
}  # fmt: skip
LARGEST = 1 << 40  #: no number of a network is larger, and none may fill the memory


def mantissa_exponent(value: int) -> tuple[int, int]:
    """The mantissa of at most 8 bits and the least exponent that hold `value`, rounded."""
    exponent = max(abs(int(value)).bit_length() - 8, 0)
    return int(value) >> exponent, exponent


class _Reader:
    """The values of a module's assignments, as far as they are data."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.values: dict[str, Any] = {}
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise FileError(f"{path} cannot be read: {error.strerror}") from None
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise FileError(f"{path} is no Python file ({brief(error)})") from None
        for statement in tree.body:
            if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
                self._assign(statement.targets[0], self.value(statement.value))

    def _assign(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            self.values[target.id] = value
        elif isinstance(target, ast.Tuple) and isinstance(value, tuple):
            for part, each in zip(target.elts, value, strict=False):
                self._assign(part, each)
        elif isinstance(target, ast.Subscript):
            owner, key = self.value(target.value), self.value(target.slice)
            if isinstance(owner, dict) and isinstance(key, (str, int)):
                owner[key] = value

    def value(self, node: ast.expr) -> Any:
        """The value of an expression; UNKNOWN where it is no data."""
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return self.values.get(node.id, UNKNOWN)
        if isinstance(node, (ast.List, ast.Tuple)):
            items = [self.value(item) for item in node.elts]
            return items if isinstance(node, ast.List) else tuple(items)
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            known = [(self.value(key), self.value(each)) for key, each in pairs if key is not None]
            return {key: each for key, each in known if isinstance(key, (str, int))}
        if isinstance(node, ast.Subscript):
            owner, key = self.value(node.value), self.value(node.slice)
            return owner.get(key, UNKNOWN) if isinstance(owner, dict) else UNKNOWN
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            inner = self.value(node.operand)
            return -inner if isinstance(inner, (int, float)) else UNKNOWN
        if isinstance(node, ast.BinOp):
            return self._arithmetic(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            first = self.value(node.args[0]) if node.args else UNKNOWN
            if (
                node.func.id == "calculate_mant_exp"
                and isinstance(first, (int, float))
                and abs(first) <= LARGEST  # and so no infinity
            ):
                return mantissa_exponent(int(first))
        return UNKNOWN

    def _arithmetic(self, node: ast.BinOp) -> Any:
        left, right = self.value(node.left), self.value(node.right)
        numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
        if not numbers or abs(left) > LARGEST or abs(right) > LARGEST:
            return UNKNOWN
        try:
            if isinstance(node.op, ast.Pow):
                return left**right if abs(right) <= 32 and abs(left) <= 2 else UNKNOWN
            if isinstance(node.op, ast.LShift) and not 0 <= right <= 32:
                return UNKNOWN
            return OPERATORS[type(node.op)](left, right) if type(node.op) in OPERATORS else UNKNOWN
        except (ArithmeticError, TypeError):
            return UNKNOWN

    def table(self, name: str, kind: type) -> Any:
        """The assigned value called `name`, which has to be a dictionary or a list."""
        found = self.values.get(name)
        if not isinstance(found, kind):
            raise FileError(f"{self.path} has no {kind.__name__} called {name!r}")
        return found


class Synapses(NamedTuple):
    """All synapses from one sender to another that are alike."""

    source: str
    target: str
    one_to_one: bool
    delay: int
    weight: str  #: a number (weight units), or the matrix it carries and its exponent


class Kind(NamedTuple):
    """What makes a neuron, as the chip holds it."""

    bias: int  #: register units
    threshold: int  #: weight units
    dead: int  #: steps after a spike in which it cannot spike

    def __str__(self) -> str:
        return f"bias {self.bias}, threshold {self.threshold}, dead for {self.dead} steps"


@dataclass(frozen=True)
class Topology:
    """A circuit as sets of synapses, under our names.

    Attributes
    ----------
    sizes : dict of str to int
        Neurons of every sender: populations and sources.
    kinds : dict of str to Kind
        Of every population.
    synapses : Counter of Synapses
    """

    sizes: dict[str, int]
    kinds: dict[str, Kind]
    synapses: Counter[Synapses]

    def count(self) -> int:
        """All synapses."""
        return sum(len(self._pairs(each)[0]) * n for each, n in self.synapses.items())

    def _pairs(self, each: Synapses) -> tuple[np.ndarray, np.ndarray]:
        n_pre, n_post = self.sizes[each.source], self.sizes[each.target]
        if each.one_to_one:
            return np.arange(n_pre), np.arange(n_pre)
        return np.repeat(np.arange(n_pre), n_post), np.tile(np.arange(n_post), n_pre)

    def rows(self) -> Counter[tuple[str, str, str, int, int]]:
        """Synapses of every kind between every two senders, as one number for each synapse.

        (source, target, weight, delay, pre * n_post + post) -> how many.
        """
        found: Counter[tuple[str, str, str, int, int]] = Counter()
        for each, n in self.synapses.items():
            pre, post = self._pairs(each)
            for place in (pre * self.sizes[each.target] + post).tolist():
                found[each.source, each.target, each.weight, each.delay, place] += n
        return found


def read(
    tables: str | Path,
    settings: str | Path,
    sizes: tuple[int, int, int],
    *,
    inference: bool = False,
) -> Topology:
    """Read a network from two files; see the head of this module.

    Parameters
    ----------
    tables : path
        ``layers`` and ``connected_pairs``.
    settings : path
        ``params``.
    sizes : (n_in, n_h, n_o)
    inference : bool
        Read ``layers_inf`` and ``connected_pairs_inf`` instead.

    Raises
    ------
    FileError
        If a file is missing or no such file, or names an unknown population, neuron type or
        connection type.
    """
    reader, path = _Reader(Path(tables)), Path(tables)
    ending = "_inf" if inference else ""
    layers = reader.table(f"layers{ending}", dict)
    pairs = list(reader.table(f"connected_pairs{ending}", list))
    params = _Reader(Path(settings)).table("params", dict)
    kinds = _dictionary(settings, params, "neuron_types")
    connections = _dictionary(settings, params, "connection_types")
    width = {"in": sizes[0], "hid": sizes[1], "out": sizes[2], "gat": 1}
    named: dict[str, str] = {}
    found: dict[str, int] = {}
    made: dict[str, Kind] = {}
    for name, description in layers.items():
        gate = GATE.fullmatch(str(name))
        ours = f"g{int(gate[1])}" if gate else NAMES.get(name)
        if ours is None:
            raise FileError(f"{path}: no population is known as {name!r}", allowed=_listed(NAMES))
        good = isinstance(description, tuple) and len(description) == 2
        if not good or description[0] not in width:
            raise FileError(f"{path}: {name} is {description!r}", allowed="(layer, neuron type)")
        named[name], found[ours] = ours, width[description[0]]
        if description[1] not in kinds:
            raise FileError(f"{path}: {name} is of neuron type {description[1]!r}",
                            allowed=_listed(kinds))  # fmt: skip
        if ours not in ("input", "target", "kick"):
            made[ours] = _kind(settings, description[1], kinds[description[1]])
    gates = sorted(name for name in named if GATE.fullmatch(name))
    pairs += [(a, b, "1ge") for a, b in zip(gates, gates[1:] + gates[:1], strict=True)]
    synapses: Counter[Synapses] = Counter()
    for pair in pairs:
        words = isinstance(pair, tuple) and all(isinstance(word, str) for word in pair)
        if not words or len(pair) != 3:
            raise FileError(f"{path}: {pair!r} in connected_pairs",
                            allowed="(source, target, connection type)")  # fmt: skip
        source, target, kind = pair
        for name in (source, target):
            if name not in named:
                raise FileError(f"{path}: {name!r} is connected and no population of layers")
        if kind not in connections:
            raise FileError(f"{path}: {source} -> {target} is of connection type {kind!r}",
                            allowed=_listed(connections))  # fmt: skip
        each = _synapses(settings, kind, connections[kind], source, layers[source][0])
        one_to_one = each.one_to_one or found[named[source]] == found[named[target]] == 1
        synapses[each._replace(source=named[source], target=named[target],
                               one_to_one=one_to_one)] += 1  # fmt: skip
    return Topology(found, made, synapses)


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(map(str, names))


def _dictionary(path: str | Path, owner: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = owner.get(name)
    if not isinstance(found, dict):
        raise FileError(f"{path} has no dictionary params[{name!r}]")
    return found


def _whole(path: str | Path, owner: str, values: Any, name: str) -> int:
    value = values.get(name, UNKNOWN) if isinstance(values, dict) else UNKNOWN
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise FileError(f"{path}: {owner}: {name} is no whole number that can be read as data")
    return value


def _kind(path: str | Path, name: str, values: Any) -> Kind:
    for decay in ("tau_v", "tau_i"):
        if _whole(path, name, values, decay) != 1:
            raise FileError(f"{path}: {name}: {decay} is {values[decay]}", allowed="1: no memory")
    refractory = _whole(path, name, values, "refractory")
    return Kind(
        _whole(path, name, values, "i_const"), _whole(path, name, values, "threshold"),
        max(refractory - 1, 0),
    )  # fmt: skip


def _synapses(path: str | Path, name: str, kind: Any, source: str, layer: str) -> Synapses:
    values = _dictionary(path, kind if isinstance(kind, dict) else {}, "params")
    pattern, delay = kind.get("pop_conn_type"), _whole(path, name, values, "delay")
    if pattern not in ("1:1", "1:a", "a:a"):
        raise FileError(f"{path}: {name}: pop_conn_type is {pattern!r}", allowed="1:1, 1:a, a:a")
    if pattern != "a:a":
        weight = str(_whole(path, name, values, "weight"))
        return Synapses("", "", pattern == "1:1", delay, weight)
    rule = str(values.get("lr_w", "")).replace(" ", "")
    if rule not in ("", RULE):
        raise FileError(f"{path}: {name}: the learning rule is {rule!r}", allowed=RULE)
    matrix = {"in": "W1", "hid": "W2", "out": "W2^T"}.get(layer)
    if matrix is None:
        raise FileError(f"{path}: {name} goes out from {source}", allowed="no matrix from a gate")
    sign = "-" if source == "oT-" else ""
    fixed = "" if rule else ", fixed"
    exponent = _whole(path, name, values, "weight_exponent")
    return Synapses("", "", False, delay, f"{sign}{matrix} * 2^{exponent}{fixed}")


def of_program(program: Program) -> Topology:
    """The same of one of our programs.

    The kick, which reaches g1 in the first step, stands as the authors' does: on g0, one step
    earlier.
    """
    sizes = {sender.name: sender.size for sender in program.senders}
    kinds = {
        p.name: Kind(p.bias, p.threshold // loihi.SCALE, p.refractory - 1)
        for p in program.populations
    }
    synapses: Counter[Synapses] = Counter()
    for p in program.projections:
        source = program.senders[p.source].name
        target = program.populations[p.target].name
        one_to_one = p.connect == ONE_TO_ONE or sizes[source] == sizes[target] == 1
        if p.matrix == NO_MATRIX:
            weight = str(int(p.mantissa * 2**p.exponent))
        else:
            name = program.parameters[p.matrix][0] + ("^T" if p.transpose else "")
            sign, fixed = "-" * p.negate, "" if p.plastic else ", fixed"
            weight = f"{sign}{name} * 2^{p.exponent}{fixed}"
        target = "g0" if source == "kick" else target
        synapses[Synapses(source, target, one_to_one, p.delay, weight)] += 1
    return Topology(sizes, kinds, synapses)


def differences(first: Topology, second: Topology, names: tuple[str, str]) -> list[str]:
    """What is in one of two topologies and not in the other, a line each.

    Every synapse of either is looked up in the other, by its two neurons, weight and delay.
    """
    lines: list[str] = []
    for what in ("sizes", "kinds"):
        mine, theirs = getattr(first, what), getattr(second, what)
        for name in sorted(mine.keys() | theirs.keys()):
            if mine.get(name) != theirs.get(name):
                lines.append(
                    f"{name}: {mine.get(name, 'nothing')} in {names[0]}, "
                    f"{theirs.get(name, 'nothing')} in {names[1]}"
                )
    rows = first.rows(), second.rows()
    for owner, extra in ((names[0], rows[0] - rows[1]), (names[1], rows[1] - rows[0])):
        missing: Counter[tuple[str, str, str, int]] = Counter()
        for (*head, _), n in extra.items():
            missing[tuple(head)] += n  # type: ignore[index]
        for (source, target, weight, delay), n in sorted(missing.items()):
            lines.append(
                f"{source} -> {target}: {n:,} synapses of weight {weight}, delay {delay}, "
                f"only in {owner}"
            )
    return lines
