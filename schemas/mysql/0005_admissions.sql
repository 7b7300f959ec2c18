-- store: structured
-- Who is invited into groups, who asks to be let in, and the notices of groups.
-- Ids are strings made by the application, times are unix milliseconds, there are no foreign keys.

CREATE TABLE group_invitations (
    group_id   VARCHAR(64) NOT NULL,
    user_id    VARCHAR(64) NOT NULL,
    invited_by VARCHAR(64) NOT NULL,
    created_at BIGINT      NOT NULL,
    PRIMARY KEY (group_id, user_id),
    KEY idx_group_invitations_user (user_id, created_at, group_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;

CREATE TABLE group_requests (
    group_id   VARCHAR(64) NOT NULL,
    user_id    VARCHAR(64) NOT NULL,
    created_at BIGINT      NOT NULL,
    PRIMARY KEY (group_id, user_id),
    KEY idx_group_requests_line (group_id, created_at, user_id),
    KEY idx_group_requests_user (user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;

CREATE TABLE group_notices (
    notice_id  VARCHAR(64)  NOT NULL PRIMARY KEY,
    group_id   VARCHAR(64)  NOT NULL,
    title      VARCHAR(255) NOT NULL,
    content    MEDIUMTEXT   NOT NULL,
    created_by VARCHAR(64)  NOT NULL,
    created_at BIGINT       NOT NULL,
    KEY idx_group_notices_group (group_id, created_at, notice_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;
