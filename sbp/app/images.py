"""A program as memory images for hardware, and as a C header.

The images are text that Verilog's ``$readmemh`` reads, one word a line, and are what `rtl` runs:

============== ==================================================================================
file           words
============== ==================================================================================
params.vh      the counts, as macros
neuron.hex     one for each neuron: ``{dv[13], du[13], refractory[6], threshold[24], bias[24]}``
sender.hex     one for each neuron and source line: ``{stop, start}`` of its synapses
synapse.hex    one for each synapse: ``{plastic[1], shift[4], delay, target}``
weight.hex     its mantissa, 9 bits, two's complement; shift is 6 + exponent
reward.hex     one for each phase: whether it has a reward
kick.hex       the source lines that spike once, in the step before the first
trace.txt      of a trace: plain text, `sbp.files.plain`
weight_end.hex of a trace: weight.hex as it is after the last step
============== ==================================================================================

A field without a width has the bits that its largest value needs, at least one.  The synapses of
a sender stand together, projection by projection.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from sbp.errors import FileError
from sbp.files import plain, write_atomic
from sbp.files.trace import Trace, implied_copies
from sbp.program import NO_MATRIX, ONE_TO_ONE, Program

Arrays = Mapping[str, np.ndarray]


def bits(count: int) -> int:
    """Bits of a number that counts `count` things, at least one."""
    return max((count - 1).bit_length(), 1)


def synapses(program: Program, weights: Arrays) -> dict[str, np.ndarray]:
    """Every synapse by itself, ordered by sender: int64, one entry each.

    Parameters
    ----------
    weights : mapping of str to ndarray, shape (n_post, n_pre)
        Of each projection with a matrix, by its name (`State.weights`).

    Returns
    -------
    dict
        "sender", "target" (numbers of neurons and lines), "delay", "shift", "plastic", "weight".
    """
    columns: dict[str, list[np.ndarray]] = {
        name: [] for name in ("sender", "target", "delay", "shift", "plastic", "weight")
    }
    for p in program.projections:
        source, target = program.senders[p.source], program.populations[p.target]
        if p.connect == ONE_TO_ONE and p.matrix == NO_MATRIX:
            pre = post = np.arange(source.size)
        else:
            pre, post = (grid.ravel() for grid in np.indices((source.size, target.size)))
        weight = weights[p.name].T.ravel() if p.matrix != NO_MATRIX else p.mantissa
        values = (source.start + pre, target.start + post, p.delay, p.shift, p.plastic, weight)
        for column, value in zip(columns.values(), values, strict=True):
            column.append(np.broadcast_to(np.asarray(value, np.int64), pre.shape))
    found = {name: np.concatenate([np.empty(0, np.int64), *c]) for name, c in columns.items()}
    order = np.argsort(found["sender"], kind="stable")
    return {name: column[order] for name, column in found.items()}


def counts(program: Program) -> dict[str, int]:
    """What the hardware has to have room for; at least one line and one synapse."""
    lines = sum(source.size for source in program.sources)
    each = synapses(program, program.state(_zeros(program)).weights)
    return {
        "NEURONS": program.n_neurons,
        "LINES": max(lines, 1),
        "SYNAPSES": max(each["target"].size, 1),
        "SLOTS": program.n_slots,
        "PERIOD": program.period,
        "DW_REWARD": program.dw_reward,
        "DW_OTHERWISE": program.dw_otherwise,
    }


def _zeros(program: Program) -> dict[str, np.ndarray]:
    return {name: np.zeros((post, pre), np.int16) for name, post, pre in program.parameters}


def _packed(*fields: tuple[int, int]) -> str:
    """Fields (value, width), the highest first, as one hexadecimal word."""
    word = 0
    for value, width in fields:
        word = word << width | value & (1 << width) - 1
    return f"{word:x}"


def _neurons(program: Program) -> Iterable[str]:
    for p in program.populations:
        word = _packed((p.dv, 13), (p.du, 13), (p.refractory, 6), (p.threshold, 24), (p.bias, 24))
        yield from [word] * p.size


def write(
    program: Program, weights: Arrays, folder: str | Path, trace: Trace | None = None
) -> list[Path]:
    """Write the memory images of `program` to `folder`, which is made.

    Parameters
    ----------
    program : Program
    weights : mapping of str to ndarray, shape (n_post, n_pre)
        A matrix for each parameter.
    folder : path
    trace : Trace, optional
        What a test bench is to replay, from these weights.

    Returns
    -------
    list of Path

    Raises
    ------
    SpecError
        For weights that do not fit.
    FileError
        If the trace lacks the spikes of a population, or the folder cannot be written.
    """
    folder = Path(folder)
    state = program.state(weights)
    if trace is not None:
        for population in program.populations:
            if population.name not in trace.spikes:
                raise FileError(
                    f"the trace has no spikes of {population.name}",
                    do="a test bench needs those of all populations",
                )
    each, room = synapses(program, state.weights), counts(program)
    widths = bits(room["SYNAPSES"] + 1), bits(room["NEURONS"]), bits(room["SLOTS"])
    starts = np.searchsorted(each["sender"], np.arange(room["NEURONS"] + room["LINES"] + 1))
    fields = (each[name].tolist() for name in ("plastic", "shift", "delay", "target"))
    kicks = [s for s in program.sources if s.phase < 0]
    files: dict[str, Iterable[str]] = {
        "params.vh": [f"`define SBP_{name} {value}" for name, value in room.items()],
        "neuron.hex": _neurons(program),
        "sender.hex": (
            _packed((stop, widths[0]), (start, widths[0]))
            for start, stop in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
        ),
        "synapse.hex": (
            _packed((plastic, 1), (shift, 4), (delay, widths[2]), (target, widths[1]))
            for plastic, shift, delay, target in zip(*fields, strict=True)
        ),
        "weight.hex": (_packed((weight, 9)) for weight in each["weight"].tolist()),
        "reward.hex": map(str, program.reward),
        "kick.hex": (f"{s.start + line:x}" for s in kicks for line in range(s.size)),
    }
    if trace is not None:
        after = synapses(program, state.weights | implied_copies(trace))["weight"]
        files["weight_end.hex"] = (_packed((weight, 9)) for weight in after.tolist())
    if not each["target"].size:  # a memory has one word at least
        files |= dict.fromkeys({"synapse.hex", "weight.hex", "weight_end.hex"} & files.keys(), "0")
    paths = [_write_lines(folder / name, words) for name, words in files.items()]
    return [*paths, *([plain.write_trace(trace, folder / "trace.txt")] if trace else [])]


def _write_lines(path: Path, words: Iterable[str]) -> Path:
    return write_atomic(path, lambda stream: stream.writelines(f"{w}\n".encode() for w in words))


def c_header(program: Program, weights: Arrays | None = None) -> str:
    """`program` as the text of a C header: constant tables, and the weights if they are given.

    Parameters
    ----------
    program : Program
    weights : mapping of str to ndarray, shape (n_post, n_pre), optional

    Raises
    ------
    SpecError
        For weights that do not fit.
    """
    if weights is not None:
        program.state(weights)  # checks them
    macros = counts(program) | {
        "POPULATIONS": len(program.populations),
        "SOURCES": len(program.sources),
        "PROJECTIONS": len(program.projections),
    }
    lines = [
        f"/* {program.name} circuit {'-'.join(map(str, program.sizes))}: what `sbp program header`",
        "   made of its program file.  What each number means: `pydoc sbp.files.program_file`. */",
        "#ifndef SBP_PROGRAM_H",
        "#define SBP_PROGRAM_H",
        "#include <stdint.h>",
        f'#define SBP_DIGEST "{program.digest}"',
        *(f"#define SBP_{name} {value}" for name, value in macros.items()),
        f"static const uint8_t sbp_reward[SBP_PERIOD] = {{{_listed(program.reward)}}};",
    ]
    for kind, codes in (
        ("population", program.populations),
        ("source", program.sources),
        ("projection", program.projections),
    ):
        rows = [{k: v for k, v in c._asdict().items() if k != "scheduled"} for c in codes]
        if not rows:
            continue
        fields = [name for name in rows[0] if name != "name"]
        lines += [
            f"typedef struct {{ const char *name; int32_t {', '.join(fields)}; }} sbp_{kind};",
            f"static const sbp_{kind} sbp_{kind}s[{len(rows)}] = {{",
            *(
                f"  {{{json.dumps(r['name'])}, {_listed(r[name] for name in fields)}}},"
                for r in rows
            ),
            "};",
        ]
    for name, matrix in (weights or {}).items():
        lines += [
            f"static const int16_t sbp_weights_{name}[{matrix.shape[0]}][{matrix.shape[1]}] = {{",
            *(f"  {{{_listed(row)}}}," for row in matrix.tolist()),
            "};",
        ]
    return "\n".join([*lines, "#endif", ""])


def _listed(values: Iterable[int]) -> str:
    return ", ".join(map(str, values))
