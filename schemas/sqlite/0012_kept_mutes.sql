-- store: structured
-- Until when somebody who has left a group is muted there: coming back is no way out of it.

CREATE TABLE group_mutes (
    group_id   VARCHAR(64) NOT NULL,
    user_id    VARCHAR(64) NOT NULL,
    mute_until BIGINT      NOT NULL,
    PRIMARY KEY (group_id, user_id)
) WITHOUT ROWID;
