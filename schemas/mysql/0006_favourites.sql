-- store: structured
-- What people keep for themselves: messages as they were, and things of their own. `message` is a message object as
-- JSON, `search_key` what a favourite is found by, lower-cased, a line each. Tags stand apart, to be found exactly.

CREATE TABLE favourites (
    user_id      VARCHAR(64)  NOT NULL,
    favourite_id VARCHAR(64)  NOT NULL,
    type         VARCHAR(16)  NOT NULL,
    conv_id      VARCHAR(140) NOT NULL,
    title        VARCHAR(255) NOT NULL,
    content      MEDIUMTEXT   NOT NULL,
    message      MEDIUMTEXT   NULL,
    search_key   MEDIUMTEXT   NOT NULL,
    created_at   BIGINT       NOT NULL,
    PRIMARY KEY (user_id, favourite_id),
    KEY idx_favourites_page (user_id, created_at, favourite_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;

CREATE TABLE favourite_tags (
    user_id      VARCHAR(64) NOT NULL,
    tag          VARCHAR(64) NOT NULL,
    favourite_id VARCHAR(64) NOT NULL,
    place        INT         NOT NULL,
    PRIMARY KEY (user_id, tag, favourite_id),
    KEY idx_favourite_tags_favourite (user_id, favourite_id, place)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;
