-- A cancel in a transaction that somebody else began, so that its first answer
-- can be kept in the same one (INV-8); `cancel_tickets` is that transaction for
-- whoever keeps none. What is done is what it was before.
--
-- Taking the booking's row serialises cancels; only tickets that this very
-- transaction takes from VALID are refunded and freed (INV-7).
DROP PROCEDURE IF EXISTS cancel_within;
CREATE PROCEDURE cancel_within(
    IN p_id CHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    IN p_show VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    IN p_epoch BIGINT UNSIGNED,
    IN p_number INT,
    IN p_at_ms BIGINT,
    OUT p_changed INT
)
MODIFIES SQL DATA
BEGIN
    DECLARE placed INT DEFAULT 0;
    DECLARE confirmed INT DEFAULT 0;
    DECLARE refund BIGINT UNSIGNED DEFAULT 0;
    DECLARE seats LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL;

    SET p_changed = 0;
    SELECT COUNT(*) INTO placed FROM placement
    WHERE show_id = p_show AND epoch = p_epoch AND NOT frozen
    LOCK IN SHARE MODE;
    IF placed = 0 THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused:stale_placement';
    END IF;

    SELECT COUNT(*) INTO confirmed FROM booking
    WHERE id = p_id AND show_id = p_show AND state = 'CONFIRMED'
    FOR UPDATE;
    IF confirmed > 0 THEN
        SELECT COUNT(*), COALESCE(SUM(price), 0), JSON_ARRAYAGG(seat)
        INTO p_changed, refund, seats
        FROM ticket
        WHERE booking_id = p_id AND state = 'VALID' AND (p_number IS NULL OR number = p_number);
    END IF;
    IF p_changed > 0 THEN
        UPDATE booking SET version = version + 1 WHERE id = p_id;
        DELETE seat_sale FROM seat_sale
        JOIN ticket ON ticket.performance_id = seat_sale.performance_id
            AND ticket.seat = seat_sale.seat AND ticket.booking_id = seat_sale.booking_id
        WHERE ticket.booking_id = p_id AND ticket.state = 'VALID'
            AND (p_number IS NULL OR ticket.number = p_number);
        UPDATE ticket SET state = 'CANCELLED', cancelled_at_ms = p_at_ms
        WHERE booking_id = p_id AND state = 'VALID' AND (p_number IS NULL OR number = p_number);
        UPDATE quota JOIN booking ON booking.performance_id = quota.performance_id
            AND booking.user_id = quota.user_id
        SET quota.sold = quota.sold - p_changed
        WHERE booking.id = p_id;
        INSERT INTO outbox (booking_id, show_id, kind, payload, created_at_ms)
        SELECT id, show_id, 'cancelled',
            JSON_OBJECT('payment', payment, 'currency', currency, 'amount', refund + 0,
                'refund_key', CONCAT('v', version), 'performance_id', performance_id,
                'seats', JSON_EXTRACT(seats, '$')),
            p_at_ms
        FROM booking WHERE id = p_id;
        IF NOT EXISTS (SELECT 1 FROM ticket WHERE booking_id = p_id AND state = 'VALID') THEN
            UPDATE booking SET state = 'CANCELLED' WHERE id = p_id;
        END IF;
    END IF;
END;

DROP PROCEDURE IF EXISTS cancel_tickets;
CREATE PROCEDURE cancel_tickets(
    IN p_id CHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    IN p_show VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    IN p_epoch BIGINT UNSIGNED,
    IN p_number INT,
    IN p_at_ms BIGINT
)
MODIFIES SQL DATA
BEGIN
    DECLARE changed INT DEFAULT 0;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    START TRANSACTION;
    CALL cancel_within(p_id, p_show, p_epoch, p_number, p_at_ms, changed);
    COMMIT;
    SELECT changed AS changed;
END
