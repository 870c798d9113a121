"""The other side of comparisons: `pgbench`, which comes with PostgreSQL, running a script on the same database."""

import re
import subprocess
from tempfile import NamedTemporaryFile

from benchmarks.place import Place


def pgbench_pace(place: Place, script: str, *, clients: int, seconds: int) -> float:
    """Run a script again and again for some seconds, prepared, and return its transactions a second."""
    with NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        command = [
            str(place.postgres.bin("pgbench")),
            "--no-vacuum",
            "--protocol=prepared",
            f"--client={clients}",
            "--jobs=2",
            f"--time={seconds}",
            f"--file={file.name}",
            place.url,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    if found is None or "failed: 0 " not in done.stdout.replace("number of failed transactions", "failed"):
        raise RuntimeError(done.stdout + done.stderr)
    return float(found[1])
