"""Ctrl-C noted and answered later, or kept from helping processes; a pool of processes without the user's program."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from multiprocessing import spawn
from pathlib import Path

import pytest

from vaelib.system import processes

MASK = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Have this process answer Ctrl-C as Python does by itself, whatever started it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_an_interruption_is_noted_at_once_and_answered_at_the_end() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), processes.interrupts_noted() as interruptions:
        interrupt()
        interrupt()
        reached.append(list(interruptions))
    assert reached == [[signal.SIGINT] * 2]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interruption_is_answered_where_the_block_ends_in_an_error_too() -> None:
    with pytest.raises(KeyboardInterrupt) as raised, processes.interrupts_noted():
        interrupt()
        raise ZeroDivisionError
    assert isinstance(raised.value.__context__, ZeroDivisionError)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_interruptions_that_are_ignored_stay_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with processes.interrupts_noted() as interruptions:
        interrupt()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert interruptions == []


def test_a_thread_beside_the_first_leaves_the_answer_to_that() -> None:
    answers = []

    def note() -> None:
        with processes.interrupts_noted():
            answers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=note)
    thread.start()
    thread.join()
    assert answers == [signal.default_int_handler]


def blocked() -> bool:
    """Return whether Ctrl-C is held back from a process that is started now."""
    return subprocess.run([sys.executable, "-c", MASK], capture_output=True, text=True).stdout == "True\n"


def test_ctrl_c_is_held_back_from_what_is_started_in_the_block_alone() -> None:
    assert not blocked()
    with processes.interrupts_held():
        assert blocked()
    assert not blocked()
    with pytest.raises(KeyboardInterrupt), processes.interrupts_held():
        interrupt()
    assert not blocked()


def test_a_pools_processes_are_this_ones_children_and_begin_as_asked(tmp_path: Path) -> None:
    with processes.pool(1, begin=os.chdir, given=(tmp_path,)) as pool:
        assert pool.submit(os.getppid).result() == os.getpid()
        assert pool.submit(os.getcwd).result() == str(tmp_path)


def test_the_main_module_is_kept_from_processes_of_that_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spawn, "get_preparation_data", lambda name: {"name": name, "init_main_from_path": "script.py"})
    original = spawn.get_preparation_data
    with processes.without_main("helper"):
        assert spawn.get_preparation_data("helper") == {"name": "helper"}
        assert spawn.get_preparation_data("other") == original("other")
    assert spawn.get_preparation_data is original
