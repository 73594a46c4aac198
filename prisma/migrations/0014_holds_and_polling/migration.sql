-- A hold may name the installation of an App, which has no row in `connection`.
ALTER TABLE "run_hold"
  ADD COLUMN "installation_id" uuid REFERENCES "installation" ("id") ON DELETE CASCADE,
  ADD CONSTRAINT "run_hold_one_connection" CHECK (num_nonnulls("connection_id", "installation_id") <= 1);
DROP INDEX "run_hold_scope";
CREATE UNIQUE INDEX "run_hold_scope" ON "run_hold" ("organization_id", "mode", coalesce("app", ''),
  coalesce("connection_id"::text, ''), coalesce("installation_id"::text, ''), coalesce("forge", ''), coalesce("host", ''),
  coalesce("remote_repository_id", 0));

-- The installation that a delivery of an App's hook names, by the forge's own number: our row of it may not be there yet.
ALTER TABLE "webhook_delivery" ADD COLUMN "remote_installation_id" bigint;
-- What waits now is covered too, as far as its repository says whose it is. The owner, too, would see no row.
ALTER TABLE "webhook_delivery" NO FORCE ROW LEVEL SECURITY;
ALTER TABLE "dispatch" NO FORCE ROW LEVEL SECURITY;
ALTER TABLE "repository" NO FORCE ROW LEVEL SECURITY;
ALTER TABLE "installation" NO FORCE ROW LEVEL SECURITY;
UPDATE "webhook_delivery" w SET "remote_installation_id" = i."installation_id"
FROM "repository" r JOIN "installation" i ON i."id" = r."installation_id" AND i."connection_id" IS NULL
WHERE r."forge" = w."forge" AND r."host" = w."host" AND r."remote_id" = w."remote_repository_id"
  AND r."organization_id" = w."organization_id"
  AND EXISTS (SELECT FROM "dispatch" d WHERE d."delivery_id" = w."id" AND d."status" IN ('pending', 'parked', 'paused'));
ALTER TABLE "installation" FORCE ROW LEVEL SECURITY;
ALTER TABLE "repository" FORCE ROW LEVEL SECURITY;
ALTER TABLE "dispatch" FORCE ROW LEVEL SECURITY;
ALTER TABLE "webhook_delivery" FORCE ROW LEVEL SECURITY;

-- What apps were told of tags, as of branches, and of releases by their tag: `{ "v1": { "id", "name", "draft", "prerelease" } }`,
-- null for one that is gone.
ALTER TABLE "sync_cursor" ADD COLUMN "tags" jsonb, ADD COLUMN "releases" jsonb;
