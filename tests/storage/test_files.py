"""What the store promises: whole or not at all, damage noticed, nothing deleted, one at a time."""

import errno
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from vaelib import storage
from vaelib.errors import DamagedError, StoreError
from vaelib.storage import files


def test_what_is_written_is_read_and_the_checksum_is_its_own(tmp_path):
    checksum = storage.write(tmp_path / "deep" / "file", b"content")
    assert storage.read(tmp_path / "deep" / "file", checksum) == b"content"
    assert sorted(p.name for p in (tmp_path / "deep").iterdir()) == ["file"]


@pytest.mark.parametrize("damage", [lambda c: c[:-1], lambda c: c[:3] + bytes([c[3] ^ 1]) + c[4:], lambda c: b""])
def test_a_truncated_or_flipped_file_is_noticed(tmp_path, damage):
    path = tmp_path / "file"
    checksum = storage.write(path, b"content")
    path.write_bytes(damage(b"content"))
    with pytest.raises(DamagedError, match="file is not what was written"):
        storage.read(path, checksum)
    with pytest.raises(DamagedError, match="cannot be read"):
        storage.read(tmp_path / "missing", checksum)


def test_json_notices_any_flipped_character_and_another_format(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    storage.write_json(path, {"epoch": 12, "files": {"x": "y"}})
    good = path.read_bytes()
    assert storage.read_json(path) == {"epoch": 12, "files": {"x": "y"}}
    for position in range(len(good)):
        path.write_bytes(good[:position] + bytes([good[position] ^ 4]) + good[position + 1 :])
        with pytest.raises(DamagedError):
            storage.read_json(path)
    for same_meaning in (good.replace(b"\n", b"\t"), good.replace(b"12", b"1.2e1"), good + b"\n"):
        path.write_bytes(same_meaning)
        with pytest.raises(DamagedError):
            storage.read_json(path)
    path.write_bytes(good)
    monkeypatch.setattr(files, "FORMAT", storage.FORMAT + 1)
    with pytest.raises(DamagedError, match="format 1; this version reads 2"):
        storage.read_json(path)


def test_json_that_the_store_did_not_write_is_damaged(tmp_path):
    for text in ("", "[]", "{}", json.dumps({"checksum": "0"})):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(DamagedError):
            storage.read_json(tmp_path / "a.json")


def test_a_full_disk_leaves_the_old_file_and_no_scraps(tmp_path, monkeypatch):
    storage.write(tmp_path / "file", b"old")

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"cannot write .*file: No space left on device"):
        storage.write(tmp_path / "file", b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_an_interrupted_write_leaves_the_old_file_and_no_scraps(tmp_path, monkeypatch):
    storage.write(tmp_path / "file", b"old")

    def interrupt(handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        storage.write(tmp_path / "file", b"new")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("file", b"old")]


def test_the_folder_is_flushed_after_the_rename_and_so_is_that_of_a_new_folder(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda h: (fsync(h), events.append(os.readlink(f"/proc/self/fd/{h}"))))
    monkeypatch.setattr(os, "replace", lambda a, b: (replace(a, b), events.append("rename")))
    storage.write(tmp_path / "new" / "file", b"content")
    made, written, renamed, kept = events
    assert made == str(tmp_path) and renamed == "rename" and kept == str(tmp_path / "new")
    assert written.startswith(str(tmp_path / "new" / ".file."))


def test_scraps_are_removed_and_nothing_else(tmp_path):
    for name in (".a.x.part", ".b.y.part", "a", "a.part", ".hidden"):
        (tmp_path / name).touch()
    storage.remove_scraps(tmp_path, "a")
    assert {p.name for p in tmp_path.iterdir()} == {".b.y.part", "a", "a.part", ".hidden"}
    storage.remove_scraps(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"a", "a.part", ".hidden"}
    storage.remove_scraps(tmp_path / "missing")


def test_checking_a_folder_leaves_nothing_in_it(tmp_path):
    assert storage.check_writable(tmp_path / "new" / "folder").is_dir()
    assert not list((tmp_path / "new" / "folder").iterdir())


def test_an_unwritable_folder_is_named(tmp_path):
    (tmp_path / "plain").write_text("a file, so nothing can be made below it")
    for act in (storage.check_writable, lambda folder: storage.lock(folder / "lock").__enter__()):
        with pytest.raises(StoreError, match="plain"):
            act(tmp_path / "plain" / "folder")


def test_arrays_go_both_ways_and_nothing_is_executed():
    arrays = {"a": np.arange(6, dtype="float32").reshape(2, 3), "b": np.array(7)}
    back = storage.unpack(storage.pack(arrays))
    assert list(back) == ["a", "b"] and all((back[k] == arrays[k]).all() for k in arrays)
    with pytest.raises(ValueError, match="allow_pickle"):
        storage.unpack(storage.pack({"a": np.array([{}], dtype=object)}))


def test_moving_aside_warns_and_keeps_every_one(tmp_path):
    for number in (1, 2):
        (tmp_path / "run").mkdir()
        with pytest.warns(UserWarning, match="broken; moved aside to .*run.damaged-"):
            assert storage.move_aside(tmp_path / "run", "broken").name == f"run.damaged-{number}"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.damaged-1", "run.damaged-2"]


def test_a_lock_is_waited_for_and_a_dead_ones_is_taken_over(tmp_path):
    code = (
        "import sys, time; from vaelib import storage\n"
        "with storage.lock(sys.argv[1]):\n print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    waiter = subprocess.Popen(
        [sys.executable, "-c", code.replace("time.sleep(60)", "").replace("[1])", "[1], waiting='waits')"),
         str(tmp_path / "lock")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert waiter.stderr is not None and waiter.stderr.readline() == "waits\n"
    time.sleep(0.5)
    assert waiter.poll() is None
    holder.send_signal(signal.SIGKILL)
    assert waiter.communicate(timeout=20)[0] == "held\n"
    holder.wait()


def test_a_path_may_begin_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert storage.check_writable("~/new") == storage.user_path("~/new") == tmp_path / "new"
    assert (tmp_path / "new").is_dir()
    for other in ("a/~/b", "~nobody-of-this-name"):
        assert str(storage.user_path(other)) == other
