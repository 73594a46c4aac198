-- Polling: what changed on a forge that no webhook told.

-- Whether events come by webhook, by asking, or both. A token that may not make webhooks is polled whatever stands here.
ALTER TABLE "connection" ADD COLUMN "sync_mode" text NOT NULL DEFAULT 'both'
  CHECK ("sync_mode" IN ('webhook', 'poll', 'both'));

-- Where the poller stands in each repository.
CREATE TABLE "sync_cursor" (
  "repository_id" uuid PRIMARY KEY REFERENCES "repository" ("id") ON DELETE CASCADE,
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  -- By the forge's clock, when the poller first came: what was there before is taken in without telling anybody.
  "watermark_at" timestamptz,
  -- When everything that was open then had been taken in.
  "imported_at" timestamptz,
  -- The next list begins here: a little before the newest change that was listed.
  "since" timestamptz,
  -- Of the last list since then.
  "etag" text,
  -- Numbers that were listed and have still to be looked at.
  "pending" jsonb NOT NULL DEFAULT '[]',
  -- Branches by name with the commits they pointed to, the present one first; NULL before the first look.
  "branches" jsonb,
  "branches_etag" text,
  -- When a push was last noted in them.
  "pushed_at" timestamptz,
  "cycles" integer NOT NULL DEFAULT 0,
  "last_run_at" timestamptz,
  "next_run_at" timestamptz NOT NULL DEFAULT now(),
  -- In a row, since it last went well.
  "failures" integer NOT NULL DEFAULT 0,
  "error" text
);
CREATE INDEX "sync_cursor_organization" ON "sync_cursor" ("organization_id", "next_run_at");

-- What apps have been told of a pull request or an issue, piece by piece: not what it is now, which may have been read
-- from the forge without anybody having been told.
CREATE TABLE "told_object" (
  "repository_id" uuid NOT NULL REFERENCES "repository" ("id") ON DELETE CASCADE,
  "number" integer NOT NULL,
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "kind" text NOT NULL CHECK ("kind" IN ('pull_request', 'issue')),
  -- In GitHub's shape, the pieces that events tell of.
  "state" jsonb NOT NULL,
  -- By piece, the version of the event that told it last; '' for what the poller read.
  "versions" jsonb NOT NULL DEFAULT '{}',
  -- The version that the poller read last, and whether no other change can carry it any more.
  "seen_at" timestamptz,
  "settled" boolean NOT NULL DEFAULT false,
  "updated_at" timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY ("repository_id", "number")
);
CREATE INDEX "told_object_organization" ON "told_object" ("organization_id");

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['sync_cursor', 'told_object'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (organization_id = current_organization())
                    WITH CHECK (organization_id = current_organization())', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO forgeway_worker', t);
    EXECUTE format('GRANT SELECT ON %I TO forgeway_api', t);
  END LOOP;
END $$;

-- What the poller reported: a webhook that comes later and tells the same is ignored.
CREATE TABLE "poll_report" (
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "forge" text NOT NULL,
  "host" text NOT NULL,
  -- The forge's numbers; 0 for what is the repository's and no object's.
  "remote_repository_id" bigint NOT NULL,
  "number" integer NOT NULL,
  -- `state`, `labels`, `issue_comment 12`, `ref refs/heads/main` and the like.
  "piece" text NOT NULL,
  -- The object's time as it was reported, or the commit that the ref points to.
  "version" text NOT NULL,
  -- For a ref, the commit it pointed to before.
  "before" text,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY ("organization_id", "forge", "host", "remote_repository_id", "number", "piece")
);
CREATE INDEX "poll_report_time" ON "poll_report" ("created_at");
-- Deliveries are held against it before their tenant is known; like the inbox, the worker's alone.
ALTER TABLE "poll_report" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "poll_report" FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON "poll_report" FOR SELECT TO forgeway_api USING ("organization_id" = current_organization());
CREATE POLICY run ON "poll_report" TO forgeway_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON "poll_report" TO forgeway_worker;
GRANT SELECT ON "poll_report" TO forgeway_api;
