-- The peer of bookings: what most people would build on MySQL alone. Seats are
-- rows, found free with SKIP LOCKED and held by a column; a confirm turns the
-- hold into a sale. One stored procedure, one round trip and one transaction
-- for each call. Run once on an empty database of each server. Each statement
-- ends with a line of its own that holds nothing but `$$`.
--
-- It does less than Seatlock's ledger: no tickets, no limit for a customer, no
-- outbox, no money, and nobody frees holds that ran out.

CREATE TABLE seat (
  performance INT UNSIGNED NOT NULL,
  seat        INT UNSIGNED NOT NULL,
  tier        TINYINT UNSIGNED NOT NULL,
  -- 0 free, 1 held, 2 sold.
  state       TINYINT UNSIGNED NOT NULL DEFAULT 0,
  booking     BINARY(16) NULL,
  held_until  DATETIME(3) NULL,
  PRIMARY KEY (performance, seat),
  -- The only index a search needs: the free seats of a tier in a row.
  KEY free (performance, tier, state, seat)
) ENGINE = InnoDB
$$

-- The id is made from customer and idempotency key, so that no second index is
-- needed to know a request that comes again.
CREATE TABLE booking (
  id          BINARY(16) NOT NULL,
  customer    VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  request_key VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  performance INT UNSIGNED NOT NULL,
  seat        INT UNSIGNED NOT NULL,
  -- 1 held, 2 sold.
  state       TINYINT UNSIGNED NOT NULL,
  price       INT UNSIGNED NOT NULL,
  made_at     DATETIME(3) NOT NULL,
  PRIMARY KEY (id)
) ENGINE = InnoDB
$$

-- Fills a performance: two tiers of so many seats, numbered from 0.
CREATE PROCEDURE fill (IN p_performance INT UNSIGNED, IN p_seats INT UNSIGNED)
BEGIN
  INSERT INTO seat (performance, seat, tier)
    SELECT p_performance, seq, IF(seq < p_seats, 1, 2)
    FROM seq_0_to_1000000 WHERE seq < 2 * p_seats;
END
$$

-- Any free seat of a tier, searched from a random place on so that callers do
-- not all look at the same one, to its end and then from its beginning. Held
-- with p_state = 1, sold at once with 2. Answers the seat and the state; no
-- seat when none is free that nobody else is just taking.
CREATE PROCEDURE take_any (
  IN p_performance INT UNSIGNED,
  IN p_tier TINYINT UNSIGNED,
  IN p_start INT UNSIGNED,
  IN p_state TINYINT UNSIGNED,
  IN p_id BINARY(16),
  IN p_customer VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
  IN p_key VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin,
  IN p_price INT UNSIGNED
)
BEGIN
  DECLARE v_seat INT UNSIGNED DEFAULT NULL;
  DECLARE CONTINUE HANDLER FOR NOT FOUND BEGIN END;
  DECLARE EXIT HANDLER FOR 1062 BEGIN
    ROLLBACK;
    SELECT seat, state FROM booking WHERE id = p_id;
  END;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;

  START TRANSACTION;
  SELECT seat INTO v_seat FROM seat FORCE INDEX (free)
    WHERE performance = p_performance AND tier = p_tier AND state = 0 AND seat >= p_start
    ORDER BY seat LIMIT 1 FOR UPDATE SKIP LOCKED;
  IF v_seat IS NULL THEN
    SELECT seat INTO v_seat FROM seat FORCE INDEX (free)
      WHERE performance = p_performance AND tier = p_tier AND state = 0 AND seat < p_start
      ORDER BY seat LIMIT 1 FOR UPDATE SKIP LOCKED;
  END IF;
  IF v_seat IS NULL THEN
    ROLLBACK;
  ELSE
    UPDATE seat
      SET state = p_state, booking = p_id,
        held_until = IF(p_state = 1, NOW(3) + INTERVAL 600 SECOND, NULL)
      WHERE performance = p_performance AND seat = v_seat;
    INSERT INTO booking (id, customer, request_key, performance, seat, state, price, made_at)
      VALUES (p_id, p_customer, p_key, p_performance, v_seat, p_state, p_price, NOW(3));
    COMMIT;
  END IF;
  SELECT v_seat AS seat, p_state AS state;
END
$$

-- The same for a seat that the customer names.
CREATE PROCEDURE take_seat (
  IN p_performance INT UNSIGNED,
  IN p_seat INT UNSIGNED,
  IN p_state TINYINT UNSIGNED,
  IN p_id BINARY(16),
  IN p_customer VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
  IN p_key VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin,
  IN p_price INT UNSIGNED
)
BEGIN
  DECLARE v_seat INT UNSIGNED DEFAULT NULL;
  DECLARE CONTINUE HANDLER FOR NOT FOUND BEGIN END;
  DECLARE EXIT HANDLER FOR 1062 BEGIN
    ROLLBACK;
    SELECT seat, state FROM booking WHERE id = p_id;
  END;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;

  START TRANSACTION;
  UPDATE seat
    SET state = p_state, booking = p_id,
      held_until = IF(p_state = 1, NOW(3) + INTERVAL 600 SECOND, NULL)
    WHERE performance = p_performance AND seat = p_seat AND state = 0;
  IF ROW_COUNT() = 1 THEN
    SET v_seat = p_seat;
    INSERT INTO booking (id, customer, request_key, performance, seat, state, price, made_at)
      VALUES (p_id, p_customer, p_key, p_performance, p_seat, p_state, p_price, NOW(3));
    COMMIT;
    SELECT v_seat AS seat, p_state AS state;
  ELSE
    ROLLBACK;
    -- Taken: by this very request when it came before.
    SELECT MAX(seat) AS seat, CAST(COALESCE(MAX(state), p_state) AS UNSIGNED) AS state
      FROM booking WHERE id = p_id;
  END IF;
END
$$

-- Turns a hold that has not run out into a sale. Answers the seat, and its
-- performance; none when there is no such hold.
CREATE PROCEDURE confirm (
  IN p_id BINARY(16),
  IN p_customer VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin
)
BEGIN
  DECLARE v_performance, v_seat INT UNSIGNED DEFAULT NULL;
  DECLARE v_state TINYINT UNSIGNED DEFAULT NULL;
  DECLARE CONTINUE HANDLER FOR NOT FOUND BEGIN END;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;

  START TRANSACTION;
  SELECT performance, seat, state INTO v_performance, v_seat, v_state FROM booking
    WHERE id = p_id AND customer = p_customer FOR UPDATE;
  IF v_state = 1 THEN
    UPDATE seat SET state = 2, held_until = NULL
      WHERE performance = v_performance AND seat = v_seat AND state = 1 AND booking = p_id
        AND held_until > NOW(3);
    IF ROW_COUNT() = 1 THEN
      UPDATE booking SET state = 2 WHERE id = p_id;
    ELSE
      SET v_seat = NULL;
    END IF;
  END IF;
  COMMIT;
  SELECT v_seat AS seat, v_performance AS performance;
END
$$
