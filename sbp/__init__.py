"""Backpropagation by spiking neurons on a neuromorphic chip.

The system of Renner, Sheldon, Zlotnik, Tao and Sornborger, *The backpropagation algorithm
implemented on spiking neuromorphic hardware*, Nature Communications 15, 9691 (2024): its circuits
as data, exact engines that run them, the algebra they compute, and every published number as a
command.

>>> import sbp
>>> program = sbp.lower(sbp.learning_circuit((400, 400, 10)))
>>> program.period
12
"""

from importlib import import_module

__version__ = "0.1.0"

# Imported when they are asked for: the command line, which needs few of them, answers at once and
# can be interrupted from the start.  The types of all of them stand in ``__init__.pyi``.
_PLACES = {
    "sbp.algebra": ("algebra",),
    "sbp.circuits": (
        "deep_circuit", "gating_chain", "inference_circuit", "learning_circuit",
        "single_layer_circuit",
    ),
    "sbp.circuits.gating": (
        "CLOSE", "COPY", "GATE", "GATE_GT", "GATE_LT", "GATE_NEURON", "KICK", "RELAY",
        "RELAY_NO_REFRACTORY", "RING", "VETO", "ParameterSet", "Wiring", "parameter_set",
        "ring_phases",
    ),
    "sbp.circuits.registry": ("build", "families"),
    "sbp.checks.difference": ("first_difference",),
    "sbp.checks.domain": ("domain",),
    "sbp.engines": ("engines",),
    "sbp.errors": ("SbpError",),
    "sbp.learn.training": ("fit",),
    "sbp.program": ("Program", "State", "lower"),
    "sbp.run": ("ALL_SPIKES", "NOTHING", "Counters", "Record", "Run", "copies_parted"),
    "sbp.spec": (
        "Circuit", "LearningRule", "MatrixWeight", "Neuron", "Parameter", "Phase", "Population",
        "Projection", "Source",
    ),
    "sbp.learn.task": ("Task",),
    "sbp.files.trace": ("trace",),
    "sbp.weights": ("Weights",),
}  # fmt: skip
#: Packages within this one: ``sbp.files`` is there after ``import sbp`` alone.
_WINGS = ("app", "checks", "files", "learn", "plots", "reproduce", "testing")
_PLACE = {name: module for module, names in _PLACES.items() for name in names}

__all__ = sorted(_PLACE)


def __getattr__(name: str) -> object:
    from sbp.errors import MissingDependency, did_you_mean

    place = f"sbp.{name}" if name in _WINGS else _PLACE.get(name)
    if place is None:
        advice = did_you_mean(name, (*_PLACE, *_WINGS))
        said = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(f"{said}; {advice}" if advice else said)
    try:
        module = import_module(place)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "sbp":
            raise
        raise MissingDependency(
            f"sbp.{name} needs {error.name}, which is not installed",
            do="pip install spiking-backprop brings it",
        ) from error
    if name in _WINGS:
        return module
    whole = _PLACE[name].rpartition(".")[2] == name  # the module itself
    value = globals()[name] = module if whole else getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
