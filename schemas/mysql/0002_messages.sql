-- store: messages
-- The log, what happened to its messages later, and up to where somebody deleted a conversation for themselves.
-- Ids are strings made by the application, times are unix milliseconds, there are no foreign keys.

-- The columns stand in the order of MessageRow. A row is emptied, never deleted: seqs are counted from what is here.
-- Two unique keys and no other index. Rows lie by (conv_id, seq): a page of history is one range, and what is said in
-- one conversation is written to its one end.
CREATE TABLE messages (
    conv_id       VARCHAR(140) NOT NULL,
    seq           BIGINT       NOT NULL,
    from_user_id  VARCHAR(64)  NOT NULL,
    client_msg_id VARCHAR(128) NOT NULL,
    type          VARCHAR(16)  NOT NULL,
    payload       MEDIUMTEXT   NULL,
    timestamp     BIGINT       NOT NULL,
    recalled      SMALLINT     NOT NULL,
    expire_at     BIGINT       NULL,
    extras        MEDIUMTEXT   NULL,
    PRIMARY KEY (conv_id, seq),
    UNIQUE KEY uniq_messages_client (conv_id, from_user_id, client_msg_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;

CREATE TABLE changes (
    conv_id    VARCHAR(140) NOT NULL,
    change_no  BIGINT       NOT NULL,
    seq        BIGINT       NOT NULL,
    action     VARCHAR(32)  NOT NULL,
    data       MEDIUMTEXT   NOT NULL,
    created_at BIGINT       NOT NULL,
    PRIMARY KEY (conv_id, change_no),
    KEY idx_changes_message (conv_id, seq, action, change_no)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;

CREATE TABLE conv_deletes (
    owner_id   VARCHAR(64)  NOT NULL,
    conv_id    VARCHAR(140) NOT NULL,
    seq        BIGINT       NOT NULL,
    deleted_at BIGINT       NOT NULL,
    PRIMARY KEY (owner_id, conv_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;

CREATE TABLE reactions (
    conv_id    VARCHAR(140) NOT NULL,
    seq        BIGINT       NOT NULL,
    user_id    VARCHAR(64)  NOT NULL,
    emoji      VARCHAR(64)  NOT NULL,
    created_at BIGINT       NOT NULL,
    PRIMARY KEY (conv_id, seq, user_id, emoji)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;

-- What is still to be done about messages (streams to be ended, messages to be burned or to expire): noted before the
-- message itself, so that a crash leaves none unfound.
CREATE TABLE pending (
    kind          VARCHAR(16)  NOT NULL,
    conv_id       VARCHAR(140) NOT NULL,
    from_user_id  VARCHAR(64)  NOT NULL,
    client_msg_id VARCHAR(128) NOT NULL,
    due_at        BIGINT       NOT NULL,
    PRIMARY KEY (kind, conv_id, from_user_id, client_msg_id),
    KEY idx_pending_due (kind, due_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;

-- A conversation that several nodes write to at once: whoever holds the lock of its row is the one who numbers.
CREATE TABLE message_turns (
    conv_id VARCHAR(140) NOT NULL PRIMARY KEY
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;
