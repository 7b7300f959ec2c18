"""The file that people copy, and the tree it is made from, say the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from goim.config import Settings, all_keys, as_toml, load
from goim.resources import bundled


def test_the_commented_file_says_what_the_tree_says() -> None:
    assert bundled("goimctl.toml").read_text() == as_toml(), "goimctl config schema --toml > goimctl.toml"


def test_the_commented_file_changes_nothing() -> None:
    loaded = load(bundled("goimctl.toml"), {})
    assert loaded.settings == Settings()
    assert {source.kind for source in loaded.sources.values()} == {"default"}


def test_the_commented_file_uncommented_sets_every_key_to_its_default(tmp_path: Path) -> None:
    path = tmp_path / "all.toml"
    path.write_text(re.sub(r"^#(?=\w)", "", as_toml(), flags=re.MULTILINE))
    loaded = load(path, {})
    assert loaded.settings == Settings()
    assert {source.kind for source in loaded.sources.values()} == {"file"}
    assert sum(len(section) for section in tomllib.loads(path.read_text()).values()) == len(all_keys())


def test_every_key_has_one_line_that_says_what_it_is_for() -> None:
    assert not [key.path for key in all_keys().values() if not re.fullmatch(r".{12,100}\.", key.description)]


def test_every_key_has_the_variable_of_its_name() -> None:
    for path, key in all_keys().items():
        assert "IM_" + path.replace(".", "_").upper() in key.variables


def test_no_variable_sets_two_keys() -> None:
    names = [name for key in all_keys().values() for name in key.variables]
    assert len(names) == len(set(names))
    assert not [name for name in names if name.endswith("_FILE")], "would be taken for a file that holds a secret"
