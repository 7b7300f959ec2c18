-- store: words
-- The index of the words of messages, beside the log: a row for each term of a message, which can be made anew from the
-- log at any time. `conv_key` stands for the conversation, `number` orders hits by time.

CREATE TABLE word_index (
    conv_key VARCHAR(32) NOT NULL,
    term     VARCHAR(64) NOT NULL,
    seq      BIGINT      NOT NULL,
    number   BIGINT      NOT NULL,
    PRIMARY KEY (conv_key, term, seq),
    KEY idx_word_index_message (conv_key, seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;

-- Up to which message and which change a conversation is indexed.
CREATE TABLE word_marks (
    conv_id   VARCHAR(140) NOT NULL PRIMARY KEY,
    seq       BIGINT       NOT NULL,
    change_no BIGINT       NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;
