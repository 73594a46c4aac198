-- What may run now and what it may do: holds (pause, shadow), and rehearsals of deliveries.

-- Columns that are NULL hold back everything: a row with none of them set is "everywhere". A repository is named as deliveries
-- name it, since holds are matched before the tenant's own tables can be read.
CREATE TABLE "run_hold" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  -- pause: what matches does not begin. shadow: it runs, and its writes are recorded and not sent.
  "mode" text NOT NULL CHECK ("mode" IN ('pause', 'shadow')),
  "app" text,
  "connection_id" uuid REFERENCES "connection" ("id") ON DELETE CASCADE,
  "forge" text,
  "host" text,
  "remote_repository_id" bigint,
  "reason" text,
  "placed_by" text NOT NULL,
  "since" timestamptz NOT NULL DEFAULT now(),
  CHECK (num_nulls("forge", "host", "remote_repository_id") IN (0, 3))
);
CREATE UNIQUE INDEX "run_hold_scope" ON "run_hold" ("organization_id", "mode", coalesce("app", ''),
  coalesce("connection_id"::text, ''), coalesce("forge", ''), coalesce("host", ''), coalesce("remote_repository_id", 0));

-- The worker matches holds against rows of the inbox, before their tenant is known.
ALTER TABLE "run_hold" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "run_hold" FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON "run_hold" USING ("organization_id" = current_organization())
  WITH CHECK ("organization_id" = current_organization());
CREATE POLICY route ON "run_hold" FOR SELECT TO forgeway_worker USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON "run_hold" TO forgeway_worker, forgeway_api;

-- Which state of the holds this is, in every row alike. It lies beside the lease because a run cannot begin without locking
-- and reading that row: a change of the holds waits for the runs that are beginning, and all later ones see it.
ALTER TABLE "lane_lease" ADD COLUMN "holds_version" bigint NOT NULL DEFAULT 0;
CREATE FUNCTION holds_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  -- In the order in which workers lock them.
  PERFORM FROM lane_lease ORDER BY shard FOR NO KEY UPDATE;
  UPDATE lane_lease SET holds_version = holds_version + 1;
  RETURN NULL;
END $$;
CREATE TRIGGER "run_hold_changed" AFTER INSERT OR UPDATE OR DELETE ON "run_hold"
  FOR EACH STATEMENT EXECUTE FUNCTION holds_changed();

-- paused: its turn came while a hold stopped it; it is pending again when no hold does.
ALTER TABLE "dispatch" DROP CONSTRAINT "dispatch_status_check";
ALTER TABLE "dispatch"
  ADD CONSTRAINT "dispatch_status_check"
    CHECK ("status" IN ('pending', 'parked', 'paused', 'done', 'ignored', 'dead')),
  -- shadow: it ran, or began to, under such a hold. rehearsal: it is no run of its delivery; somebody asked what one would do.
  ADD COLUMN "writes" text NOT NULL DEFAULT 'send' CHECK ("writes" IN ('send', 'shadow', 'rehearsal')),
  -- Of a replay: the event is told as it was stored, and what it is about is not read again.
  ADD COLUMN "as_stored" boolean NOT NULL DEFAULT false;
CREATE INDEX "dispatch_paused" ON "dispatch" ("id") WHERE "status" = 'paused';
CREATE INDEX "dispatch_rehearsal" ON "dispatch" ("created_at") WHERE "writes" = 'rehearsal';
-- A replay happens once for each row that it repeats; a rehearsal as often as somebody asks.
DROP INDEX "dispatch_identity";
CREATE UNIQUE INDEX "dispatch_identity" ON "dispatch" ("delivery_id", "event_index", "app",
  (CASE WHEN "writes" = 'rehearsal' THEN - "id" ELSE coalesce("replay_of", 0) END));

-- What a delivery is about, by the forge's own id; the lane has it too, for machines only.
ALTER TABLE "webhook_delivery" ADD COLUMN "remote_repository_id" bigint;
-- The owner, too, would see no row.
ALTER TABLE "webhook_delivery" NO FORCE ROW LEVEL SECURITY;
ALTER TABLE "dispatch" NO FORCE ROW LEVEL SECURITY;
UPDATE "webhook_delivery" w SET "remote_repository_id" = d.id FROM (
  SELECT "delivery_id", min(substring("lane" FROM ':([0-9]{1,18}):(?:[0-9]+|repository)$')::bigint) AS id
  FROM "dispatch" GROUP BY "delivery_id"
) d WHERE d."delivery_id" = w."id" AND d.id IS NOT NULL;
ALTER TABLE "dispatch" FORCE ROW LEVEL SECURITY;
ALTER TABLE "webhook_delivery" FORCE ROW LEVEL SECURITY;
