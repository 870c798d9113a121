"""Other processes: none is taken for dead that lives."""

import subprocess
import time

import pytest

from smmpanel.entrypoints.processes import LINUX, command_of

BECOMES_ANOTHER = 'left=$((left - 1)); export left; if [ "$left" -gt 0 ]; then exec /bin/sh -c "$0" "$0"; fi'


@pytest.mark.skipif(not LINUX, reason="looks at /proc")
def test_a_process_that_becomes_another_program_is_never_taken_for_one_that_ended():
    with subprocess.Popen(["/bin/sh", "-c", BECOMES_ANOTHER, BECOMES_ANOTHER], env={"left": "300"}) as process:
        looks = 0
        while process.poll() is None:
            command = command_of(process.pid)
            assert command or process.poll() is not None
            looks += 1
    assert looks > 10


@pytest.mark.skipif(not LINUX, reason="looks at /proc")
def test_a_process_that_ended_and_was_not_counted_yet_has_no_command():
    with subprocess.Popen(["/bin/true"]) as process:
        deadline = time.monotonic() + 10
        while command_of(process.pid):
            assert time.monotonic() < deadline
        assert command_of(process.pid) == []
