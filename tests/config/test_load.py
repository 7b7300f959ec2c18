"""Where settings come from, which wins, and how exactly a mistake is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from goim.config import Loaded, all_keys, load
from goim.errors import ConfigError


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def problem(environ: dict[str, str], path: Path | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path, environ)
    return caught.value.message


def from_file(folder: Path, text: str) -> Loaded:
    return load(write(folder / "im.toml", text), {})


def file_problem(folder: Path, text: str) -> str:
    return problem({}, write(folder / "im.toml", text))


def test_nothing_configured_is_sqlite_in_one_process() -> None:
    loaded = load(None, {})
    assert loaded.path is None
    assert loaded.settings.is_embedded
    assert loaded.settings.message_db == "sqlite"
    assert {source.kind for source in loaded.sources.values()} == {"default"}
    assert loaded.warnings == ()


def test_the_contracts_defaults_are_kept() -> None:
    settings = load(None, {}).settings
    assert (settings.server.listen.host, settings.server.listen.port) == ("", 8080)
    assert (settings.messages.recall_window, settings.messages.edit_window) == (300, 900)
    assert (settings.calls.ring_timeout, settings.calls.reconnect_grace) == (60, 30)
    assert (settings.streams.idle_timeout, settings.streams.max_bytes) == (60, 1 << 20)
    assert (settings.groups.receipt_limit, settings.groups.history_for_new_members) == (200, True)
    assert (settings.files.max_bytes, settings.files.link_ttl, settings.files.retention) == (50 << 20, 3600, 0)
    assert (settings.gateway.send_queue_bytes, settings.gateway.max_frame_bytes) == (1 << 20, 128 << 10)
    assert settings.gateway.ping_interval + settings.gateway.ping_timeout == 75
    assert (settings.auth.token_ttl, settings.auth.refresh_ttl) == (86400, 30 * 86400)
    assert (settings.auth.login_per_minute, settings.auth.login_per_minute_per_address) == (10, 60)
    assert settings.auth.register_per_minute == 600


SEED = {
    "IM_LISTEN_ADDR": (":9090", "server.listen_addr", ":9090"),
    "IM_TCP_ADDR": (":9000", "server.tcp_addr", ":9000"),
    "IM_REDIS_ADDR": ("127.0.0.1:6379", "redis.addr", "127.0.0.1:6379"),
    "IM_REDIS_PASS": ("pass", "redis.password", "***"),
    "IM_REDIS_DB": ("2", "redis.db", "2"),
    "IM_MYSQL_DSN": ("root:password@tcp(127.0.0.1:3306)/goim", "mysql.dsn", "root:***@tcp(127.0.0.1:3306)/goim"),
    "IM_TIDB_DSN": ("root:@tcp(127.0.0.1:4000)/goim", "tidb.dsn", "root@tcp(127.0.0.1:4000)/goim"),
    "IM_MONGO_URI": ("mongodb://127.0.0.1:27017/goim", "mongo.uri", "mongodb://127.0.0.1:27017/goim"),
    "IM_MESSAGE_DB": ("mysql", "messages.db", "mysql"),
    "IM_JWT_SECRET": ("0123456789abcdefghijklmnopqrstuvwxyz", "auth.jwt_secret", "***"),
    "IM_KAFKA_BROKERS": ("k1:9092,k2:9092", "kafka.brokers", "k1:9092, k2:9092"),
    "IM_KAFKA_GROUP_UPDATE_TOPIC": ("topic", "kafka.group_update_topic", "topic"),
    "IM_GROUP_BATCH_SIZE": ("7", "groups.batch_size", "7"),
    "IM_GROUP_BATCH_SLEEP_MS": ("8", "groups.batch_sleep_ms", "8"),
    "IM_MARKALLREAD_CHUNK_SIZE": ("9", "mark_all_read.chunk_size", "9"),
    "IM_MARKALLREAD_CONCURRENCY": ("10", "mark_all_read.concurrency", "10"),
    "IM_MARKALLREAD_RETRY": ("11", "mark_all_read.retry", "11"),
    "IM_WS_SEND_QPS": ("12", "ws.send_qps", "12"),
    "IM_WS_SEND_BURST": ("13", "ws.send_burst", "13"),
    "IM_ENABLE_METRICS": ("false", "metrics.enabled", "false"),
    "IM_WEBRTC_ENABLED": ("false", "webrtc.enabled", "false"),
    "IM_WEBRTC_STUN_SERVERS": ("", "webrtc.stun_servers", ""),
    "IM_WEBRTC_TURN_SERVERS": ("turn:a,turn:b", "webrtc.turn_servers", "turn:a, turn:b"),
    "IM_WEBRTC_TURN_USER": ("me", "webrtc.turn_user", "me"),
    "IM_WEBRTC_TURN_PASS": ("pass", "webrtc.turn_pass", "***"),
}


def test_every_variable_of_the_seed_sets_its_key() -> None:
    loaded = load(None, {name: value for name, (value, _, _) in SEED.items()})
    assert loaded.warnings == ()
    for name, (_, path, shown) in SEED.items():
        assert (path, all_keys()[path].show(loaded.settings)) == (path, shown)
        assert str(loaded.sources[path]) == name


@pytest.mark.parametrize(
    ("path", "default"),
    [
        ("groups.batch_size", "500"),
        ("groups.batch_sleep_ms", "50"),
        ("mark_all_read.chunk_size", "200"),
        ("mark_all_read.concurrency", "4"),
        ("mark_all_read.retry", "3"),
        ("ws.send_qps", "20"),
        ("ws.send_burst", "40"),
        ("metrics.enabled", "true"),
        ("webrtc.enabled", "true"),
        ("webrtc.stun_servers", "stun:stun.l.google.com:19302, stun:stun1.l.google.com:19302"),
        ("kafka.group_update_topic", "im-group-update"),
    ],
)
def test_the_seeds_defaults_are_kept(path: str, default: str) -> None:
    assert all_keys()[path].show(load(None, {}).settings) == default


def test_variables_win_over_the_file_and_each_value_knows_its_source(tmp_path: Path) -> None:
    path = write(
        tmp_path / "im.toml", '[server]\nlisten_addr = ":1"\ntcp_addr = ":2"\n[messages]\nrecall_window = "7m"\n'
    )
    loaded = load(path, {"IM_LISTEN_ADDR": ":3", "IM_MESSAGES_EDIT_WINDOW": "9m"})
    settings, sources = loaded.settings, loaded.sources
    assert (settings.server.listen_addr, str(sources["server.listen_addr"])) == (":3", "IM_LISTEN_ADDR")
    assert (settings.server.tcp_addr, str(sources["server.tcp_addr"])) == (":2", str(path))
    assert (settings.messages.recall_window, sources["messages.recall_window"].kind) == (420, "file")
    assert (settings.messages.edit_window, sources["messages.edit_window"].kind) == (540, "variable")
    assert str(sources["ws.send_qps"]) == "default"


def test_the_file_is_config_then_goim_config_then_the_current_folder(tmp_path: Path) -> None:
    here = write(tmp_path / "goimctl.toml", "[ws]\nsend_burst = 1\n")
    named = write(tmp_path / "named.toml", "[ws]\nsend_burst = 2\n")
    given = write(tmp_path / "given.toml", "[ws]\nsend_burst = 3\n")
    assert load(None, {}).settings.ws.send_burst == 1
    assert load(None, {"GOIM_CONFIG": str(named)}).settings.ws.send_burst == 2
    assert load(given, {"GOIM_CONFIG": str(named)}).settings.ws.send_burst == 3
    assert load(None, {}).path == Path(here.name)


def test_a_file_that_was_asked_for_must_exist() -> None:
    assert problem({}, Path("no.toml")) == "no.toml: no such file (from --config)"
    assert problem({"GOIM_CONFIG": "gone.toml"}) == "gone.toml: no such file (from GOIM_CONFIG)"


def test_whatever_is_called_like_the_file_is_meant(tmp_path: Path) -> None:
    """Docker makes a folder of a file that is not there: who starts on the defaults then has an empty database."""
    (tmp_path / "goimctl.toml").mkdir()
    assert problem({}, None) == "goimctl.toml: cannot be read: Is a directory"
    (tmp_path / "goimctl.toml").rmdir()
    (tmp_path / "goimctl.toml").symlink_to("nowhere")
    assert problem({}, None) == "goimctl.toml: cannot be read: No such file or directory"


def test_a_file_may_come_from_windows(tmp_path: Path) -> None:
    text = "[ws]\r\nsend_burst = 7\r\n"
    (tmp_path / "goimctl.toml").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert load(None, {}).settings.ws.send_burst == 7
    (tmp_path / "goimctl.toml").write_bytes(text.encode("utf-16"))
    assert problem({}, None) == "goimctl.toml: cannot be read: it is not UTF-8"
    (tmp_path / "goimctl.toml").unlink()
    (tmp_path / "secret").write_bytes(b"\xef\xbb\xbf" + b"0123456789abcdef" * 2 + b"\r\n")
    secret = load(None, {"IM_JWT_SECRET_FILE": "secret"}).settings.auth.jwt_secret
    assert secret.get_secret_value() == "0123456789abcdef" * 2


def test_a_pipe_is_as_good_as_a_file() -> None:
    """As in `--config <(…)`."""
    end, other = os.pipe()
    os.write(other, b"[ws]\nsend_burst = 9\n")
    os.close(other)
    assert load(Path(f"/dev/fd/{end}"), {}).settings.ws.send_burst == 9
    os.close(end)


def test_an_unknown_key_names_the_file_and_the_nearest_key(tmp_path: Path) -> None:
    path = tmp_path / "im.toml"
    assert file_problem(tmp_path, "[server]\nlisten_adr = 1\n") == (
        f"{path}: unknown key server.listen_adr; did you mean server.listen_addr?"
    )
    assert file_problem(tmp_path, "[sever]\nx = 1\n") == f"{path}: unknown section [sever]; did you mean [server]?"
    assert file_problem(tmp_path, "recall_window = 1\n") == (
        f"{path}: unknown key recall_window; did you mean messages.recall_window?"
    )
    assert file_problem(tmp_path, "server = 1\n") == f"{path}: server must be a section: [server]"
    assert file_problem(tmp_path, "[qqqqqqq]\n") == f"{path}: unknown section [qqqqqqq]"


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "im.toml"
    message = file_problem(tmp_path, '[serverr]\n[ws]\nsend_qps = "fast"\n[auth]\ntoken_ttl = 0\n')
    assert message.splitlines() == [
        f"{path}: unknown section [serverr]; did you mean [server]?",
        f"auth.token_ttl = 0 (from {path}): must be greater than 0",
        f"ws.send_qps = 'fast' (from {path}): must be a valid number, unable to parse string as a number",
    ]


def test_a_broken_file_says_where(tmp_path: Path) -> None:
    message = file_problem(tmp_path, "[server]\nlisten_addr = \n")
    assert message.startswith(f"{tmp_path / 'im.toml'}: cannot be read: ")
    assert "line 2" in message


def test_a_wrong_value_names_key_value_source_and_what_would_be_right() -> None:
    assert problem({"IM_MESSAGES_RECALL_WINDOW": "soon"}) == (
        "messages.recall_window = 'soon' (from IM_MESSAGES_RECALL_WINDOW): "
        'must be a duration: seconds, or a text like "90s", "5m", "30d"'
    )
    assert "must be an address" in problem({"IM_LISTEN_ADDR": "8080"})
    assert "must be addresses or networks" in problem({"IM_SERVER_TRUSTED_PROXIES": "10.0.0.0/8,proxy"})
    assert "'api', 'gateway', 'tcp' or 'updater'" in problem({"IM_SERVER_ROLES": "api,chef"})
    assert problem({"IM_SERVER_ROLES": ""}).startswith("server.roles = '' (from IM_SERVER_ROLES): ")


def test_a_wrong_secret_is_not_repeated_in_the_error() -> None:
    message = problem({"IM_MYSQL_DSN": "root:hunter2@nowhere", "IM_MONGO_URI": "http://me:hunter2@db"})
    assert [line.split(":")[0] for line in message.splitlines()] == [
        "mysql.dsn (from IM_MYSQL_DSN)",
        "mongo.uri (from IM_MONGO_URI)",
    ]
    assert "hunter2" not in message


def test_an_unknown_variable_is_a_warning_with_the_nearest_name() -> None:
    loaded = load(None, {"IM_LISTN_ADDR": ":1", "IM_QQQQQQQQQQ": "", "HOME": "/", "GOIM_CONFIG": ""})
    assert loaded.warnings == (
        "IM_LISTN_ADDR is not a setting; did you mean IM_LISTEN_ADDR?",
        "IM_QQQQQQQQQQ is not a setting",
    )


def test_two_names_of_one_key_may_not_differ() -> None:
    assert load(None, {"IM_LISTEN_ADDR": ":1", "IM_SERVER_LISTEN_ADDR": ":1"}).settings.server.listen_addr == ":1"
    assert problem({"IM_LISTEN_ADDR": ":1", "IM_SERVER_LISTEN_ADDR": ":2"}) == (
        "IM_LISTEN_ADDR and IM_SERVER_LISTEN_ADDR both set server.listen_addr, to different values"
    )


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    path = write(tmp_path / "secret", "0123456789abcdefghijklmnopqrstuvwxyz\n")
    loaded = load(None, {"IM_JWT_SECRET_FILE": str(path)})
    assert loaded.settings.auth.jwt_secret.get_secret_value() == "0123456789abcdefghijklmnopqrstuvwxyz"
    assert str(loaded.sources["auth.jwt_secret"]) == "IM_JWT_SECRET_FILE"
    assert problem({"IM_JWT_SECRET_FILE": "gone"}).startswith("IM_JWT_SECRET_FILE: gone cannot be read: ")
    both = {"IM_JWT_SECRET_FILE": str(path), "IM_JWT_SECRET": "another"}
    assert "both set auth.jwt_secret" in problem(both)


def test_only_secrets_are_read_from_files(tmp_path: Path) -> None:
    loaded = load(None, {"IM_LISTEN_ADDR_FILE": "x"})
    assert loaded.warnings == ("IM_LISTEN_ADDR_FILE is not a setting; did you mean IM_LISTEN_ADDR?",)


def test_settings_never_show_secrets() -> None:
    environ = {"IM_JWT_SECRET": "hunter2" * 8, "IM_MYSQL_DSN": "u:hunter2@/goim", "IM_REDIS_PASS": "hunter2"}
    loaded = load(None, environ)
    assert "hunter2" not in repr(loaded)
    assert "hunter2" not in loaded.settings.model_dump_json()


def test_settings_do_not_change() -> None:
    settings = load(None, {}).settings
    with pytest.raises(ValueError, match="frozen"):
        settings.ws.send_burst = 1  # the test is that this fails


def test_the_message_database_follows_mysql_unless_told() -> None:
    dsn = {"IM_MYSQL_DSN": "root@/goim"}
    assert load(None, dsn).settings.message_db == "mysql"
    assert load(None, {**dsn, "IM_MESSAGE_DB": "sqlite"}).settings.message_db == "sqlite"
    assert problem({"IM_MESSAGE_DB": "tidb"}) == "messages.db is tidb, but tidb.dsn is empty"
    assert problem({"IM_MESSAGE_DB": "mongodb"}) == "messages.db is mongodb, but mongo.uri is empty"


def test_a_weak_secret_on_the_embedded_default_is_a_warning() -> None:
    assert load(None, {"IM_JWT_SECRET": "change-me"}).warnings == (
        "auth.jwt_secret (from IM_JWT_SECRET) is not used: it is the example's",
    )
