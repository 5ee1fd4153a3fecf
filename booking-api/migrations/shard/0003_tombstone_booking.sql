-- A tombstone: from here on no commit of this booking can land, so its seats
-- may be freed (INV-4, INV-6). Refused where the booking has a row already:
-- the caller reads it and follows it. Waits for a commit that is under way.
DROP PROCEDURE IF EXISTS tombstone_booking;
CREATE PROCEDURE tombstone_booking(
    IN p_id CHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    IN p_user VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    IN p_show VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    IN p_performance VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    IN p_epoch BIGINT UNSIGNED,
    IN p_fence BIGINT UNSIGNED,
    IN p_acquired BIGINT UNSIGNED,
    IN p_payload LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    IN p_at_ms BIGINT
)
MODIFIES SQL DATA
BEGIN
    DECLARE placed INT DEFAULT 0;
    DECLARE EXIT HANDLER FOR 1062
    BEGIN
        ROLLBACK;
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused:duplicate_booking';
    END;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    START TRANSACTION;
    SELECT COUNT(*) INTO placed FROM placement
    WHERE show_id = p_show AND epoch = p_epoch AND NOT frozen
    LOCK IN SHARE MODE;
    IF placed = 0 THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused:stale_placement';
    END IF;
    INSERT INTO booking (id, state, user_id, show_id, performance_id, fence, acquired,
        first_deadline_ms, body_hash, direct, confirm_key, confirm_hash, payment, currency,
        written_at_ms)
    VALUES (p_id, 'ABORTED', p_user, p_show, p_performance, p_fence, p_acquired,
        0, '', FALSE, '', '', '', '', p_at_ms);
    INSERT INTO outbox (booking_id, show_id, kind, payload, created_at_ms)
    VALUES (p_id, p_show, 'aborted', p_payload, p_at_ms);
    COMMIT;
END
