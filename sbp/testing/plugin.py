"""Options of pytest for `sbp.testing.conformance`: which engine, and with which of its options."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("sbp.testing.conformance")  # a failure shows the values


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--engine`` and ``--option``."""
    group = parser.getgroup("sbp", "engines of sbp")
    group.addoption("--engine", default="compiled", help="the engine that is held to the reference")
    group.addoption(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the engine",
    )
    group.addoption("--examples", type=int, default=100, help="random circuits for each property")
