-- A key that was replaced, or taken away, is kept sealed while a session may still have it: what that session's agent prints and changes
-- is looked through for it, also by a process that has never seen it. It is handed to nobody any more.
ALTER TABLE "agent_secret" ADD COLUMN "replaced_at" timestamptz;
ALTER TABLE "agent_secret" DROP CONSTRAINT "agent_secret_organization_id_name_key";
CREATE UNIQUE INDEX "agent_secret_name" ON "agent_secret" ("organization_id", "name") WHERE "replaced_at" IS NULL;
CREATE INDEX "agent_secret_organization" ON "agent_secret" ("organization_id", "name");
