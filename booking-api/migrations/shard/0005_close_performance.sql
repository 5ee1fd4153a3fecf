-- Ends the sale of a performance. The placement row is taken exclusively: every
-- commit under way ends first, and every later one sees the closure.
DROP PROCEDURE IF EXISTS close_performance;
CREATE PROCEDURE close_performance(
    IN p_show VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    IN p_performance VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    IN p_epoch BIGINT UNSIGNED,
    IN p_even_if_sold BOOLEAN,
    IN p_at_ms BIGINT
)
MODIFIES SQL DATA
BEGIN
    DECLARE placed INT DEFAULT 0;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    START TRANSACTION;
    SELECT COUNT(*) INTO placed FROM placement
    WHERE show_id = p_show AND epoch = p_epoch AND NOT frozen
    FOR UPDATE;
    IF placed = 0 THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused:stale_placement';
    END IF;
    IF NOT p_even_if_sold
        AND EXISTS (SELECT 1 FROM seat_sale WHERE performance_id = p_performance) THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused:tickets_live';
    END IF;
    INSERT INTO closed_performance (performance_id, show_id, closed_at_ms)
    VALUES (p_performance, p_show, p_at_ms)
    ON DUPLICATE KEY UPDATE show_id = p_show;
    COMMIT;
END
