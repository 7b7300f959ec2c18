-- store: words
-- The index of the words of messages that are in another database: a row for each term of a message, in a file of its
-- own, which can be made anew from the log at any time. `conv_key` stands for the conversation, `number` orders hits by
-- time.

CREATE TABLE word_index (
    conv_key VARCHAR(32) NOT NULL,
    term     VARCHAR(64) NOT NULL,
    seq      BIGINT      NOT NULL,
    number   BIGINT      NOT NULL,
    PRIMARY KEY (conv_key, term, seq)
) WITHOUT ROWID;

CREATE INDEX idx_word_index_message ON word_index (conv_key, seq);

-- Up to which message and which change a conversation is indexed.
CREATE TABLE word_marks (
    conv_id   VARCHAR(140) NOT NULL PRIMARY KEY,
    seq       BIGINT       NOT NULL,
    change_no BIGINT       NOT NULL
);
