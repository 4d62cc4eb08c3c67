"""Coverage-guided fuzzing: `make fuzz`, or PYTHONPATH=.:tests/dscc python -m tests.fuzz TARGET [libFuzzer's options].

Needs atheris (pip install atheris). It begins with the messages of the test vectors, and runs until it finds something,
or for -max_total_time=SECONDS.
"""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
VECTORS = HERE.parents[1] / "docs" / "dscc-vectors.json"


def main() -> None:
    """Fuzz one target."""
    import atheris

    with atheris.instrument_imports(include=["dscc"]):
        sys.path.insert(0, str(HERE))
        import targets

        from dscc.errors import DsccError
    wanted = {target.__name__: target for target in targets.TARGETS}
    if len(sys.argv) < 2 or sys.argv[1] not in wanted:
        sys.exit(f"a target, please: {', '.join(wanted)}")
    target = wanted[sys.argv.pop(1)]

    def once(data: bytes) -> None:
        with suppress(DsccError):
            target(data)

    with TemporaryDirectory() as corpus:
        for known in re.findall(r'"cbor": "([0-9a-f]+)"', VECTORS.read_text()):
            said = bytes.fromhex(known)
            for data in (said, (len(said) + 1).to_bytes(4, "big") + b"\x01" + said):
                (Path(corpus) / sha256(data).hexdigest()).write_bytes(data)
        atheris.Setup([*sys.argv, corpus], once)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
