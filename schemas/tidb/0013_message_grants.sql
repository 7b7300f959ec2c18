-- store: structured
-- Each message with a file gives a right of its own, which is taken away with the message or ends with it. What was
-- granted before stays: nobody knows by which message. A node of before names no message, and goes on as it did.
-- No key that a table is clustered by can be changed, so it is made anew, and what was granted meanwhile comes after.

CREATE TABLE message_grants (
    file_id       VARCHAR(64)  NOT NULL,
    conv_id       VARCHAR(140) NOT NULL,
    from_user_id  VARCHAR(64)  NOT NULL DEFAULT '',
    client_msg_id VARCHAR(128) NOT NULL DEFAULT '',
    ends_at       BIGINT       NULL,
    PRIMARY KEY (file_id, conv_id, from_user_id, client_msg_id) /*T![clustered_index] CLUSTERED */,
    KEY idx_file_grants_message (from_user_id, conv_id, client_msg_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;
INSERT INTO message_grants (file_id, conv_id) SELECT file_id, conv_id FROM file_grants;
RENAME TABLE file_grants TO file_grants_before, message_grants TO file_grants;
INSERT IGNORE INTO file_grants (file_id, conv_id) SELECT file_id, conv_id FROM file_grants_before;
DROP TABLE file_grants_before;
