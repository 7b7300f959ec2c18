-- store: structured
-- Uploaded files and the conversations in which they were sent. Their bytes are in a folder or bucket, under `path`.
-- Ids are strings made by the application, times are unix milliseconds, there are no foreign keys.

CREATE TABLE im_files (
    file_id    VARCHAR(64)  NOT NULL PRIMARY KEY /*T![clustered_index] CLUSTERED */,
    owner_id   VARCHAR(64)  NOT NULL,
    path       VARCHAR(255) NOT NULL,
    name       VARCHAR(255) NOT NULL,
    size       BIGINT       NOT NULL,
    mime_type  VARCHAR(128) NOT NULL,
    width      INT          NULL,
    height     INT          NULL,
    thumbnail  VARCHAR(255) NOT NULL,
    created_at BIGINT       NOT NULL,
    expires_at BIGINT       NULL,
    KEY idx_files_owner (owner_id, created_at, file_id),
    KEY idx_files_created (created_at, file_id),
    KEY idx_files_expires (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;

CREATE TABLE file_grants (
    file_id VARCHAR(64)  NOT NULL,
    conv_id VARCHAR(140) NOT NULL,
    PRIMARY KEY (file_id, conv_id) /*T![clustered_index] CLUSTERED */
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;
