-- store: structured
-- Devices that want to hear of messages while they are not connected. One is good as long as its session is there.
-- `address` is a browser's push endpoint or an app's token, `address_key` its SHA-256: one address has one owner.

CREATE TABLE push_devices (
    user_id     VARCHAR(64)  NOT NULL,
    device_id   VARCHAR(128) NOT NULL,
    session_id  VARCHAR(64)  NOT NULL,
    kind        VARCHAR(16)  NOT NULL,
    address     MEDIUMTEXT   NOT NULL,
    address_key VARCHAR(64)  NOT NULL,
    p256dh      VARCHAR(128) NOT NULL,
    auth        VARCHAR(64)  NOT NULL,
    provider    VARCHAR(64)  NOT NULL,
    created_at  BIGINT       NOT NULL,
    PRIMARY KEY (user_id, device_id) /*T![clustered_index] CLUSTERED */,
    KEY idx_push_devices_address (address_key)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE /*!80017 utf8mb4_0900_bin */ /*M!100203 utf8mb4_nopad_bin */;
