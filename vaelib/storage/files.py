"""Files that cannot be half-written or silently wrong.

Everything that the project computes and keeps (the image cache, the runs, the sweeps) passes through here. A file is
written under another name, flushed to the disk and renamed, so that a reader sees the old file or the new one and
nothing between. A checksum tells a damaged file from an intact one. Damaged files are moved aside, never deleted.
"""

import contextlib
import hashlib
import io
import json
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from vaelib.errors import DamagedError, StoreError

FORMAT = 1
"""The format number of everything this library writes; files of another number are not read."""

_SCRAP = ".part"  # ends the name of an unfinished file


def user_path(path: str | os.PathLike[str]) -> Path:
    """Return `path` with the home folder for a leading `~`, which a shell does not expand in `--root=~/runs`."""
    return Path(os.path.expanduser(path))  # unlike Path.expanduser, without an error where there is no home


def digest(content: bytes) -> str:
    """Return the SHA-256 of `content` as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def canonical_json(value: Any) -> bytes:
    """Return a JSON text of `value` that does not depend on the order of its keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def write(path: str | os.PathLike[str], content: bytes) -> str:
    """Write `content` to `path`, whole or not at all, and return its SHA-256.

    Raises:
        StoreError: The folder cannot be written or the disk is full; what was at `path` is then untouched.
    """
    path = Path(path)
    temporary = None
    try:
        _make_folder(path.parent)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=_SCRAP, dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes private files; the finished one is as readable as any other.
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        temporary = None
        _sync_folder(path.parent)
    except OSError as error:
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}. What was written before it is intact."
        ) from error
    finally:
        if temporary is not None:  # an error, or Ctrl-C
            with contextlib.suppress(OSError):
                os.unlink(temporary)
    return digest(content)


@contextlib.contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn an OSError of the block, which writes at `path`, into a StoreError of one line."""
    try:
        yield
    except shutil.Error as error:  # of a tree that was copied: the first of its files stands for all
        _, target, reason = error.args[0][0]
        raise StoreError(f"cannot write {target}: {reason}") from error
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error}") from error


def remove_scraps(folder: str | os.PathLike[str], name: str = "*") -> None:
    """Remove the unfinished files called `name`, or all of them, that killed processes left in `folder`.

    Hold the lock under which they are written: an unfinished file may be one that is being written now.
    """
    for scrap in Path(folder).glob(f".{name}.*{_SCRAP}"):
        with contextlib.suppress(OSError):
            scrap.unlink()


def write_json(path: str | os.PathLike[str], value: Mapping[str, Any]) -> str:
    """Write `value` as readable JSON with a checksum of its own and the format number; return the file's SHA-256."""
    body = {**value, "format": FORMAT}
    body["checksum"] = digest(canonical_json(body))
    return write(path, _readable(body))


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what `write_json` wrote.

    Raises:
        DamagedError: The file is missing, is not such JSON, or has a wrong checksum or another format number.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
        body = json.loads(content)
        own = {name: value for name, value in body.items() if name != "checksum"}
        # The text too: white space, or a number's last digit, can change without a change of the value.
        intact = body["checksum"] == digest(canonical_json(own)) and content == _readable(body)
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise DamagedError(f"{path} cannot be read as JSON with a checksum: {error}") from error
    if own.get("format") != FORMAT:
        raise DamagedError(f"{path} has format {own.get('format')!r}; this version reads {FORMAT}")
    if not intact:
        raise DamagedError(f"{path} is not what was written: its checksum differs")
    return {name: value for name, value in own.items() if name != "format"}


def pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return named arrays as the bytes of an uncompressed `.npz` file."""
    buffer = io.BytesIO()
    np.savez(buffer, **{name: np.asarray(array) for name, array in arrays.items()})  # type: ignore[arg-type]
    return buffer.getvalue()


def unpack(content: bytes) -> dict[str, np.ndarray]:
    """Return the named arrays in the bytes of an `.npz` file; nothing in it is executed."""
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def read(path: str | os.PathLike[str], checksum: str) -> bytes:
    """Return the content of `path`. Raises DamagedError when it is missing or its SHA-256 is not `checksum`."""
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DamagedError(f"{path} cannot be read: {error.strerror or error}") from error
    if digest(content) != checksum:
        raise DamagedError(f"{path} is not what was written: its checksum differs ({len(content)} bytes)")
    return content


def move_aside(path: str | os.PathLike[str], reason: str) -> Path:
    """Rename a damaged file or folder to `<name>.damaged-<n>`, warn with `reason`, and return the new path.

    Raises:
        StoreError: It cannot be renamed.
    """
    path = Path(path)
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    try:
        os.replace(path, aside)
    except OSError as error:
        raise StoreError(f"cannot move {path} aside to {aside.name}: {error.strerror or error}") from error
    warnings.warn(f"{reason}; moved aside to {aside} and made again", stacklevel=3)
    return aside


@contextlib.contextmanager
def lock(path: str | os.PathLike[str], *, waiting: str | None = None) -> Iterator[None]:
    """Hold the lock file `path` while the block runs; other processes wait.

    The operating system frees the lock of a process that died.

    Args:
        path: The lock file.
        waiting: Printed once, on the error stream, if this process has to wait.

    Raises:
        StoreError: The folder cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        guard = filelock.FileLock(path)
        try:
            guard.acquire(timeout=0)
        except filelock.Timeout:
            if waiting:
                print(waiting, file=sys.stderr, flush=True)  # which no page of the book shows
            guard.acquire(poll_interval=0.2)
    except OSError as error:
        raise StoreError(f"cannot lock {path}: {error.strerror or error}") from error
    try:
        yield
    finally:
        guard.release()


def check_writable(folder: str | os.PathLike[str]) -> Path:
    """Create `folder`, write a byte into it and return it, so that no long work begins where it cannot be saved.

    Raises:
        StoreError: The folder cannot be written; the message names it and the reason.
    """
    folder = user_path(folder)
    try:
        _make_folder(folder)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"1")
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        raise StoreError(f"cannot write {folder}: {error.strerror or error}") from error
    return folder


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _readable(body: Mapping[str, Any]) -> bytes:
    return (json.dumps(body, indent=1, allow_nan=False) + "\n").encode()


def _make_folder(folder: Path) -> None:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Flush the folder itself, so that a rename in it survives a power cut; not every system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
