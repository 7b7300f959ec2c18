"""The settings tree: every key with its default and what it is for. Files, docs and schemas are made from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, SecretStr, model_validator

from goim.config import hooks, values
from goim.config.fields import (
    DsnText,
    Duration,
    Endpoints,
    HookSecrets,
    HookUrl,
    Listen,
    MessageDb,
    MongoUri,
    Networks,
    Role,
    Section,
    Size,
    Texts,
    Url,
    key,
    lower,
)


class Server(Section):
    """Where a node listens and what it does."""

    listen_addr: Listen = key(
        ":8080", 'Where HTTP and WebSocket listen; ":8080" is every interface.', variable="IM_LISTEN_ADDR", min_length=1
    )
    tcp_addr: Listen = key("", "Where the TCP gateway listens; empty: nowhere.", variable="IM_TCP_ADDR")
    tcp_certificate: str = key("", "Certificate chain (PEM) of the TCP gateway; empty: no TLS.")
    tcp_key: str = key("", "Private key (PEM) of that certificate; empty: it is in the same file.")
    roles: Annotated[tuple[Role, ...], BeforeValidator(values.comma_list)] = key(
        ["api", "gateway", "tcp", "updater"], "What this node does, of these four.", min_length=1
    )
    workers: int = key(1, "How many processes serve on one port; several need Redis and MySQL or TiDB.", ge=1)
    data_dir: Path = key("./data", "Where the embedded database, its secret and uploaded files are kept.")
    drain_seconds: Duration = key("10s", "How long a node that is told to stop takes to send its clients elsewhere.")
    allowed_origins: Texts = key([], 'Origins of web pages that may connect besides our own host; "*" is every one.')
    public_url: Url = key("", 'URL that people know this server by, like "https://chat.example.org".')
    trusted_proxies: Networks = key([], "Addresses of proxies whose X-Forwarded-For is believed.")
    docs: bool = key(True, "Whether /schema shows the pages of the HTTP API.")
    web: bool = key(True, "Whether there is the web client at /, where the role api is.")

    @property
    def listen(self) -> values.Address:
        """Host and port of HTTP and WebSocket."""
        return values.address(self.listen_addr)

    @property
    def tcp_listen(self) -> values.Address:
        """Host and port of the TCP gateway, if there is one."""
        return values.address(self.tcp_addr)


class Auth(Section):
    """Tokens, logins and registrations."""

    jwt_secret: SecretStr = key(
        "", "Signs the tokens: 32 bytes or more; empty: made and kept in data_dir.", variable="IM_JWT_SECRET"
    )
    jwt_secret_too: SecretStr = key("", "A second secret that is believed, too: the next one, or the last one.")
    token_ttl: Duration = key("24h", "How long an access token is good.", gt=0)
    refresh_ttl: Duration = key("30d", "How long a login lasts unused.", gt=0)
    login_per_minute: int = key(10, "Failed logins to one account in a minute before it must wait.", ge=1)
    login_per_minute_per_address: int = key(60, "Failed logins from one address in a minute before it must wait.", ge=1)
    register_per_minute: int = key(600, "Registrations from one address in a minute before it must wait.", ge=1)


class Messages(Section):
    """The message log, and for how long a message may still change."""

    db: MessageDb = key(
        "", "sqlite, mysql, tidb or mongodb; empty: mysql if mysql.dsn is set, else sqlite.", variable="IM_MESSAGE_DB"
    )
    recall_window: Duration = key("5m", "How long a sender may recall a message.")
    edit_window: Duration = key("15m", "How long a sender may edit a message.")


class Groups(Section):
    """Groups, and the index of their members' conversations."""

    receipt_limit: int = key(200, "Up to how many members a group is told who has read how far.", ge=0)
    history_for_new_members: bool = key(True, "Whether who joins may read what was said before.")
    batch_size: int = key(
        500, "Members updated in one step of the conversation index.", variable="IM_GROUP_BATCH_SIZE", ge=1
    )
    batch_sleep_ms: int = key(
        50, "Milliseconds of rest between two such steps.", variable="IM_GROUP_BATCH_SLEEP_MS", ge=0
    )


