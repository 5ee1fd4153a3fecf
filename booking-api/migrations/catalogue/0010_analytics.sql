-- How performances sell, for organisers. Nobody who sells reads any of it.
--
-- Two kinds of numbers, in two tables. Sales are counted from the ledger, as a
-- whole, each time they changed: written over, never added to, so that they
-- are exact whoever counts and however often. Demand is gathered in memory and
-- added up every few seconds: what a dying process had gathered is lost.

-- When a performance's sales were last counted. Its row is locked while they
-- are read from the shard, so that a later count is never written over by an
-- earlier one.
CREATE TABLE IF NOT EXISTS performance_sales (
    performance_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    shard          VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    -- The mark on the shard that was seen before counting.
    seq            BIGINT UNSIGNED NOT NULL,
    counted_at_ms  BIGINT NOT NULL,
    PRIMARY KEY (performance_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS performance_sales_hour (
    performance_id    VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    -- When the hour begins, in UTC.
    hour_ms           BIGINT NOT NULL,
    bookings          BIGINT UNSIGNED NOT NULL,
    tickets           BIGINT UNSIGNED NOT NULL,
    -- Minor units: what those tickets cost.
    revenue           BIGINT UNSIGNED NOT NULL,
    -- Bookings that were cancelled in the hour, whole or in part.
    cancels           BIGINT UNSIGNED NOT NULL,
    cancelled_tickets BIGINT UNSIGNED NOT NULL,
    refunded          BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (performance_id, hour_ms)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS performance_demand_hour (
    performance_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    hour_ms        BIGINT NOT NULL,
    -- view-service adds these, booking-api all others.
    views          BIGINT UNSIGNED NOT NULL DEFAULT 0,
    holds          BIGINT UNSIGNED NOT NULL DEFAULT 0,
    seats_held     BIGINT UNSIGNED NOT NULL DEFAULT 0,
    released       BIGINT UNSIGNED NOT NULL DEFAULT 0,
    refused        BIGINT UNSIGNED NOT NULL DEFAULT 0,
    PRIMARY KEY (performance_id, hour_ms)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Seats that somebody wanted and somebody else had.
CREATE TABLE IF NOT EXISTS seat_conflicts (
    performance_id VARCHAR(64)  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    seat           VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    conflicts      BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (performance_id, seat)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
