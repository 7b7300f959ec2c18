-- store: structured
-- Of two people who register one address at once only one has it. Who shares one already registers again.

DELETE FROM push_devices WHERE address_key IN (
    SELECT address_key FROM (
        SELECT address_key FROM push_devices GROUP BY address_key HAVING COUNT(*) > 1
    ) AS shared
);
DROP INDEX idx_push_devices_address ON push_devices;
CREATE UNIQUE INDEX uniq_push_devices_address ON push_devices (address_key);