class Streams(Section):
    """Messages that grow while they are written."""

    idle_timeout: Duration = key("60s", "A stream ends by itself when its owner has been gone for so long.", gt=0)
    max_bytes: Size = key("1MiB", "How much text one stream may hold.", ge=1)
    max_live: int = key(100, "How many streams of one person may grow at the same time on one node.", ge=1)


class Calls(Section):
    """Audio and video calls."""

    ring_timeout: Duration = key("60s", "How long a call rings before it is missed.", gt=0)
    reconnect_grace: Duration = key("30s", "How long a side that lost its connection has to come back.", gt=0)


class Files(Section):
    """Uploads."""

    max_bytes: Size = key("50MiB", "The largest file that may be uploaded.", ge=1)
    link_ttl: Duration = key("1h", "How long a signed link is good.", gt=0)
    retention: Duration = key("off", "Files older than this are deleted; off: kept for ever.")
    upload_ttl: Duration = key("24h", "How long an upload that goes on where it broke off may take in all.", gt=0)
    sweep_interval: Duration = key("1h", "How often expired files and left-overs are looked for.", gt=0)
    s3_bucket: str = key("", "Keep files in this bucket; empty: in a folder of server.data_dir.")
    s3_endpoint: Url = key("", "URL of the S3-compatible service; empty: Amazon's.")
    s3_region: str = key("us-east-1", "The region of the bucket.", min_length=1)
    s3_key: str = key("", "Access key id; empty: what the environment or the machine's role says.")
    s3_secret: SecretStr = key("", "Secret access key.")
    s3_prefix: str = key("", "Folder in the bucket, if it is not ours alone.")
    s3_redirect_above: Size = key(0, "From this size on, clients are sent to the bucket for the bytes; 0: never.")


class Gateway(Section):
    """Live connections."""

    send_queue_bytes: Size = key("1MiB", "A reader with more than this waiting is closed as too slow.", ge=65536)
    max_frame_bytes: Size = key("128KiB", "The largest frame a client may send.", ge=1024)
    ping_interval: Duration = key("30s", "How often the server pings a connection.", gt=0)
    ping_timeout: Duration = key("45s", "How long after a ping a silent connection is ended.", gt=0)


class Ws(Section):
    """How fast one device may send, and again how fast it may edit and react (token buckets per user and device)."""

    send_qps: float = key(20, "Messages a second in the long run.", gt=0)
    send_burst: int = key(40, "Messages at once after a rest.", ge=1)


class MarkAllRead(Section):
    """How "mark all read" is spread over the database."""

    chunk_size: int = key(200, "Conversations in one step.", variable="IM_MARKALLREAD_CHUNK_SIZE", ge=1)
    concurrency: int = key(4, "Steps at the same time.", variable="IM_MARKALLREAD_CONCURRENCY", ge=1)
    retry: int = key(3, "How often a failed step is tried again.", variable="IM_MARKALLREAD_RETRY", ge=0)


class Metrics(Section):
    """Figures for Prometheus."""

    enabled: bool = key(True, "Whether /metrics answers.", variable="IM_ENABLE_METRICS")


class Log(Section):
    """What the server says about itself, on stderr."""

    level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(lower)] = key(
        "info", "The least important lines that are shown: debug, info, warning or error."
    )
    format: Annotated[Literal["auto", "text", "json"], BeforeValidator(lower)] = key(
        "auto", "text, json, or auto: text on a terminal, else json."
    )


