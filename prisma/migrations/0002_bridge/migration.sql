-- The bridge to forges without Apps: connections by token, what such a forge cannot keep for us, and what its events do not say.

ALTER TABLE "connection"
  -- What the token was found to be able to do (decision 20), and what its owner is told about it.
  ADD COLUMN "capabilities" jsonb NOT NULL DEFAULT '[]',
  ADD COLUMN "server_version" text,
  ADD COLUMN "server_edition" text,
  ADD COLUMN "is_person" boolean NOT NULL DEFAULT false,
  ADD COLUMN "warnings" jsonb NOT NULL DEFAULT '[]',
  ADD COLUMN "checked_at" timestamptz;

-- The virtual installation of a connection: handlers find their way back through it.
ALTER TABLE "installation" ADD COLUMN "connection_id" uuid UNIQUE REFERENCES "connection" ("id") ON DELETE CASCADE;

ALTER TABLE "hook"
  ADD COLUMN "connection_id" uuid REFERENCES "connection" ("id") ON DELETE CASCADE,
  -- The forge's own id of it, and what it watches: `owner/name`, a group, or nothing for the whole server.
  ADD COLUMN "remote_hook_id" text,
  ADD COLUMN "target" text,
  -- Confidential issues and notes are ignored unless the owner of the connection asked for them.
  ADD COLUMN "confidential" boolean NOT NULL DEFAULT false;
CREATE INDEX "hook_connection" ON "hook" ("connection_id");

-- What changed, where the forge sends only the new state; worked out once, so that every attempt and replay sees the same.
ALTER TABLE "dispatch" ADD COLUMN "change" jsonb;
-- What a delivery was found to be when that depended on an earlier one: a delivery that comes again is not compared again.
ALTER TABLE "webhook_delivery" ADD COLUMN "classification" jsonb;

-- The last state of an object that a hook told, with which its next delivery is compared. Per hook: no other source, and no
-- other tenant, can change what a hook's deliveries are compared with.
CREATE TABLE "object_snapshot" (
  "hook_id" text NOT NULL REFERENCES "hook" ("id") ON DELETE CASCADE,
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "repository_id" bigint NOT NULL,
  "kind" text NOT NULL CHECK ("kind" IN ('pull_request', 'issue')),
  "number" integer NOT NULL,
  "remote_updated_at" text,
  "state" jsonb NOT NULL,
  "updated_at" timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY ("hook_id", "repository_id", "kind", "number")
);
CREATE INDEX "object_snapshot_organization" ON "object_snapshot" ("organization_id");

-- What a forge cannot keep for us: check runs where there are only commit statuses, drafts of releases, the place of a
-- comment that GitHub names by its id alone. The id serves as the id of the emulated object.
CREATE TABLE "forge_record" (
  "id" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "forge" text NOT NULL,
  "host" text NOT NULL,
  "kind" text NOT NULL,
  -- "C": keys are found by their beginning.
  "key" text COLLATE "C" NOT NULL,
  "data" jsonb NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX "forge_record_identity" ON "forge_record" ("organization_id", "forge", "host", "kind", "key");

-- What our apps wrote, by the trace it leaves in the event it causes. Cuts loops by what we wrote and not by who sent it.
CREATE TABLE "own_write" (
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "forge" text NOT NULL,
  "host" text NOT NULL,
  "trace" text NOT NULL,
  "app" text NOT NULL,
  -- How many of our own writes led to this one: 1 when a person's event did.
  "depth" integer NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY ("organization_id", "forge", "host", "trace")
);
CREATE INDEX "own_write_time" ON "own_write" ("created_at");

-- Apps are on for every repository unless a row says otherwise.
CREATE TABLE "app_repository" (
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "app" text NOT NULL,
  "repository_id" uuid NOT NULL REFERENCES "repository" ("id") ON DELETE CASCADE,
  "enabled" boolean NOT NULL,
  "updated_at" timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY ("app", "repository_id")
);
CREATE INDEX "app_repository_repository" ON "app_repository" ("repository_id");

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['forge_record', 'own_write', 'app_repository'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (organization_id = current_organization())
                    WITH CHECK (organization_id = current_organization())', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO forgeway_worker, forgeway_api', t);
  END LOOP;
END $$;

-- Read and written while deliveries are classified, before their tenant is known; like the inbox, the worker's alone.
ALTER TABLE "object_snapshot" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "object_snapshot" FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON "object_snapshot" FOR SELECT TO forgeway_api USING ("organization_id" = current_organization());
CREATE POLICY run ON "object_snapshot" TO forgeway_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON "object_snapshot" TO forgeway_worker;
GRANT SELECT ON "object_snapshot" TO forgeway_api;
