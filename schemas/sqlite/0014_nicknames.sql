-- store: structured
-- People are found by the beginning of their nickname without reading all accounts.

CREATE INDEX idx_users_nickname ON im_users (nickname_key);
