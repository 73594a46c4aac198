-- Attempts that failed only because a forge was down. They are numbered like the others, since the number fences writes,
-- and are not among the eight that a row has.
ALTER TABLE "dispatch" ADD COLUMN "uncounted_attempts" integer NOT NULL DEFAULT 0;

-- The ingress refuses deliveries while there is too much to do. It may not read the inbox, so it is told only how much there
-- is, counted up to `most`, and how old the oldest of it is. What waits for a time of its own, or is over, does not count.
CREATE FUNCTION inbox_load(most integer) RETURNS TABLE ("depth" bigint, "oldest_seconds" double precision)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  PERFORM set_config('app.inbox_load', 'counting', true);
  RETURN QUERY
    SELECT r.rows + p.rows, coalesce(extract(epoch FROM now() - least(r.oldest, p.oldest)), 0)::double precision
    FROM (SELECT count(*) AS rows, min(at) AS oldest
            FROM (SELECT received_at AS at FROM webhook_delivery WHERE status = 'received' LIMIT most) w) r,
         (SELECT count(*) AS rows, min(at) AS oldest
            FROM (SELECT created_at AS at FROM dispatch WHERE status = 'pending' LIMIT most) d) p;
  PERFORM set_config('app.inbox_load', '', true);
END $$;
REVOKE ALL ON FUNCTION inbox_load(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION inbox_load(integer) TO forgeway_ingress;
-- It runs as the owner of the schema, who is bound by row level security like everybody, and sees these rows here alone.
CREATE POLICY load ON "webhook_delivery" FOR SELECT TO CURRENT_USER
  USING ("status" = 'received' AND (SELECT current_setting('app.inbox_load', true)) = 'counting');
CREATE POLICY load ON "dispatch" FOR SELECT TO CURRENT_USER
  USING ("status" = 'pending' AND (SELECT current_setting('app.inbox_load', true)) = 'counting');

-- Whose turn a row is: 15 bits of its organization and 16 of its repository, hashed, so that pending rows of a shard lie
-- grouped by them and the next of each can be read without walking over the thousands of a noisy one.
CREATE FUNCTION dispatch_turn(organization_id uuid, lane text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT ((coalesce(hashtext(organization_id::text), 0) & 32767) << 16)
    | (hashtext(left(lane, -strpos(reverse(lane), ':'))) & 65535)
$$;
DROP INDEX "dispatch_pending";
CREATE INDEX "dispatch_pending" ON "dispatch" ("shard", dispatch_turn("organization_id", "lane"), "id")
  WHERE "status" = 'pending';
