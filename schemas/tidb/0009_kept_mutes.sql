-- store: structured
-- Until when somebody who has left a group is muted there: coming back is no way out of it.

CREATE TABLE group_mutes (
    group_id   VARCHAR(64) NOT NULL,
    user_id    VARCHAR(64) NOT NULL,
    mute_until BIGINT      NOT NULL,
    PRIMARY KEY (group_id, user_id) /*T![clustered_index] CLUSTERED */
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;
