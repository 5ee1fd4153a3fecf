-- Cancels tickets of a confirmed booking: all of them, or the one numbered.
-- Answers one row, `changed`: how many tickets this call changed. The bump of
-- the booking's version serialises cancels; only tickets that this very
-- transaction takes from VALID are refunded and freed (INV-7).
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
    DECLARE placed INT DEFAULT 0;
    DECLARE changed INT DEFAULT 0;
    DECLARE refund BIGINT UNSIGNED DEFAULT 0;
    DECLARE seats LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL;
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

    UPDATE booking SET version = version + 1
    WHERE id = p_id AND show_id = p_show AND state = 'CONFIRMED';
    IF ROW_COUNT() > 0 THEN
        SELECT COUNT(*), COALESCE(SUM(price), 0), JSON_ARRAYAGG(seat)
        INTO changed, refund, seats
        FROM ticket
        WHERE booking_id = p_id AND state = 'VALID' AND (p_number IS NULL OR number = p_number);
    END IF;
    IF changed = 0 THEN
        ROLLBACK;
    ELSE
        DELETE seat_sale FROM seat_sale
        JOIN ticket ON ticket.performance_id = seat_sale.performance_id
            AND ticket.seat = seat_sale.seat AND ticket.booking_id = seat_sale.booking_id
        WHERE ticket.booking_id = p_id AND ticket.state = 'VALID'
            AND (p_number IS NULL OR ticket.number = p_number);
        UPDATE ticket SET state = 'CANCELLED', cancelled_at_ms = p_at_ms
        WHERE booking_id = p_id AND state = 'VALID' AND (p_number IS NULL OR number = p_number);
        UPDATE quota JOIN booking ON booking.performance_id = quota.performance_id
            AND booking.user_id = quota.user_id
        SET quota.sold = quota.sold - changed
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
        COMMIT;
    END IF;
    SELECT changed AS changed;
END
