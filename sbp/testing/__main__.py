"""``python -m sbp.testing ENGINE [options of pytest]``."""

from __future__ import annotations

import sys

from sbp import engines
from sbp.errors import SbpError


def main(arguments: list[str]) -> int:
    """Run the suite; returns an exit code."""
    if not arguments or arguments[0].startswith("-"):
        print("usage: python -m sbp.testing ENGINE [--option NAME=VALUE] [options of pytest]")
        print(f"engines: {', '.join(engines.names())}")
        return 2
    try:
        import hypothesis  # noqa: F401
        import pytest
    except ModuleNotFoundError as error:
        print(f"sbp: error: the suite needs {error.name}; run: pip install pytest hypothesis",
              file=sys.stderr)  # fmt: skip
        return 2
    name, *others = arguments
    try:
        missing = engines.get(name).missing()
    except SbpError as error:
        missing = str(error)
    if missing:
        print(f"sbp: error: {missing}", file=sys.stderr)
        return 2
    return int(
        pytest.main(
            ["-p", "sbp.testing.plugin", "--pyargs", "sbp.testing.conformance", "--engine", name,
             "-p", "no:cacheprovider", "--strict-markers", *others]
        )
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