class Redis(Section):
    """Joins several nodes."""

    addr: Listen = key("", "host:port of Redis; empty: everything in one process.", variable="IM_REDIS_ADDR")
    username: str = key("", "Its user, if it has any of a name.")
    password: SecretStr = key("", "Its password.", variable="IM_REDIS_PASS")
    db: int = key(0, "The number of its database.", ge=0)
    tls: bool = key(False, "Whether it is spoken to by TLS.")
    tls_ca: str = key("", "Certificates (PEM) that its own must be signed by; empty: those of the system.")
    cluster: bool = key(False, "Whether addr is one of the servers of a Redis Cluster (Redis 7 or newer).")
    sentinels: Texts = key([], "host:port of Sentinels, which know where Redis is; then addr stays empty.")
    sentinel_name: str = key("mymaster", "What the Sentinels call it.", min_length=1)

    @property
    def is_set(self) -> bool:
        """Whether there is one at all."""
        return bool(self.addr or self.sentinels)

    @model_validator(mode="after")
    def _is_at_one_place(self) -> Self:
        for sentinel in self.sentinels:
            values.address(sentinel)
        if self.sentinels and (self.addr or self.cluster):
            raise ValueError("redis.sentinels say where Redis is: leave redis.addr empty and redis.cluster false")
        if self.cluster and (self.db or not self.addr):
            raise ValueError("a Redis Cluster has an address and only database 0: set redis.addr, leave redis.db out")
        return self


class Mysql(Section):
    """Structured data in MySQL or MariaDB."""

    dsn: DsnText = key("", "user:password@tcp(host:3306)/database or mysql://…; empty: SQLite.")
    connections: int = key(16, "Connections a node opens at most, to structured data and to the log each.", ge=2)


class Tidb(Section):
    """Messages in TiDB; structured data, too, if mysql.dsn is empty."""

    dsn: DsnText = key("", "user:password@tcp(host:4000)/database or mysql://…, if messages.db is tidb.")


class Mongo(Section):
    """Messages in MongoDB."""

    uri: MongoUri = key("", "mongodb://host:27017/database, if messages.db is mongodb.")


class Kafka(Section):
    """Updates of the conversation index by consumers of their own."""

    brokers: Texts = key([], "host:port of brokers; empty: the updates are made in process.")
    group_update_topic: str = key("im-group-update", "The topic of these updates.", min_length=1)
    idempotent: bool = key(True, "Whether nodes write to it idempotently: off for brokers that cannot.")
    consumer_addr: Listen = key(":8081", "Where goimctl consume answers /healthz and /metrics.", min_length=1)

    @property
    def consumer_listen(self) -> values.Address:
        """Host and port of a consumer's own HTTP."""
        return values.address(self.consumer_addr)


class Webrtc(Section):
    """What the two sides of a call need to find each other."""

    enabled: bool = key(True, "Whether there are calls.")
    stun_servers: Texts = key(
        ["stun:stun.l.google.com:19302", "stun:stun1.l.google.com:19302"], "STUN servers that clients are told."
    )
    turn_servers: Texts = key([], "TURN servers that clients are told.")
    turn_user: str = key("", "User name for the TURN servers.")
    turn_pass: SecretStr = key("", "Password for the TURN servers.")
    turn_secret: SecretStr = key("", "Secret shared with the TURN servers: each user gets a password good for an hour.")


class Hooks(Section):
    """Webhooks: your own servers are told what happens, and asked before a message is sent."""

    endpoints: Endpoints = key(
        [], 'Who is told, and of what: "crm https://crm.example.org/goim message.* user.created".'
    )
    secrets: HookSecrets = key(
        "", "Sign what is sent: whsec_…, or several with commas; name=whsec_… is for one endpoint."
    )
    timeout: Duration = key("10s", "How long an endpoint may take to answer.", gt=0, le=30)
    concurrency: int = key(8, "Requests to one endpoint at the same time.", ge=1)
    give_up: Duration = key("3d", "For how long an event is tried again before it is given up.", gt=0)
    max_waiting: int = key(100_000, "With so many events waiting for an endpoint, no more are taken for it.", ge=1)
    before_send: HookUrl = key("", "Asked before a message is stored, and may refuse or replace it; empty: nobody.")
    before_send_timeout: Duration = key("1s", "How long a question may take.", gt=0, le=30)
    before_send_concurrency: int = key(64, "Questions at the same time.", ge=1)
    before_send_on_error: Annotated[Literal["allow", "deny"], BeforeValidator(lower)] = key(
        "allow", "What becomes of a message about which there is no answer: allow or deny."
    )
    allow_private: Texts = key([], "Hosts and networks of ours that hooks may reach; else only public addresses.")


