-- store: structured
-- What processes that share this database, but no bus, tell each other. Numbered 1, 2, 3 … by the application.

CREATE TABLE im_letters (
    letter_id BIGINT       NOT NULL PRIMARY KEY,
    topic     VARCHAR(140) NOT NULL,
    body      BLOB         NOT NULL,
    posted_at BIGINT       NOT NULL
) WITHOUT ROWID;
