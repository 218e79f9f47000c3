"""YAML as people write it, read strictly: of a key that occurs twice, the first value would be lost silently."""

from typing import Any

import yaml

from vaelib.errors import SettingError

_MERGE = "tag:yaml.org,2002:merge"  # of the key `<<`, which may occur several times: nothing is lost


class _Loader(yaml.SafeLoader):
    """The safe loader, which refuses a key that its block already has."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        # Checked as written: later the keys of merged blocks are among a block's own.
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            name = (key.tag, str(key.value))
            if name in lines and key.tag != _MERGE:
                problem = f"{key.value!r} occurs twice; allowed: once; it is in line {lines[name]} too"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            lines[name] = key.start_mark.line + 1
        return node


def load(text: str) -> Any:
    """Return the content of YAML text, as `yaml.safe_load` does.

    Raises:
        SettingError: The text is not YAML, or a block has a key twice; the message names the line.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise SettingError(f"line {mark.line + 1 if mark else 1}: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date of the 32nd is a ValueError
        raise SettingError(" ".join(str(error).split())) from None
