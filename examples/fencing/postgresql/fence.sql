-- A fence for PostgreSQL: a transaction that calls fence.pass(scope, token) commits only if no higher
-- token has been seen in that scope. One row per scope, no session state, no advisory locks.
--
-- Run it once as the owner of the schema. The role that writes, here `writer`, must not own anything
-- in it. Then, for each scope: INSERT INTO fence.fences (scope) VALUES ('orders');
BEGIN;

CREATE SCHEMA fence;

CREATE TABLE fence.fences (
  scope text PRIMARY KEY,
  token bigint NOT NULL DEFAULT 0 CHECK (token BETWEEN 0 AND 999999999999999999)
);

-- Seals and checks. ZB409: the token is stale, DETAIL is the highest seen. ZB400: it is no token.
-- ZB403: there is no such scope. (A procedure, since CALL costs less than SELECT.)
CREATE PROCEDURE fence.pass(scope text, token text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  highest bigint;
BEGIN
  LOOP
    -- The lock is held until the end of the transaction: a higher token waits for it, the same does not.
    -- For this transaction: who is stopped inside it must not keep the successor waiting for long; and
    -- the mark that fence.guard looks for.
    PERFORM set_config('idle_in_transaction_session_timeout', '2s', true),
        set_config('fence.passed', concat(current_setting('fence.passed', true), '[', f.scope, ']'), true)
      FROM fence.fences f
      WHERE f.scope = pass.scope AND f.token::text = pass.token AND f.token > 0 FOR SHARE;
    EXIT WHEN FOUND;
    -- The first of its term, or none that may pass.
    IF token IS NULL OR token !~ '^[1-9][0-9]{0,17}$' THEN
      RAISE 'not a fencing token: %; tokens are 1 to 999999999999999999', coalesce(token, 'none')
        USING ERRCODE = 'ZB400';
    END IF;
    UPDATE fence.fences f SET token = pass.token::bigint
      WHERE f.scope = pass.scope AND f.token < pass.token::bigint;
    SELECT f.token INTO highest FROM fence.fences f WHERE f.scope = pass.scope FOR SHARE;
    IF NOT FOUND THEN
      RAISE 'no fence has the scope %', coalesce(scope, 'none') USING ERRCODE = 'ZB403';
    END IF;
    IF token::bigint < highest THEN
      RAISE 'stale fencing token % in scope %: the highest seen is %', token, scope, highest
        USING ERRCODE = 'ZB409', DETAIL = highest;
    END IF;
  END LOOP;
END $$;

-- For tables that nobody may write unfenced, by mistake or by hand:
--   CREATE TRIGGER fenced BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON orders
--     FOR EACH STATEMENT EXECUTE FUNCTION fence.guard('orders');
CREATE FUNCTION fence.guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  passed text := coalesce(current_setting('fence.passed', true), '');
BEGIN
  IF position('[' || TG_ARGV[0] || ']' IN passed) = 0 THEN
    RAISE 'table % has the scope %, which this transaction has not passed; it passed: %',
      TG_TABLE_NAME, TG_ARGV[0], coalesce(nullif(passed, ''), 'none') USING ERRCODE = 'ZB403';
  END IF;
  RETURN NULL;
END $$;

REVOKE ALL ON PROCEDURE fence.pass(text, text) FROM PUBLIC;
GRANT USAGE ON SCHEMA fence TO writer;
GRANT EXECUTE ON PROCEDURE fence.pass(text, text) TO writer;

COMMIT;
