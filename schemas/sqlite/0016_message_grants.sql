-- store: structured
-- Each message with a file gives a right of its own, which is taken away with the message or ends with it. What was
-- granted before stays: nobody knows by which message.

CREATE TABLE message_grants (
    file_id       VARCHAR(64)  NOT NULL,
    conv_id       VARCHAR(140) NOT NULL,
    from_user_id  VARCHAR(64)  NOT NULL DEFAULT '',
    client_msg_id VARCHAR(128) NOT NULL DEFAULT '',
    ends_at       BIGINT       NULL,
    PRIMARY KEY (file_id, conv_id, from_user_id, client_msg_id)
) WITHOUT ROWID;
INSERT INTO message_grants (file_id, conv_id) SELECT file_id, conv_id FROM file_grants;
DROP TABLE file_grants;
ALTER TABLE message_grants RENAME TO file_grants;
CREATE INDEX idx_file_grants_message ON file_grants (from_user_id, conv_id, client_msg_id);
