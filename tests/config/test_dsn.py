"""Both ways to write where a database is."""

from __future__ import annotations

import pytest

from goim.config.dsn import Dsn, mask_url, parse_dsn


def test_the_seeds_own_example_is_read() -> None:
    text = "root:password@tcp(127.0.0.1:3306)/goim?parseTime=true&loc=Local&charset=utf8mb4"
    assert parse_dsn(text) == Dsn(
        host="127.0.0.1",
        port=3306,
        user="root",
        password="password",
        database="goim",
        params={"parseTime": "true", "loc": "Local", "charset": "utf8mb4"},
    )


def test_a_url_says_the_same_as_gos_form() -> None:
    go = parse_dsn("me:p%40ss@tcp(db.example:3307)/goim?charset=utf8mb4")
    url = parse_dsn("mysql://me:p%2540ss@db.example:3307/goim?charset=utf8mb4")
    assert go == url
    assert url.password == "p%40ss"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("root:@tcp(127.0.0.1:4000)/goim", Dsn(user="root", port=4000, database="goim")),
        ("root@/goim", Dsn(user="root", port=3306, database="goim")),
        ("/goim", Dsn(port=3306, database="goim")),
        ("u:p@tcp/goim", Dsn(user="u", password="p", port=3306, database="goim")),
        ("u:p@tcp(db)/goim", Dsn(user="u", password="p", host="db", port=3306, database="goim")),
        ("u:p@tcp([fe80::1]:3310)/goim", Dsn(user="u", password="p", host="fe80::1", port=3310, database="goim")),
        (
            "u:p@unix(/run/mysqld.sock)/goim",
            Dsn(user="u", password="p", port=3306, socket="/run/mysqld.sock", database="goim"),
        ),
        ("u:a@b:c/d@tcp(h:1)/goim", Dsn(user="u", password="a@b:c/d", host="h", port=1, database="goim")),
        ("mariadb://u@[::1]/goim", Dsn(user="u", host="::1", port=3306, database="goim")),
        ("mysql+asyncmy://u:p@h/goim", Dsn(user="u", password="p", host="h", port=3306, database="goim")),
        ("tidb://h:4000/goim", Dsn(host="h", port=4000, database="goim")),
    ],
)
def test_parts_that_are_left_out_have_the_usual_values(text: str, expected: Dsn) -> None:
    assert parse_dsn(text) == expected


def test_the_usual_port_can_be_another() -> None:
    assert parse_dsn("root@tcp(db)/goim", default_port=4000).port == 4000
    assert parse_dsn("mysql://db/goim", default_port=4000).port == 4000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "goim",
        "root:hunter2@tcp(127.0.0.1:3306)",
        "root:hunter2@tcp(127.0.0.1:3306)/",
        "root:hunter2@tcp(127.0.0.1:port)/goim",
        "root:hunter2@tcp(127.0.0.1:99999)/goim",
        "root:hunter2@pipe(x)/goim",
        "root:hunter2@unix()/goim",
        "postgres://root:hunter2@h/goim",
        "mysql://root:hunter2@h:port/goim",
        "mysql://root:hunter2@h",
    ],
)
def test_what_is_no_dsn_is_refused_without_telling_the_password(text: str) -> None:
    with pytest.raises(ValueError, match="must look like") as caught:
        parse_dsn(text)
    assert "hunter2" not in str(caught.value)


def test_a_shown_dsn_has_no_password() -> None:
    dsn = parse_dsn("root:hunter2@tcp(127.0.0.1:3306)/goim")
    assert dsn.masked() == "root:***@tcp(127.0.0.1:3306)/goim"
    assert "hunter2" not in repr(dsn)


@pytest.mark.parametrize("password", ["hunter2", "hun@ter2", "hun/ter2", "hun:ter2@"])
def test_a_shown_url_has_no_password(password: str) -> None:
    assert mask_url(f"mongodb://me:{password}@db:27017/goim") == "mongodb://me:***@db:27017/goim"


def test_a_url_without_a_password_is_shown_as_it_is() -> None:
    assert mask_url("mongodb://db:27017/goim") == "mongodb://db:27017/goim"
