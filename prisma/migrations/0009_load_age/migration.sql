-- The age is of what waits for its first turn: a run that is tried again after an outage of days is no old inbox, and would
-- have new deliveries refused for as long as it runs.
CREATE OR REPLACE FUNCTION inbox_load(most integer) RETURNS TABLE ("depth" bigint, "oldest_seconds" double precision)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  PERFORM set_config('app.inbox_load', 'counting', true);
  RETURN QUERY
    SELECT r.rows + p.rows, coalesce(extract(epoch FROM now() - least(r.oldest, p.oldest)), 0)::double precision
    FROM (SELECT count(*) AS rows, min(at) AS oldest
            FROM (SELECT received_at AS at FROM webhook_delivery WHERE status = 'received' LIMIT most) w) r,
         (SELECT count(*) AS rows, min(at) AS oldest
            FROM (SELECT CASE WHEN attempts = 0 THEN created_at END AS at
                    FROM dispatch WHERE status = 'pending' LIMIT most) d) p;
  PERFORM set_config('app.inbox_load', '', true);
END $$;
