"""What is on disk: files that are whole or absent, YAML as users write it, the results that the project keeps."""

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
