-- A row with something in it that does not wait for what stands before it (ADR 59): it is run for that alone, once, wherever there is room.
ALTER TABLE "dispatch" ADD COLUMN "overtakes" boolean NOT NULL DEFAULT false;
CREATE INDEX "dispatch_overtakes" ON "dispatch" ("id") WHERE "overtakes";

-- What somebody has said to stop in a conversation, so that what was asked for before that, and comes later, does not begin.
CREATE TABLE "agent_stop" (
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "command_key" text NOT NULL,
  "forge" text NOT NULL,
  "host" text NOT NULL,
  "remote_repository_id" bigint NOT NULL,
  "number" integer NOT NULL,
  "by_id" bigint NOT NULL,
  "by_login" text NOT NULL,
  -- own: what they have asked for themselves, about which nobody is asked; any: the forge says that they may stop what anybody has.
  "whose" text NOT NULL CHECK ("whose" IN ('own', 'any')),
  "delivery_id" bigint NOT NULL,
  "asked_at" timestamptz NOT NULL,
  "told_at" timestamptz,
  "stopped" boolean NOT NULL DEFAULT false,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY ("organization_id", "command_key")
);
CREATE INDEX "agent_stop_place" ON "agent_stop" ("organization_id", "forge", "host", "remote_repository_id", "number");
CREATE INDEX "agent_stop_time" ON "agent_stop" USING brin ("created_at");

ALTER TABLE "agent_stop" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "agent_stop" FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON "agent_stop" USING (organization_id = current_organization())
  WITH CHECK (organization_id = current_organization());
GRANT SELECT, INSERT, UPDATE, DELETE ON "agent_stop" TO forgeway_worker;
GRANT SELECT ON "agent_stop" TO forgeway_api;
-- Longer than anything waits for a forge that is down; deleted across tenants.
CREATE POLICY outdated ON "agent_stop" TO forgeway_worker USING ("created_at" < now() - interval '7 days')
  WITH CHECK (false);
