"""YAML as people write it: read strictly, as a key that is there twice would silently lose the first one's values."""

from typing import Any

import yaml

from vaelib.errors import SettingError

_MERGE = "tag:yaml.org,2002:merge"  # of the key `<<`, which may come several times: nothing gets lost


class _Loader(yaml.SafeLoader):
    """The safe loader, which refuses a key that a block has already."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        # Checked as it stands in the text: later the keys of merged blocks stand beside a block's own.
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            name = (key.tag, str(key.value))
            if name in lines and key.tag != _MERGE:
                problem = f"{key.value!r} is there twice; allowed: once; it stands in line {lines[name]} too"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            lines[name] = key.start_mark.line + 1
        return node


def load(text: str) -> Any:
    """Return what YAML text says, as `yaml.safe_load` does.

    Raises SettingError, which names the line, for what is no YAML and for a key that a block has twice.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise SettingError(f"line {mark.line + 1 if mark else 1}: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date of the 32nd is a ValueError
        raise SettingError(" ".join(str(error).split())) from None
