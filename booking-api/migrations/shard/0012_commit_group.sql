-- `commit_bookings` (0002) with its group in three lists instead of one: each
-- statement scans its text from the beginning, and most need little of it.
-- The other one stays for instances that were started before this migration.
--
-- The placement row is locked shared: commits of one show run side by side,
-- and whoever freezes it (exclusively) waits for them and stops later ones.
-- A refusal is a SIGNAL with a text that starts with `refused:`; the handlers
-- roll back first, so a refusal always means that nothing was written (INV-2,
-- INV-4, INV-9, INV-13).
DROP PROCEDURE IF EXISTS commit_group;
CREATE PROCEDURE commit_group(
    IN p_terms LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    IN p_bookings LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    IN p_tickets LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
)
MODIFIES SQL DATA
BEGIN
    DECLARE stage VARCHAR(16) DEFAULT 'other';
    DECLARE bad INT DEFAULT 0;
    DECLARE placed INT DEFAULT 0;
    DECLARE EXIT HANDLER FOR 1062
    BEGIN
        ROLLBACK;
        IF stage = 'booking' THEN
            SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused:duplicate_booking';
        ELSEIF stage = 'seat' THEN
            SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused:seat_sold';
        ELSE
            RESIGNAL;
        END IF;
    END;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    START TRANSACTION;

    -- Counted are the rows that fit: under READ COMMITTED the server gives back
    -- the lock of every row that the WHERE rejects, so a search for misfits
    -- would leave the good rows unlocked.
    SELECT COUNT(*) INTO placed
    FROM JSON_TABLE(p_terms, '$[*]' COLUMNS (
        show_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.show_id',
        epoch BIGINT UNSIGNED PATH '$.epoch'
    )) AS wanted
    JOIN placement ON placement.show_id = wanted.show_id
    WHERE placement.epoch = wanted.epoch AND NOT placement.frozen
    LOCK IN SHARE MODE;
    IF placed <> JSON_LENGTH(p_terms) THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused:stale_placement';
    END IF;

    -- Closing a performance holds the placement row exclusively, so no close
    -- can come between this look and our commit.
    SELECT COUNT(*) INTO bad
    FROM JSON_TABLE(p_terms, '$[*]' COLUMNS (
        performance_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.performance_id'
    )) AS wanted
    JOIN closed_performance ON closed_performance.performance_id = wanted.performance_id;
    IF bad > 0 THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused:performance_closed';
    END IF;

    SET stage = 'booking';
    INSERT INTO booking (id, state, user_id, show_id, performance_id, fence, acquired,
        first_deadline_ms, body_hash, direct, confirm_key, confirm_hash, payment, currency,
        written_at_ms)
    SELECT id, 'CONFIRMED', user_id, show_id, performance_id, fence, acquired,
        first_deadline_ms, body_hash, direct, confirm_key, confirm_hash, payment, currency,
        at_ms
    FROM JSON_TABLE(p_bookings, '$[*]' COLUMNS (
        id CHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.id',
        user_id VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.user_id',
        show_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.show_id',
        performance_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.performance_id',
        fence BIGINT UNSIGNED PATH '$.fence',
        acquired BIGINT UNSIGNED PATH '$.acquired',
        first_deadline_ms BIGINT PATH '$.first_deadline_ms',
        body_hash VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.body_hash',
        direct INT PATH '$.direct',
        confirm_key VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.confirm_key',
        confirm_hash VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.confirm_hash',
        payment VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.payment',
        currency CHAR(3) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.currency',
        at_ms BIGINT PATH '$.at_ms'
    )) AS made;

    SET stage = 'seat';
    INSERT INTO seat_sale (performance_id, seat, booking_id)
    SELECT performance_id, seat, id
    FROM JSON_TABLE(p_tickets, '$[*]' COLUMNS (
        id CHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.id',
        performance_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.performance_id',
        seat VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.seat'
    )) AS sold;

    SET stage = 'other';
    INSERT INTO ticket (booking_id, number, user_id, show_id, performance_id, seat, tier, price,
        code, created_at_ms)
    SELECT id, number, user_id, show_id, performance_id, seat, tier, price, code, at_ms
    FROM JSON_TABLE(p_tickets, '$[*]' COLUMNS (
        id CHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.id',
        user_id VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.user_id',
        show_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.show_id',
        performance_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.performance_id',
        at_ms BIGINT PATH '$.at_ms',
        number INT PATH '$.number',
        seat VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.seat',
        tier VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.tier',
        price BIGINT UNSIGNED PATH '$.price',
        code VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.code'
    )) AS sold;

    -- Counted first, compared after: the row is ours until the end, so the
    -- limit is exact however many commits of one customer meet.
    INSERT INTO quota (performance_id, user_id, sold)
    SELECT performance_id, user_id, seats
    FROM JSON_TABLE(p_terms, '$[*]' COLUMNS (
        user_id VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.user_id',
        performance_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.performance_id',
        seats INT PATH '$.seats'
    )) AS counted
    ON DUPLICATE KEY UPDATE sold = sold + VALUES(sold);
    SELECT COUNT(*) INTO bad
    FROM JSON_TABLE(p_terms, '$[*]' COLUMNS (
        user_id VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.user_id',
        performance_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.performance_id',
        seats_limit INT UNSIGNED PATH '$.seats_limit'
    )) AS counted
    JOIN quota ON quota.performance_id = counted.performance_id AND quota.user_id = counted.user_id
    WHERE quota.sold > counted.seats_limit;
    IF bad > 0 THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused:quota';
    END IF;

    INSERT INTO outbox (booking_id, show_id, kind, payload, created_at_ms)
    SELECT id, show_id, 'confirmed', payload, at_ms
    FROM JSON_TABLE(p_bookings, '$[*]' COLUMNS (
        id CHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.id',
        show_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.show_id',
        payload TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.payload',
        at_ms BIGINT PATH '$.at_ms'
    )) AS made;

    COMMIT;
END
