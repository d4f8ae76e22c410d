"""Lava's fused layout passes the suite that anyone's engine passes."""

import os
import sys

import pytest

if sys.version_info[:2] != (3, 10):  # the one mechanism; on 3.10 a missing Lava is a failure
    pytest.skip("Lava's last release runs on Python 3.10 only", allow_module_level=True)

from sbp.testing.conformance import *  # noqa: F403
from sbp.testing.conformance import Subject

pytestmark = pytest.mark.lava


@pytest.fixture(scope="module")
def engine():
    return Subject("lava", layout="fused")


@pytest.fixture(scope="module")
def examples():
    return int(os.environ.get("SBP_LAVA_EXAMPLES", "6"))
