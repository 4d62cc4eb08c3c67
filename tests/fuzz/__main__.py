"""Coverage-guided fuzzing: `make fuzz`, or PYTHONPATH=.:tests/dscc python -m tests.fuzz TARGET [libFuzzer options].

Needs atheris (pip install atheris). It runs until it finds something, or for -max_total_time=SECONDS.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path


def main() -> None:
    """Fuzz one target, from the messages of the test vectors."""
    import atheris

    with atheris.instrument_imports(include=["dscc"]):
        sys.path.insert(0, str(Path(__file__).parent))
        import targets

        from dscc.errors import DsccError
    wanted = {target.__name__: target for target in targets.TARGETS}
    if len(sys.argv) < 2 or sys.argv[1] not in wanted:
        sys.exit(f"a target, please: {', '.join(wanted)}")
    target = wanted[sys.argv.pop(1)]

    def once(data: bytes) -> None:
        with suppress(DsccError):
            target(data)

    atheris.Setup(sys.argv, once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
