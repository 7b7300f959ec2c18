-- store: structured
-- Each message with a file gives a right of its own, which is taken away with the message or ends with it. What was
-- granted before stays: nobody knows by which message. A node of before names no message, and goes on as it did.

ALTER TABLE file_grants
    ADD COLUMN from_user_id VARCHAR(64) NOT NULL DEFAULT '',
    ADD COLUMN client_msg_id VARCHAR(128) NOT NULL DEFAULT '',
    ADD COLUMN ends_at BIGINT NULL,
    DROP PRIMARY KEY,
    ADD PRIMARY KEY (file_id, conv_id, from_user_id, client_msg_id),
    ADD KEY idx_file_grants_message (from_user_id, conv_id, client_msg_id);
