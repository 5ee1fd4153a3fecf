-- The catalogue: who there is and what is put on. booking-api writes it,
-- view-service reads it from a replica. Portable between MySQL 8 and MariaDB;
-- no foreign keys, because rows are only ever added or marked deleted.
--
-- Ids and everything compared byte by byte are utf8mb4_bin. Times are
-- milliseconds since the Unix epoch, in UTC.

CREATE TABLE IF NOT EXISTS users (
    user_id       VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    name          VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    phone         VARCHAR(40)  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    address       VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    email         VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    -- Lower case: two spellings of one address are one user.
    email_key     VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    -- argon2id, in PHC form.
    password_hash VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    role          VARCHAR(16)  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    created_at_ms BIGINT NOT NULL,
    PRIMARY KEY (user_id),
    UNIQUE KEY users_email (email_key)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Immutable: the id is a digest of the body.
CREATE TABLE IF NOT EXISTS plans (
    plan_id       VARCHAR(64)  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    name          VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    -- The plan as JSON, in canonical form (keys in the format's order).
    body          LONGTEXT     CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    seats         INT UNSIGNED NOT NULL,
    -- JSON: [{"tier": "Stalls", "seats": 240}, …] in the plan's order.
    tiers         TEXT         CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    created_at_ms BIGINT NOT NULL,
    PRIMARY KEY (plan_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS shows (
    show_id       VARCHAR(64)  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    name          VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    -- Lower case, for the search of people who look.
    name_key      VARCHAR(400) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    created_at_ms BIGINT NOT NULL,
    PRIMARY KEY (show_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- A performance never changes once made, except that it may be deleted.
CREATE TABLE IF NOT EXISTS performances (
    performance_id VARCHAR(64)  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    show_id        VARCHAR(64)  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    location       VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    -- Lower case, outer blanks gone: what `loc` and `location` are compared with.
    location_key   VARCHAR(240) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    venue          VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    -- An IANA name.
    time_zone      VARCHAR(64)  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    starts_at_ms   BIGINT NOT NULL,
    -- YYYY-MM-DD in the venue's time zone.
    local_date     CHAR(10)     CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    plan_id        VARCHAR(64)  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    -- JSON: {"Stalls": {"price": 4500, "currency": "EUR"}, …}
    prices         TEXT         CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    -- NULL: at once.
    on_sale_at_ms  BIGINT NULL,
    hold_ttl_ms    BIGINT UNSIGNED NOT NULL,
    hold_max_ms    BIGINT UNSIGNED NOT NULL,
    max_seats_per_customer INT UNSIGNED NOT NULL,
    -- 'off' or 'refuse'.
    orphan_rule    VARCHAR(16)  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    deleted        TINYINT NOT NULL DEFAULT 0,
    created_at_ms  BIGINT NOT NULL,
    PRIMARY KEY (performance_id),
    -- All of a show, in the order they take place.
    KEY performances_of_show (show_id, deleted, starts_at_ms, performance_id),
    -- Shows on a date and at a place; on a date; at a place.
    KEY performances_on_date (deleted, local_date, location_key, show_id),
    KEY performances_at_location (deleted, location_key, show_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- First answers of catalogue-writing calls, written in the transaction of the
-- change itself (INV-8).
CREATE TABLE IF NOT EXISTS idempotency_keys (
    -- Whose key it is: `user:` and the subject, or `email:` and the address of
    -- somebody who signs up.
    scope         VARCHAR(280) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    idem_key      VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    -- A keyed digest of the route and the body; never the body itself, which
    -- may hold a password.
    fingerprint   BINARY(32) NOT NULL,
    status        SMALLINT UNSIGNED NOT NULL,
    answer        TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    created_at_ms BIGINT NOT NULL,
    PRIMARY KEY (scope, idem_key),
    KEY idempotency_age (created_at_ms)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
