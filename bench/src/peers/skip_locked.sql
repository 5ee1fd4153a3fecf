-- The peer of on-sales: seats as rows, and a pair held by one call. Run once on
-- an empty database with the ledger's durability. Each statement ends with a
-- line of its own that holds nothing but `$$`.

DROP TABLE IF EXISTS seat
$$

-- `free` is the only index a search needs: it holds the seats of a tier that
-- are free in a row, and none that are taken.
CREATE TABLE seat (
  performance INT UNSIGNED NOT NULL,
  seat        INT UNSIGNED NOT NULL,
  tier        SMALLINT UNSIGNED NOT NULL,
  state       TINYINT UNSIGNED NOT NULL DEFAULT 0,
  booking     CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NULL,
  held_until  DATETIME(3) NULL,
  PRIMARY KEY (performance, seat),
  KEY free (performance, tier, state, seat)
) ENGINE = InnoDB
$$

-- Fills a performance with free seats 1 to p_seats.
CREATE OR REPLACE PROCEDURE fill (IN p_performance INT UNSIGNED, IN p_seats INT UNSIGNED)
BEGIN
  INSERT INTO seat (performance, seat, tier)
    SELECT p_performance, seq, 1 FROM seq_1_to_1000000 WHERE seq <= p_seats;
END
$$

-- Holds a pair, searched from a random place on, so that callers do not all
-- look at the same seats; from there to the end, then from the beginning. One
-- round trip. The answer has no seats when there were not two free ones: then
-- `left_over` says how many no commit has taken yet, so that whoever only met
-- other people's locks comes again. It is asked before the second search: after
-- a sell-out nobody searches twice.
CREATE OR REPLACE PROCEDURE hold_pair (
  IN p_performance INT UNSIGNED,
  IN p_tier SMALLINT UNSIGNED,
  IN p_booking CHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
  IN p_start INT UNSIGNED
)
BEGIN
  DECLARE v_one, v_two INT UNSIGNED DEFAULT NULL;
  DECLARE v_left BIGINT DEFAULT 2;
  DECLARE CONTINUE HANDLER FOR NOT FOUND BEGIN END;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;

  START TRANSACTION;
  SELECT seat INTO v_one FROM seat FORCE INDEX (free)
    WHERE performance = p_performance AND tier = p_tier AND state = 0 AND seat >= p_start
    ORDER BY seat LIMIT 1 FOR UPDATE SKIP LOCKED;
  IF v_one IS NULL THEN
    SELECT COUNT(*) INTO v_left FROM seat FORCE INDEX (free)
      WHERE performance = p_performance AND tier = p_tier AND state = 0;
    IF v_left >= 2 THEN
      SELECT seat INTO v_one FROM seat FORCE INDEX (free)
        WHERE performance = p_performance AND tier = p_tier AND state = 0 AND seat < p_start
        ORDER BY seat LIMIT 1 FOR UPDATE SKIP LOCKED;
    END IF;
  END IF;
  IF v_one IS NOT NULL THEN
    SELECT seat INTO v_two FROM seat FORCE INDEX (free)
      WHERE performance = p_performance AND tier = p_tier AND state = 0 AND seat > v_one
      ORDER BY seat LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF v_two IS NULL THEN
      SELECT seat INTO v_two FROM seat FORCE INDEX (free)
        WHERE performance = p_performance AND tier = p_tier AND state = 0 AND seat < v_one
        ORDER BY seat LIMIT 1 FOR UPDATE SKIP LOCKED;
    END IF;
  END IF;
  IF v_two IS NOT NULL THEN
    UPDATE seat
      SET state = 1, booking = p_booking, held_until = NOW(3) + INTERVAL 600 SECOND
      WHERE performance = p_performance AND seat IN (v_one, v_two);
    COMMIT;
  ELSE
    ROLLBACK;
    SET v_one = NULL;
  END IF;
  SELECT v_one AS one, v_two AS two, v_left AS left_over;
END
$$
