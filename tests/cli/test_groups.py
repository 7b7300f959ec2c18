"""`goimctl groups` on a database nobody serves."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Goimctl


@pytest.fixture
def group_id(goimctl: Goimctl) -> str:
    """A group of ann, who owns it, and bob; cleo is not in it."""
    for name in ("ann", "bob", "cleo"):
        goimctl.done("users", "create", name, "--generate")
    made: dict[str, str] = goimctl.json("groups", "create", "Team", "ann", "bob", "ann")
    assert made["convId"] == f"group:{made['groupId']}"
    return made["groupId"]


def roles(goimctl: Goimctl, group_id: str) -> dict[str, str]:
    return {member["username"]: member["role"] for member in goimctl.json("groups", "show", group_id)["members"]}


def test_people_come_go_and_get_roles(goimctl: Goimctl, group_id: str) -> None:
    assert roles(goimctl, group_id) == {"ann": "owner", "bob": "member"}
    assert goimctl.done("groups", "add", group_id, "cleo", "bob").stderr == "1 added, 1 in already\n"
    goimctl.done("groups", "role", group_id, "cleo", "owner")
    assert roles(goimctl, group_id) == {"ann": "admin", "bob": "member", "cleo": "owner"}
    assert goimctl.done("groups", "remove", group_id, "bob", "ann").stderr == "bob is out\nann is out\n"
    owner = goimctl("groups", "remove", group_id, "cleo")
    assert (owner.returncode, owner.stderr) == (
        1,
        "error: give the group another owner first, or disband it\n",
    )
    shown = goimctl.done("groups", "show", group_id).stdout.splitlines()
    assert shown[2].split() == ["name", "Team"]
    assert shown[-1].split()[0] == "cleo"


def test_groups_are_listed_page_by_page_and_disbanded(goimctl: Goimctl, group_id: str) -> None:
    other = goimctl.json("groups", "create", "Other", "bob")["groupId"]
    first = goimctl.json("groups", "list", "--limit", "1")
    assert [(each["groupId"], each["memberCount"]) for each in first["groups"]] == [(group_id, 2)]
    rest = goimctl.json("groups", "list", "--after", first["nextAfter"])
    assert ([each["name"] for each in rest["groups"]], rest["nextAfter"]) == (["Other"], None)
    assert [each["name"] for each in goimctl.json("groups", "list", "--find", "OTH")["groups"]] == ["Other"]
    part = goimctl.done("groups", "show", group_id, "--limit", "1")
    assert part.stderr == "there are more: the same with --limit 2\n"
    unsure = goimctl("groups", "disband", other)
    assert (unsure.returncode, unsure.stderr.splitlines()[-1]) == (2, "hint: --yes")
    goimctl.done("groups", "disband", other, "--yes")
    gone = goimctl("groups", "show", other)
    assert (gone.returncode, gone.stderr) == (1, f"error: no such group: {other}\nhint: goimctl groups list\n")
    assert goimctl.done("groups", "list").stdout.splitlines()[1].split()[:3] == [group_id, "Team", "2"]


def test_who_is_not_there_is_named(goimctl: Goimctl, group_id: str) -> None:
    done = goimctl("groups", "add", group_id, "bob", "nobody")
    assert (done.returncode, done.stderr) == (1, "error: no such user: nobody\nhint: goimctl users list\n")
    outside = goimctl("groups", "role", group_id, "cleo", "admin")
    assert (outside.returncode, outside.stderr) == (
        1,
        f"error: cleo is not in this group\nhint: goimctl groups show {group_id}\n",
    )
    for args in (("add", "none", "bob"), ("remove", "none", "bob"), ("disband", "none", "--yes")):
        nowhere = goimctl("groups", *args)
        assert (nowhere.returncode, nowhere.stderr) == (1, "error: no such group: none\nhint: goimctl groups list\n")
    role = goimctl("groups", "role", group_id, "bob", "king")
    assert role.returncode == 2
    assert "'king' is not one of 'owner', 'admin', 'member'" in role.stderr
