"""The engines of this package pass the suite that anyone's engine passes.

And so does one by another hand, a neuron at a time in plain Python: it shares no arithmetic with
the reference engine, which it holds in its place.
"""

import os
import sys
from pathlib import Path

import pytest

from sbp.testing.conformance import *  # noqa: F403
from sbp.testing.conformance import Subject

sys.path.append(str(Path(__file__).parent / "plugin"))
from sbp_guest.engine import ENGINE as GUEST

EXAMPLES = int(os.environ.get("SBP_EXAMPLES", "200"))
RANDOM = {"compiled": EXAMPLES, "reference": 10, "guest": EXAMPLES // 4}


@pytest.fixture(scope="module", params=RANDOM)
def engine(request):
    return Subject(GUEST if request.param == "guest" else request.param)


@pytest.fixture(scope="module")
def examples(engine):
    return RANDOM[engine.engine.name]
