-- store: structured
-- Administrators and disabled accounts are few among many: found and counted without reading all accounts.

CREATE INDEX idx_users_flags ON im_users (is_admin, is_disabled);
