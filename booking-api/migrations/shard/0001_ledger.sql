-- The ledger of one shard: what was sold, to whom, and the work that follows
-- from it. Portable between MariaDB 10.6+ and MySQL 8. Every migration here
-- can be repeated, because DDL commits by itself and a process may die midway.
--
-- Primary keys are the last word about who owns what; nothing is decided by a
-- plain SELECT. Ids are utf8mb4_bin so that they compare byte by byte, also
-- with what comes out of JSON_TABLE. Times are milliseconds since the epoch.

-- Where a show lives. Written when a show is made and when it is moved, never
-- by a commit: a late instance could otherwise place a show again on a shard
-- that it was moved away from. Every ledger write locks this row and requires
-- its epoch and that it is not frozen (INV-13).
CREATE TABLE IF NOT EXISTS placement (
    show_id VARCHAR(64)     NOT NULL,
    epoch   BIGINT UNSIGNED NOT NULL,
    frozen  BOOLEAN         NOT NULL DEFAULT FALSE,
    PRIMARY KEY (show_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Performances that are sold no more; a commit for one is refused.
CREATE TABLE IF NOT EXISTS closed_performance (
    performance_id VARCHAR(64) NOT NULL,
    show_id        VARCHAR(64) NOT NULL,
    closed_at_ms   BIGINT      NOT NULL,
    PRIMARY KEY (performance_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- CONFIRMED: sold. CANCELLED: was sold. ABORTED: a tombstone, so that a commit
-- still on its way can never land (INV-4, INV-6).
CREATE TABLE IF NOT EXISTS booking (
    id                CHAR(32)        NOT NULL,
    state             VARCHAR(9)      NOT NULL,
    -- Grows with every cancel; bumping it serialises them.
    version           INT UNSIGNED    NOT NULL DEFAULT 1,
    user_id           VARCHAR(128)    NOT NULL,
    show_id           VARCHAR(64)     NOT NULL,
    performance_id    VARCHAR(64)     NOT NULL,
    -- Of the seats while they were pinned for this commit.
    fence             BIGINT UNSIGNED NOT NULL,
    -- What the first answers said, for replays (INV-8): the hold's fence and
    -- deadline, the hash of its body, whether it was bought in one call, the
    -- confirm's key and the hash of its body.
    acquired          BIGINT UNSIGNED NOT NULL,
    first_deadline_ms BIGINT          NOT NULL,
    body_hash         VARCHAR(64)     NOT NULL,
    direct            BOOLEAN         NOT NULL,
    confirm_key       VARCHAR(255)    NOT NULL,
    confirm_hash      VARCHAR(64)     NOT NULL,
    payment           VARCHAR(128)    NOT NULL,
    currency          CHAR(3)         NOT NULL,
    written_at_ms     BIGINT          NOT NULL,
    PRIMARY KEY (id),
    KEY booking_of_user (user_id, written_at_ms, id),
    KEY booking_of_show (show_id, performance_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- At most one sale of a seat at any moment (INV-1).
CREATE TABLE IF NOT EXISTS seat_sale (
    performance_id VARCHAR(64)  NOT NULL,
    seat           VARCHAR(255) NOT NULL,
    booking_id     CHAR(32)     NOT NULL,
    PRIMARY KEY (performance_id, seat),
    KEY seat_sale_of_booking (booking_id),
    CONSTRAINT seat_sale_booking FOREIGN KEY (booking_id) REFERENCES booking (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Tickets are numbered along the plan: numbers follow one another exactly where
-- seats are neighbours, and skip one where they are not.
CREATE TABLE IF NOT EXISTS ticket (
    booking_id      CHAR(32)          NOT NULL,
    number          SMALLINT UNSIGNED NOT NULL,
    id              VARCHAR(40) AS (CONCAT(booking_id, '-', number)) VIRTUAL,
    user_id         VARCHAR(128)      NOT NULL,
    show_id         VARCHAR(64)       NOT NULL,
    performance_id  VARCHAR(64)       NOT NULL,
    seat            VARCHAR(255)      NOT NULL,
    tier            VARCHAR(255)      NOT NULL,
    price           BIGINT UNSIGNED   NOT NULL,
    -- VALID or CANCELLED.
    state           VARCHAR(9)        NOT NULL DEFAULT 'VALID',
    code            VARCHAR(32)       NOT NULL,
    created_at_ms   BIGINT            NOT NULL,
    cancelled_at_ms BIGINT            NULL,
    PRIMARY KEY (booking_id, number)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Bought seats of one customer and performance.
CREATE TABLE IF NOT EXISTS quota (
    performance_id VARCHAR(64)  NOT NULL,
    user_id        VARCHAR(128) NOT NULL,
    sold           INT UNSIGNED NOT NULL,
    PRIMARY KEY (performance_id, user_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Work that a ledger write leaves behind: done at least once, in order per
-- booking, deleted when done. `confirmed`: the sale and its capture;
-- `cancelled`: the refund of exactly those tickets, and their seats to free;
-- `aborted`: the void.
CREATE TABLE IF NOT EXISTS outbox (
    seq              BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    booking_id       CHAR(32)        NOT NULL,
    show_id          VARCHAR(64)     NOT NULL,
    kind             VARCHAR(9)      NOT NULL,
    payload          LONGTEXT        NOT NULL,
    created_at_ms    BIGINT          NOT NULL,
    -- Until then an instance works on it, by the database's clock.
    claimed_until_ms BIGINT          NOT NULL DEFAULT 0,
    PRIMARY KEY (seq),
    KEY outbox_of_booking (booking_id, seq)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Answers that leave no other trace: declined payments, released holds.
CREATE TABLE IF NOT EXISTS remembered_answer (
    user_id     VARCHAR(128)      NOT NULL,
    scope       VARCHAR(160)      NOT NULL,
    request_key VARCHAR(255)      NOT NULL,
    body_hash   VARCHAR(64)       NOT NULL,
    status      SMALLINT UNSIGNED NOT NULL,
    body        LONGTEXT          NOT NULL,
    at_ms       BIGINT            NOT NULL,
    PRIMARY KEY (user_id, scope, request_key),
    KEY remembered_since (at_ms)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- The sandbox gateway's own ledger, so that INV-10 can be checked. No part of
-- the sale: it stands here only because the sandbox runs inside the service.
CREATE TABLE IF NOT EXISTS sandbox_payment (
    reference  VARCHAR(128)    NOT NULL,
    booking_id CHAR(32)        NOT NULL,
    currency   CHAR(3)         NOT NULL,
    captured   BIGINT UNSIGNED NOT NULL DEFAULT 0,
    refunded   BIGINT UNSIGNED NOT NULL DEFAULT 0,
    voided     BOOLEAN         NOT NULL DEFAULT FALSE,
    PRIMARY KEY (reference),
    KEY sandbox_payment_of_booking (booking_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS sandbox_refund (
    reference  VARCHAR(128)    NOT NULL,
    refund_key VARCHAR(64)     NOT NULL,
    amount     BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (reference, refund_key)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
