-- Where organisers want to be told of bookings. The secret that signs is not
-- here: every instance makes it from the id and the platform's own secret.
CREATE TABLE IF NOT EXISTS webhooks (
    webhook_id      VARCHAR(64)   CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    url             VARCHAR(2048) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    -- JSON: ["booking.confirmed", …]
    events          TEXT          CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    -- 'active'; 'disabled': its receiver said 410; 'deleted': kept so that
    -- deleting again answers the same and late deliveries are told apart.
    state           VARCHAR(16)   CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    created_by      VARCHAR(128)  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    created_at_ms   BIGINT NOT NULL,
    PRIMARY KEY (webhook_id),
    KEY webhooks_by_state (state, created_at_ms)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
