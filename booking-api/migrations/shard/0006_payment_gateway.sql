-- The payment gateway is a process with a ledger of its own: what the sandbox
-- kept here goes.
DROP TABLE IF EXISTS sandbox_refund;
DROP TABLE IF EXISTS sandbox_payment;

-- Outbox rows whose settlement the gateway definitely refused: their bookings
-- are STUCK. The row itself stays where it is, claimed until the next try, so
-- that what follows in its booking keeps waiting and nothing else does. An
-- entry whose outbox row is gone is settled.
CREATE TABLE IF NOT EXISTS stuck_settlement (
    -- Of the outbox row.
    seq         BIGINT UNSIGNED NOT NULL,
    booking_id  CHAR(32)        NOT NULL,
    show_id     VARCHAR(64)     NOT NULL,
    kind        VARCHAR(9)      NOT NULL,
    reason      VARCHAR(255)    NOT NULL,
    attempts    INT UNSIGNED    NOT NULL,
    since_ms    BIGINT          NOT NULL,
    -- By the database's clock, as claims are.
    retry_at_ms BIGINT          NOT NULL,
    PRIMARY KEY (seq),
    KEY stuck_of_show (show_id, since_ms)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
