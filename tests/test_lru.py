"""What was used lately is remembered, and the rest is forgotten."""

from __future__ import annotations

from goim.lru import Recent


def filled(size: int, *keys: int) -> Recent[int, str]:
    recent: Recent[int, str] = Recent(size)
    for key in keys:
        recent.put(key, str(key))
    return recent


def test_the_last_values_put_are_there_and_at_most_twice_as_many() -> None:
    recent = filled(3, *range(100))
    assert [recent.get(key) for key in (97, 98, 99)] == ["97", "98", "99"]
    assert len(recent) <= 6
    assert recent.get(90) is None


def test_what_is_asked_for_stays_however_many_others_come() -> None:
    one, several = filled(3, 0), filled(3, 0)
    for key in range(1, 50):
        one.put(key, "")
        several.put_all({key: ""})
        assert one.get(0) == "0"
        assert several.get_all([0, -1]) == {0: "0"}


def test_a_new_value_takes_the_place_of_the_old_one_wherever_that_is() -> None:
    recent = filled(2, 0, 1, 2)  # 0 and 1 are the older ones by now
    recent.put(0, "new")
    assert recent.get(0) == "new"
    assert recent.get_all([0, 1, 2]) == {0: "new", 1: "1", 2: "2"}


def test_what_is_dropped_or_cleared_is_gone_from_old_and_young() -> None:
    recent = filled(2, 0, 1, 2)
    for key in (0, 2):
        recent.drop(key)
        assert recent.get(key) is None
    recent.clear()
    assert (recent.get(1), len(recent)) == (None, 0)
