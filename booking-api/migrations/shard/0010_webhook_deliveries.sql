-- Events on their way to organisers' webhooks. A row is written in the
-- transaction that completes its outbox row and lives until its receiver
-- accepted it; it is given up as `dead`, and kept a while to be looked at and
-- sent again.
--
-- `seq` is the outbox row's, so an event has one place in its booking's order
-- however often and by whomever it is written.
CREATE TABLE IF NOT EXISTS webhook_delivery (
    -- Empty: for whom it is was not known when it was written; whoever knows
    -- the webhooks hands it out.
    webhook_id    VARCHAR(64)       NOT NULL,
    seq           BIGINT UNSIGNED   NOT NULL,
    booking_id    CHAR(32)          NOT NULL,
    show_id       VARCHAR(64)       NOT NULL,
    event         VARCHAR(32)       NOT NULL,
    -- The header `webhook-id`: the same over all attempts.
    message_id    VARCHAR(80)       NOT NULL,
    body          LONGTEXT          NOT NULL,
    -- `waiting` or `dead`.
    state         VARCHAR(8)        NOT NULL DEFAULT 'waiting',
    attempts      SMALLINT UNSIGNED NOT NULL DEFAULT 0,
    -- The next attempt by the database's clock; while an instance is at it,
    -- when others may take it over. Of a dead one: when it was given up.
    due_at_ms     BIGINT            NOT NULL,
    -- An instance is at it, or died at it.
    claimed       BOOLEAN           NOT NULL DEFAULT FALSE,
    -- From when on its life is counted; later than `event_at_ms` once it was
    -- sent again by hand.
    since_ms      BIGINT            NOT NULL,
    event_at_ms   BIGINT            NOT NULL,
    last_status   SMALLINT UNSIGNED NULL,
    last_error    VARCHAR(160)      NULL,
    PRIMARY KEY (webhook_id, seq),
    KEY webhook_delivery_due (state, webhook_id, due_at_ms),
    KEY webhook_delivery_of_booking (booking_id, webhook_id, state, seq)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
