-- Performances whose sales are to be counted again, for organisers. Marked in
-- the transaction that completes an outbox row; taken away by whoever counted,
-- and only if it is still the mark that was seen before counting.
--
-- One row for a performance, however much is sold of it and however long
-- nobody counts.
CREATE TABLE IF NOT EXISTS sales_changed (
    performance_id VARCHAR(64)     NOT NULL,
    show_id        VARCHAR(64)     NOT NULL,
    -- The outbox row that said so, or a time; no two marks have the same.
    seq            BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (performance_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- What was sold before there was this table is counted, too.
INSERT IGNORE INTO sales_changed (performance_id, show_id, seq)
SELECT performance_id, show_id, 0 FROM booking GROUP BY show_id, performance_id;
