-- store: structured
-- What is to be sent to other servers, a row for each event and receiver, and how far each node is with writing that
-- down. `state`: 0 waits, 1 is done (kept for a while, so that it is not sent twice), 2 was given up.

CREATE TABLE outbox (
    event_id VARCHAR(160) NOT NULL,
    lane     VARCHAR(64)  NOT NULL,
    target   VARCHAR(200) NOT NULL,
    type     VARCHAR(64)  NOT NULL,
    body     MEDIUMTEXT   NOT NULL,
    made_at  BIGINT       NOT NULL,
    due_at   BIGINT       NOT NULL,
    attempts INT          NOT NULL,
    state    INT          NOT NULL,
    claim    VARCHAR(64)  NOT NULL,
    problem  VARCHAR(255) NOT NULL,
    PRIMARY KEY (event_id, lane, target) /*T![clustered_index] CLUSTERED */,
    KEY idx_outbox_due (state, lane, due_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;

CREATE TABLE outbox_feeds (
    node_id VARCHAR(64) NOT NULL PRIMARY KEY /*T![clustered_index] CLUSTERED */,
    safe_at BIGINT      NOT NULL,
    seen_at BIGINT      NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;
