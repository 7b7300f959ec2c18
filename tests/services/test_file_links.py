"""Links to files: whose secret is believed."""

from __future__ import annotations

from goim.services.file_links import LinkSigner

NOW, LATER = 1_000, 2_000


def test_a_link_outlives_a_change_of_the_secret_while_both_are_believed() -> None:
    link = LinkSigner(["old"]).sign("file", LATER)
    assert LinkSigner(["new", "old"]).is_good("file", link, NOW)
    assert not LinkSigner(["new"]).is_good("file", link, NOW)
    assert not LinkSigner(["new", "old"]).is_good("other", link, NOW)
    assert not LinkSigner(["new", "old"]).is_good("file", link, LATER)


def test_the_first_secret_signs() -> None:
    link = LinkSigner(["new", "old"]).sign("file", LATER)
    assert LinkSigner(["new"]).is_good("file", link, NOW)
    assert not LinkSigner(["old"]).is_good("file", link, NOW)