class Push(Section):
    """Notifications to devices that are not connected."""

    web_push: bool = key(False, "Whether browsers may register for Web Push.")
    vapid_subject: str = key("", 'Whom push services turn to: "mailto:ops@example.org" or a URL; web_push needs it.')
    vapid_private_key: SecretStr = key("", "By it push services know us; empty: made and kept in data_dir.")
    provider: HookUrl = key("", "URL of your own provider, which reaches apps by their tokens; empty: none.")
    show_content: bool = key(False, "Whether a push says who writes and what; else only in which conversation.")
    ttl: Duration = key("1d", "How long a push is of use: so long it is tried, and kept by push services.", ge=60)
    group_limit: int = key(500, "In groups with more members only those who are mentioned get a push.", ge=0)
    allow_private: Texts = key([], "Hosts and networks of ours that may be push services; else only public addresses.")


class Settings(Section):
    """Everything that can be set."""

    server: Server = Server()
    auth: Auth = Auth()
    messages: Messages = Messages()
    groups: Groups = Groups()
    streams: Streams = Streams()
    calls: Calls = Calls()
    files: Files = Files()
    gateway: Gateway = Gateway()
    ws: Ws = Ws()
    mark_all_read: MarkAllRead = MarkAllRead()
    metrics: Metrics = Metrics()
    log: Log = Log()
    redis: Redis = Redis()
    mysql: Mysql = Mysql()
    tidb: Tidb = Tidb()
    mongo: Mongo = Mongo()
    kafka: Kafka = Kafka()
    webrtc: Webrtc = Webrtc()
    hooks: Hooks = Hooks()
    push: Push = Push()

    @property
    def message_db(self) -> str:
        """Where the message log is: messages.db, or what the other settings make of an empty one."""
        return self.messages.db or ("mysql" if self.mysql.dsn else "sqlite")

    @property
    def is_embedded(self) -> bool:
        """Whether this node needs no other service: SQLite, and everything else in process."""
        services = (self.redis.is_set, self.mysql.dsn, self.tidb.dsn, self.mongo.uri, self.kafka.brokers)
        return not any(services)

    @property
    def is_in_files(self) -> bool:
        """Whether structured data or messages are in SQLite."""
        has_server = bool(self.mysql.dsn) or self.message_db == "tidb"
        return not has_server or self.message_db == "sqlite"

    @model_validator(mode="after")
    def _message_db_is_reachable(self) -> Self:
        needs = {"mysql": ("mysql.dsn", self.mysql.dsn), "tidb": ("tidb.dsn", self.tidb.dsn)}
        needs["mongodb"] = ("mongo.uri", self.mongo.uri)
        name, value = needs.get(self.messages.db, ("", "given"))
        if not value:
            raise ValueError(f"messages.db is {self.messages.db}, but {name} is empty")
        return self

    @model_validator(mode="after")
    def _what_is_told_is_signed(self) -> Self:
        named = {text.split()[0] for text in self.hooks.endpoints}
        asked = {"before_send"} if self.hooks.before_send else set()
        asked |= {"push"} if self.push.provider else set()
        keys = hooks.parse_secrets(self.hooks.secrets.get_secret_value())
        if len(named) < len(self.hooks.endpoints):
            raise ValueError("hooks.endpoints has a name twice")
        unsigned = sorted(name for name in named | asked if name not in keys and "" not in keys)
        if unsigned:
            raise ValueError(f"hooks.secrets has none for {unsigned[0]}; make one: goimctl hooks secret")
        return self

    @model_validator(mode="after")
    def _web_push_has_a_subject(self) -> Self:
        if self.push.web_push and not self.push.vapid_subject.startswith(("mailto:", "https://")):
            raise ValueError('push.web_push needs push.vapid_subject, like "mailto:ops@example.org"')
        return self

    @model_validator(mode="after")
    def _a_key_has_its_secret(self) -> Self:
        if bool(self.files.s3_key) != bool(self.files.s3_secret.get_secret_value()):
            raise ValueError("files.s3_key and files.s3_secret belong together: set both or none")
        return self
