"""What lies on disk: files that are whole or not there, YAML as a user writes it, the project's kept results."""

from vaelib.storage.files import (
    FORMAT,
    canonical_json,
    check_writable,
    digest,
    lock,
    move_aside,
    pack,
    read,
    read_json,
    remove_scraps,
    unpack,
    user_path,
    write,
    write_json,
    writing,
)

__all__ = [
    "FORMAT",
    "canonical_json",
    "check_writable",
    "digest",
    "lock",
    "move_aside",
    "pack",
    "read",
    "read_json",
    "remove_scraps",
    "unpack",
    "user_path",
    "write",
    "write_json",
    "writing",
]
