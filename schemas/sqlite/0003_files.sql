-- store: structured
-- Uploaded files and the conversations in which they were sent. Their bytes are in a folder or bucket, under `path`.
-- Ids are strings made by the application, times are unix milliseconds, there are no foreign keys.

CREATE TABLE im_files (
    file_id    VARCHAR(64)  NOT NULL PRIMARY KEY,
    owner_id   VARCHAR(64)  NOT NULL,
    path       VARCHAR(255) NOT NULL,
    name       VARCHAR(255) NOT NULL,
    size       BIGINT       NOT NULL,
    mime_type  VARCHAR(128) NOT NULL,
    width      INT          NULL,
    height     INT          NULL,
    thumbnail  VARCHAR(255) NOT NULL,
    created_at BIGINT       NOT NULL,
    expires_at BIGINT       NULL
);
CREATE INDEX idx_files_owner ON im_files (owner_id, created_at, file_id);
CREATE INDEX idx_files_created ON im_files (created_at, file_id);
CREATE INDEX idx_files_expires ON im_files (expires_at);

CREATE TABLE file_grants (
    file_id VARCHAR(64)  NOT NULL,
    conv_id VARCHAR(140) NOT NULL,
    PRIMARY KEY (file_id, conv_id)
) WITHOUT ROWID;
