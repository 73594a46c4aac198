-- Connections that no forge has confirmed yet, since theirs could not be reached: when each is tried again, and what is done once
-- it is confirmed. The row goes when that was done, when the forge refuses, and with the connection.
CREATE TABLE "connection_confirmation" (
  "connection_id" uuid PRIMARY KEY REFERENCES "connection" ("id") ON DELETE CASCADE,
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  -- Repositories and webhooks that were asked for; see ConfirmationWish.
  "wish" jsonb NOT NULL,
  "attempts" integer NOT NULL DEFAULT 0,
  "due_at" timestamptz NOT NULL,
  -- By the process that made attempt number `attempts`; one that died is overtaken after this.
  "trying_until" timestamptz,
  "created_at" timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX "connection_confirmation_due" ON "connection_confirmation" ("due_at");

ALTER TABLE "connection_confirmation" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "connection_confirmation" FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON "connection_confirmation" USING (organization_id = current_organization())
  WITH CHECK (organization_id = current_organization());
-- What is due is found across tenants.
CREATE POLICY route ON "connection_confirmation" FOR SELECT TO forgeway_worker USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON "connection_confirmation" TO forgeway_worker;
-- Shows when the next try is.
GRANT SELECT ON "connection_confirmation" TO forgeway_api;

-- Those that waited for somebody to test them by hand. The owner, too, would see no row.
ALTER TABLE "connection" NO FORCE ROW LEVEL SECURITY;
ALTER TABLE "installation" NO FORCE ROW LEVEL SECURITY;
ALTER TABLE "connection_confirmation" NO FORCE ROW LEVEL SECURITY;
INSERT INTO "connection_confirmation" ("connection_id", "organization_id", "wish", "due_at")
SELECT c."id", c."organization_id", '{}', now() FROM "connection" c
WHERE c."status" = 'unreachable' AND c."user_id" IS NULL AND c."kind" IN ('pat', 'github-app')
  AND NOT EXISTS (SELECT FROM "installation" i WHERE i."connection_id" = c."id");
ALTER TABLE "connection_confirmation" FORCE ROW LEVEL SECURITY;
ALTER TABLE "installation" FORCE ROW LEVEL SECURITY;
ALTER TABLE "connection" FORCE ROW LEVEL SECURITY;

-- When a forge said last that a mirrored role is so; of a role that was given here it means nothing. A role that was not confirmed
-- for a while is worth less: see accounts/access/confirmed.ts.
ALTER TABLE "member" ADD COLUMN "confirmed_at" timestamptz NOT NULL DEFAULT now();
-- Since when every answer was that the organization is not there; another answer, or none, begins anew.
ALTER TABLE "organization_source" ADD COLUMN "missing_since" timestamptz;
