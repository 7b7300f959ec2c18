-- store: structured
-- Who is invited into groups, who asks to be let in, and the notices of groups.
-- Ids are strings made by the application, times are unix milliseconds, there are no foreign keys.

CREATE TABLE group_invitations (
    group_id   VARCHAR(64) NOT NULL,
    user_id    VARCHAR(64) NOT NULL,
    invited_by VARCHAR(64) NOT NULL,
    created_at BIGINT      NOT NULL,
    PRIMARY KEY (group_id, user_id)
) WITHOUT ROWID;
CREATE INDEX idx_group_invitations_user ON group_invitations (user_id, created_at, group_id);

CREATE TABLE group_requests (
    group_id   VARCHAR(64) NOT NULL,
    user_id    VARCHAR(64) NOT NULL,
    created_at BIGINT      NOT NULL,
    PRIMARY KEY (group_id, user_id)
) WITHOUT ROWID;
CREATE INDEX idx_group_requests_line ON group_requests (group_id, created_at, user_id);
CREATE INDEX idx_group_requests_user ON group_requests (user_id);

CREATE TABLE group_notices (
    notice_id  VARCHAR(64)  NOT NULL PRIMARY KEY,
    group_id   VARCHAR(64)  NOT NULL,
    title      VARCHAR(255) NOT NULL,
    content    TEXT         NOT NULL,
    created_by VARCHAR(64)  NOT NULL,
    created_at BIGINT       NOT NULL
);
CREATE INDEX idx_group_notices_group ON group_notices (group_id, created_at, notice_id);

-- Owner and admins of a group of ten thousand are found without reading its members.
CREATE INDEX idx_group_members_role ON im_group_members (group_id, role);
