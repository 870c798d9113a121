"""The sandbox as a process: it says where it is, ends when told, and never outlives who started it."""

import json
import signal
import subprocess
import sys
import time

import httpx
import pytest

from smmpanel.sandbox.process import SandboxProcess

COMMAND = [sys.executable, "-m", "smmpanel.sandbox", "--port", "0", "--services", "5"]


def gone(url):
    """Whether nothing listens there any more, asked for a few seconds."""
    for _ in range(50):
        try:
            httpx.get(url, timeout=1, trust_env=False)
        except httpx.TransportError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_one_line_when_ready_and_ends_cleanly_on_a_signal(number):
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        ready = json.loads(process.stdout.readline())
        answer = httpx.post(ready["url"], data={"key": "sandbox-key", "action": "balance"}, trust_env=False)
        process.send_signal(number)
        status = process.wait(5)
        rest = process.stdout.read()

    assert ready["event"] == "ready"
    assert ready["pid"] == process.pid
    assert answer.json() == {"balance": "1000.00", "currency": "USD"}
    assert (status, rest) == (0, b"")


def test_it_ends_cleanly_while_a_client_still_waits():
    with SandboxProcess.start(services=5, finish_after=0) as sandbox:
        sandbox.add_fault("timeout", action="balance")
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(sandbox.url, data={"key": sandbox.key, "action": "balance"}, timeout=0.1, trust_env=False)
        assert sandbox.stop() == 0
        assert gone(sandbox.url)


def test_it_ends_when_its_standard_input_closes():
    with subprocess.Popen([*COMMAND, "--exit-with-parent"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdin.close()
        assert process.wait(5) == 0


def test_it_ends_when_its_parent_is_killed():
    # The parent keeps the pipe's other end to itself, so only its death can end the sandbox.
    parent = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen({[*COMMAND, '--exit-with-parent']!r}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)\n"
        "sys.stdout.write(child.stdout.readline().decode()); sys.stdout.flush()\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        url = json.loads(process.stdout.readline())["url"]
        assert httpx.get(url, trust_env=False).status_code == 200
        process.kill()

    assert gone(url)


def test_impossible_options_are_refused_at_once():
    for options in (["--balance", "much"], ["--dialect", "elvish"], ["--port", "x"]):
        done = subprocess.run([*COMMAND, *options], capture_output=True, check=False, timeout=10)
        assert done.returncode == 2
        assert done.stdout == b""


def test_starting_on_a_taken_port_fails_instead_of_waiting():
    with SandboxProcess.start(services=5) as sandbox, pytest.raises(RuntimeError, match="did not start"):
        SandboxProcess.start(services=5, port=sandbox.port)
