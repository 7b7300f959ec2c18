-- store: structured
-- What processes that share this database, but no bus, tell each other. Numbered 1, 2, 3 … by the application.

CREATE TABLE im_letters (
    letter_id BIGINT       NOT NULL PRIMARY KEY /*T![clustered_index] CLUSTERED */,
    topic     VARCHAR(140) NOT NULL,
    body      MEDIUMBLOB   NOT NULL,
    posted_at BIGINT       NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;
