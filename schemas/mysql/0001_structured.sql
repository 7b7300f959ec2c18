-- store: structured
-- Accounts, friendships, groups, conversations and receipts. Ids are strings made by the application, times are unix
-- milliseconds, flags are 0 or 1, and there are no foreign keys.
-- Text is compared byte by byte, blanks at its end included: utf8mb4_bin of both families would pass those over, so the
-- comments name the collation that each has for it (MySQL from 8.0.17, MariaDB from 10.2).

-- Administrators and disabled accounts are few among many: found and counted by their flags.
CREATE TABLE im_users (
    user_id       VARCHAR(64)   NOT NULL PRIMARY KEY,
    username      VARCHAR(64)   NOT NULL,
    username_key  VARCHAR(64)   NOT NULL,
    nickname      VARCHAR(255)  NOT NULL,
    nickname_key  VARCHAR(255)  NOT NULL,
    avatar_url    VARCHAR(1024) NOT NULL,
    password_hash VARCHAR(255)  NOT NULL,
    is_admin      BOOLEAN       NOT NULL,
    is_disabled   BOOLEAN       NOT NULL,
    created_at    BIGINT        NOT NULL,
    KEY idx_users_flags (is_admin, is_disabled),
    UNIQUE KEY uniq_users_username_key (username_key)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;

CREATE TABLE im_sessions (
    session_id   VARCHAR(64)  NOT NULL PRIMARY KEY,
    user_id      VARCHAR(64)  NOT NULL,
    device_id    VARCHAR(128) NULL,
    refresh_hash VARCHAR(128) NOT NULL,
    created_at   BIGINT       NOT NULL,
    expires_at   BIGINT       NOT NULL,
    KEY idx_sessions_user (user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;

CREATE TABLE im_devices (
    user_id      VARCHAR(64)  NOT NULL,
    device_id    VARCHAR(128) NOT NULL,
    session_id   VARCHAR(64)  NOT NULL,
    transport    VARCHAR(16)  NOT NULL,
    connected_at BIGINT       NOT NULL,
    last_seen    BIGINT       NOT NULL,
    PRIMARY KEY (user_id, device_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;

CREATE TABLE im_friends (
    user_id    VARCHAR(64)  NOT NULL,
    friend_id  VARCHAR(64)  NOT NULL,
    remark     VARCHAR(255) NOT NULL,
    created_at BIGINT       NOT NULL,
    PRIMARY KEY (user_id, friend_id),
    KEY idx_friends_friend (friend_id, user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;

CREATE TABLE im_blocks (
    user_id    VARCHAR(64) NOT NULL,
    blocked_id VARCHAR(64) NOT NULL,
    created_at BIGINT      NOT NULL,
    PRIMARY KEY (user_id, blocked_id),
    KEY idx_blocks_blocked (blocked_id, user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;

CREATE TABLE im_groups (
    group_id     VARCHAR(64)   NOT NULL PRIMARY KEY,
    name         VARCHAR(255)  NOT NULL,
    avatar_url   VARCHAR(1024) NOT NULL,
    owner_id     VARCHAR(64)   NOT NULL,
    join_policy  VARCHAR(16)   NOT NULL,
    muted        BOOLEAN       NOT NULL,
    member_count INT           NOT NULL,
    created_at   BIGINT        NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;

-- Owner and admins of a group of ten thousand are found by their role, without reading its members.
CREATE TABLE im_group_members (
    group_id   VARCHAR(64) NOT NULL,
    user_id    VARCHAR(64) NOT NULL,
    role       VARCHAR(16) NOT NULL,
    mute_until BIGINT      NOT NULL,
    joined_at  BIGINT      NOT NULL,
    PRIMARY KEY (group_id, user_id),
    KEY idx_group_members_user (user_id, group_id),
    KEY idx_group_members_role (group_id, role)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;

-- A conv_id may be c2c:<64>:<64>. subject is what there is exactly one conversation for.
CREATE TABLE im_conversations (
    conv_id    VARCHAR(140) NOT NULL PRIMARY KEY,
    subject    VARCHAR(140) NOT NULL,
    conv_type  VARCHAR(16)  NOT NULL,
    user_a     VARCHAR(64)  NOT NULL,
    user_b     VARCHAR(64)  NOT NULL,
    group_id   VARCHAR(64)  NOT NULL,
    conv_key   VARCHAR(32)  NOT NULL,
    created_at BIGINT       NOT NULL,
    UNIQUE KEY uniq_conversations_subject (subject)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;

-- The page of a list reads idx_user_conversations_page backwards, a group's activity and its end go by conv_id.
CREATE TABLE user_conversations (
    user_id    VARCHAR(64)  NOT NULL,
    conv_id    VARCHAR(140) NOT NULL,
    pinned     BOOLEAN      NOT NULL,
    muted      BOOLEAN      NOT NULL,
    draft      MEDIUMTEXT   NOT NULL,
    updated_at BIGINT       NOT NULL,
    PRIMARY KEY (user_id, conv_id),
    KEY idx_user_conversations_page (user_id, pinned, updated_at, conv_id),
    KEY idx_user_conversations_conv (conv_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;

CREATE TABLE read_receipts (
    conv_id VARCHAR(140) NOT NULL,
    user_id VARCHAR(64)  NOT NULL,
    seq     BIGINT       NOT NULL,
    read_at BIGINT       NOT NULL,
    PRIMARY KEY (conv_id, user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;
