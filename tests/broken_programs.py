"""Program files that are wrong in one way; the reader in Python and that in C refuse them alike."""

import re

from sbp.circuits import single_layer_circuit
from sbp.program import lower


def replaced(old, new, count=1):
    """A change of the text: the first `old` becomes `new`."""

    def change(text):
        assert old in text
        return text.replace(old, new, count)

    return change


def on_line(word, old, new):
    """The first line that begins with `word`: `old` becomes `new`."""

    def change(text):
        line = re.search(f"^{re.escape(word)} .*{old}.*$", text, re.MULTILINE)
        assert line, (word, old)
        return text.replace(line[0], re.sub(old, new, line[0], count=1), 1)

    return change


def cut(word):
    """Nothing from the first line on that begins with `word`."""
    return lambda text: text[: text.index(f"\n{word}") + 1]


PROGRAM = lower(single_layer_circuit((3, 2)))

#: What was changed -> (change, what both messages name).
BROKEN = {
    "truncated before the projections": (cut("projection"), "projection"),
    "truncated before the end": (cut("end"), "end"),
    "half a line": (lambda text: text[: text.index(" du ")], "du"),
    "nothing": (lambda text: "", "sbp-program 1"),
    "another version": (replaced("sbp-program 1", "sbp-program 2"), "1"),
    "another kind of file": (replaced("sbp-program 1", "sbp-trace 1"), "sbp-program 1"),
    "a line too few": (lambda text: re.sub("\nsource .*", "", text, count=1), ""),
    "period of nothing": (on_line("period", "7", "0"), "period"),
    "a population that is too large": (on_line("population", "size 3", "size 1048577"), "size"),
    "a population of nothing": (on_line("population", "size 3", "size 0"), "size"),
    "size against the numbering": (on_line("population", "size 3", "size 4"), "start"),
    "start": (on_line("population", "start 3", "start 4"), "start"),
    "neurons": (on_line("count", r"neurons \d+", "neurons 1"), "neurons"),
    "lines": (on_line("count", r"lines \d+", "lines 5"), "lines"),
    "bias": (on_line("population", "bias -524288", "bias -524289"), "bias"),
    "threshold": (on_line("population", "threshold 65536", "threshold 8388608"), "threshold"),
    "refractory": (on_line("population", "refractory 2", "refractory 64"), "refractory"),
    "no refractory": (on_line("population", "refractory 2", "refractory 0"), "refractory"),
    "du": (on_line("population", "du 4096", "du 4097"), "du"),
    "dv": (on_line("population", "dv 4096", "dv -1"), "dv"),
    "phase of a source": (on_line("source", "phase 0", "phase 7"), "phase"),
    "shape of a matrix": (on_line("parameter", "post 2", "post 3"), "2"),
    "delay": (on_line("projection", "delay 0", "delay 63"), "delay"),
    "negative delay": (on_line("projection", "delay 0", "delay -1"), "delay"),
    "mantissa": (on_line("projection", r"mantissa 130", "mantissa 256"), ""),
    "exponent": (on_line("projection", r"exponent 2", "exponent 8"), "exponent"),
    "exponent of a matrix": (on_line("projection x->o", "exponent 0", "exponent -7"), "exponent"),
    "no such source": (on_line("projection", r"source \d+", "source 99"), "source"),
    "no such target": (on_line("projection", r"target \d+", "target 99"), "target"),
    "no such matrix": (on_line("projection x->o", "matrix 0", "matrix 1"), "matrix"),
    "a source that learns": (on_line("projection x->o", r"source \d+", "source 22"), ""),
    "one to one between unequals": (on_line("projection input->x", r"target \d+", "target 1"), ""),
    "transposed": (on_line("projection x->o", "transpose 0", "transpose 1"), ""),
    "neither one nor all": (on_line("projection", "connect 0", "connect 2"), "connect"),
    "weight change": (on_line("rule", "reward 2", "reward 256"), ""),
    "reward": (on_line("phase", "reward 0", "reward 2"), "reward"),
    "order of the phases": (replaced("\nphase 1 ", "\nphase 2 "), "phase"),
    "no number": (on_line("projection", "delay 0", "delay 0x"), "0x"),
    "a key that is not there": (on_line("projection", " delay 0", ""), "delay"),
}
