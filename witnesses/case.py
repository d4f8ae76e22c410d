"""What the witnesses share: a program and a trace read from plain text, and the comparison.

Needs NumPy only: nothing of sbp, which a witness must not know.  Usage of a witness:
``python run_NAME.py PROGRAM TRACE ANSWER.json``.  PROGRAM is a file that ``sbp program write``
writes, TRACE one of ``sbp program trace``; `pydoc sbp.files.program_file` and `pydoc
sbp.files.plain` describe them.  A witness builds the network from PROGRAM, takes from TRACE the
spikes of the sources and the weights at the start, runs, and calls `Case.report` with what it
found.
"""

import json
import platform
import sys
import time
from importlib import metadata
from types import SimpleNamespace

import numpy as np


def integers(text):
    """``1,2,3`` or ``-``."""
    return [] if text == "-" else [int(word) for word in text.split(",")]


def fields(words):
    """``key value key value`` as a namespace, integers where they are."""
    values = {}
    for key, value in zip(words[::2], words[1::2], strict=True):
        plain = value.lstrip("-").isdigit()
        values[key] = int(value) if plain else value
    return SimpleNamespace(**values)


class Case:
    """A program, the stimulus of its sources, and the answer to compare with.

    Attributes
    ----------
    populations, sources, projections : list of namespaces
        The fields of the program file's lines; a projection has `pre` and `post`, the names of
        its ends, and `plastic`, `matrix` and `connect` as there.
    period, steps : int
    reward : list of int, one for each phase
    dw : (otherwise, reward)
    external : dict of str to bool array (steps, size)
        Spikes of every source; the kick, in the step before the first, is not among them.
    start : dict of str to int array (n_post, n_pre)
        Weights of every projection that has a matrix, before the first step.
    """

    def __init__(self, program, trace):
        self.began = time.perf_counter()
        self._read_program(program)
        self._read_trace(trace)

    def _read_program(self, path):
        self.populations, self.sources, self.projections, self.reward = [], [], [], []
        self.shapes = {}
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                word, _, rest = line.rstrip("\n").partition(" ")
                if word == "period":
                    self.period = int(rest)
                elif word == "rule":
                    _, reward, _, otherwise = rest.split(" ")
                    self.dw = int(otherwise), int(reward)
                elif word == "phase":
                    self.reward.append(int(rest.split(" ")[2]))
                elif word in ("population", "source", "parameter", "projection"):
                    name, *words = rest.partition(" kind")[0].split(" ")
                    part = fields(words)
                    part.name = name
                    if word == "parameter":
                        self.shapes[name] = part.post, part.pre
                    else:
                        getattr(self, f"{word}s").append(part)
        senders = [*self.populations, *self.sources]
        names = list(self.shapes)
        self.size = {sender.name: sender.size for sender in senders}
        self.first = {sender.name: sender.start for sender in senders}
        self.neurons = sum(population.size for population in self.populations)
        for projection in self.projections:
            projection.pre = senders[projection.source].name
            projection.post = self.populations[projection.target].name
            projection.parameter = names[projection.matrix] if projection.matrix >= 0 else ""

    def _read_trace(self, path):
        matrices = {"initial": {}, "final": {}, "copy": {}}
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                words = line.split()
                if words[0] == "samples":
                    self.samples, self.steps = int(words[1]), int(words[3])
                    lines_of_sources = sum(source.size for source in self.sources)
                    fired = np.zeros((self.steps, self.neurons + lines_of_sources), bool)
                elif words[0] == "matrix":
                    rows = [next(lines) for _ in range(int(words[4]))]
                    matrices[words[1]][words[2]] = np.array([row.split() for row in rows], int)
                elif words[0] == "step":
                    fired[int(words[1]), [int(word) for word in words[4:]]] = True
        self.spikes = fired[:, : self.neurons]
        self.external = {
            source.name: fired[:, source.start : source.start + source.size]
            for source in self.sources
            if source.phase >= 0
        }
        self.start = {
            projection.name: self._copy(projection, matrices["initial"][projection.parameter])
            for projection in self.projections
            if projection.matrix >= 0
        }
        self.end = matrices["copy"]

    @staticmethod
    def _copy(projection, matrix):
        matrix = matrix.T if projection.transpose else matrix
        return np.clip(-matrix if projection.negate else matrix, -256, 254).copy()

    def neurons_of(self, name):
        """Where a population's neurons stand among all."""
        return slice(self.first[name], self.first[name] + self.size[name])

    def memoryless(self):
        """Stop unless no neuron keeps a current or a potential."""
        if any(p.du != 4096 or p.dv != 4096 for p in self.populations):
            sys.exit("this witness knows neurons without memory only")

    def change(self, step):
        """What a coincidence in `step` adds to a weight."""
        return self.dw[self.reward[step % self.period]]

    def learn(self, spikes, weights, step):
        """Apply the rule from a witness's own spikes; (projection, pre, post) that changed."""
        changed = []
        for projection in self.projections:
            if not projection.plastic:
                continue
            pre = np.flatnonzero(spikes[self.neurons_of(projection.pre)])
            post = np.flatnonzero(spikes[self.neurons_of(projection.post)])
            if len(pre) and len(post):
                pairs = np.ix_(post, pre)
                matrix = weights[projection.name]
                matrix[pairs] = np.clip(matrix[pairs] + self.change(step), -256, 254)
                changed.append((projection, pre, post))
        return changed

    def report(self, spikes, weights, learns, *distributions):
        """Compare every spike (steps, neurons) and every weight, and write the answer.

        `learns` says whether the tool's own learning changed the weights, or the rule was applied
        to them from outside.
        """
        differ = np.argwhere(spikes != self.spikes)
        wrong = {name: int((weights[name] != self.end[name]).sum()) for name in self.end}
        moved = sum(int((self.start[name] != end).sum()) for name, end in self.end.items())
        first = ""
        if len(differ):
            step, neuron = map(int, differ[0])
            owner = next(p for p in self.populations if p.start <= neuron < p.start + p.size)
            first = (
                f"step {step} (phase {step % self.period}), population {owner.name}, "
                f"neuron {neuron - owner.start}"
            )
        answer = {
            "steps": self.steps,
            "samples": self.samples,
            "spikes": int(self.spikes.sum()),
            "spikes_compared": int(self.spikes.size),
            "spikes_differing": len(differ),
            "first_difference": first,
            "weights_compared": sum(end.size for end in self.end.values()),
            "weights_moved": moved,
            "weights_differing": sum(wrong.values()),
            "learns": learns,
            "seconds": round(time.perf_counter() - self.began, 2),
            "versions": {
                **{name: metadata.version(name) for name in distributions},
                "python": platform.python_version(),
            },
        }
        with open(sys.argv[3], "w", encoding="utf-8") as stream:
            json.dump(answer, stream)


def given():
    """The case that the command line names."""
    return Case(*sys.argv[1:3])
