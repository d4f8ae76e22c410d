"""While tests run by `make shapes`, arrays have the shapes and types that are written beside them.

The modules below say of their arrays what they hold, as ``UInt8[np.ndarray, "n n_0"]``; the
package itself never looks at it.  Here every function that says so is wrapped: what it is given
and what it returns is checked, equal letters being equal lengths.  What does not fit the hints a
function has to refuse with an error of ours; if it computes on, the test that called it fails.
"""

import functools
import importlib
import inspect
import sys
import types
import typing

import jaxtyping
from beartype import BeartypeConf, beartype

from sbp.errors import SbpError

MODULES = (
    "sbp.program", "sbp.run", "sbp.replay", "sbp.weights", "sbp.rows", "sbp.algebra",
    "sbp.learn.task", "sbp.learn.dataset", "sbp.learn.measures", "sbp.learn.augment",
)  # fmt: skip
TYPES = {
    name: getattr(jaxtyping, name)
    for name in "Bool Float Int Int8 Int16 Int32 Int64 Integer Real Shaped UInt8".split()
}
looked_at = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int where a float may stand


def has_shapes(function):
    """Whether its hints speak of shapes."""
    return any("np.ndarray, " in str(hint) for hint in function.__annotations__.values())


def checked(function):
    """`function`, looked at; a violation passes only as a refusal of its own."""
    function = inspect.unwrap(function)  # once is enough
    names = {**typing.__dict__, **TYPES, **function.__globals__}
    hinted = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__,
        function.__closure__,
    )  # fmt: skip
    hinted.__kwdefaults__, hinted.__module__ = function.__kwdefaults__, function.__module__
    hinted.__qualname__ = function.__qualname__
    hinted.__annotations__ = typing.get_type_hints(function, names, names)
    strict = jaxtyping.jaxtyped(hinted, typechecker=looked_at)

    @functools.wraps(function)
    def refusing(*given, **named):
        try:
            return strict(*given, **named)
        except jaxtyping.TypeCheckError as violation:
            try:
                function(*given, **named)
            except SbpError:
                raise
            except Exception:
                raise violation from None
            raise

    return refusing


def wrapped(member):
    """A function, method or property in its checked form; None if it speaks of no shapes."""
    if isinstance(member, (classmethod, staticmethod)):
        inner = wrapped(member.__func__)
        return inner and type(member)(inner)
    if isinstance(member, property):
        inner = member.fget and wrapped(member.fget)
        return inner and property(inner, member.fset, member.fdel, member.__doc__)
    if isinstance(member, functools.cached_property):
        inner = wrapped(member.func)
        if inner is None:
            return None
        changed = functools.cached_property(inner)
        changed.__set_name__(None, member.attrname)
        return changed
    return checked(member) if inspect.isfunction(member) and has_shapes(member) else None


def install():
    """Put the checked form in the place of every function of `MODULES`; returns how many."""
    replaced = {}
    count = 0
    for name in MODULES:
        module = importlib.import_module(name)
        for attribute, value in list(vars(module).items()):
            if getattr(value, "__module__", None) != name:
                continue
            if inspect.isclass(value):
                for inner, member in list(vars(value).items()):
                    if changed := wrapped(member):
                        setattr(value, inner, changed)
                        count += 1
            elif changed := wrapped(value):
                replaced[id(value)] = value, changed
                setattr(module, attribute, changed)
                count += 1
    # Who took a function before it was wrapped.
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "sbp":
            for attribute, value in list(vars(module).items()):
                if id(value) in replaced:
                    setattr(module, attribute, replaced[id(value)][1])
    return count
