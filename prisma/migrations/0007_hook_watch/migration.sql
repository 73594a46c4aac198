-- What forges are asked about the deliveries they could not make: how far each hook's list was read, whether the hook works,
-- and every delivery that is missed.

CREATE TABLE "hook_watch" (
  "hook_id" text PRIMARY KEY REFERENCES "hook" ("id") ON DELETE CASCADE,
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "looked_at" timestamptz,
  "next_look_at" timestamptz NOT NULL DEFAULT now(),
  -- What is wrong with it, in one sentence for a person.
  "trouble" text,
  "trouble_since" timestamptz,
  -- Everything up to this position of the forge's list was read: nothing that failed was left out.
  "seen" bigint,
  -- A reading that is under way, from the newest backwards: the next page, and the position it began at.
  "page" text,
  "page_top" bigint,
  -- The forge lists no deliveries; it is asked again after this.
  "unlisted_until" timestamptz,
  "asked_at" timestamptz,
  -- Switched on again by us: how often since it last worked for a day, when next, and when it last succeeded.
  "enable_attempts" integer NOT NULL DEFAULT 0,
  "next_enable_at" timestamptz,
  "enabled_at" timestamptz
);
CREATE INDEX "hook_watch_due" ON "hook_watch" ("next_look_at");
CREATE INDEX "hook_watch_organization" ON "hook_watch" ("organization_id");

CREATE TABLE "missed_delivery" (
  "hook_id" text NOT NULL REFERENCES "hook" ("id") ON DELETE CASCADE,
  "delivery_key" text NOT NULL,
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  -- The forge's id of the newest attempt, by which it is asked for.
  "attempt_id" text NOT NULL,
  "position" bigint NOT NULL,
  "event_type" text NOT NULL,
  -- What our server answered to that attempt, as the forge tells it.
  "answer" text NOT NULL,
  "missed_at" timestamptz NOT NULL DEFAULT now(),
  "status" text NOT NULL DEFAULT 'open' CHECK ("status" IN ('open', 'arrived', 'given_up')),
  "asks" integer NOT NULL DEFAULT 0,
  "asked_at" timestamptz,
  "next_ask_at" timestamptz NOT NULL DEFAULT now(),
  -- Why it was given up.
  "reason" text,
  "finished_at" timestamptz,
  PRIMARY KEY ("hook_id", "delivery_key")
);
CREATE INDEX "missed_delivery_open" ON "missed_delivery" ("hook_id", "position") WHERE "status" = 'open';
CREATE INDEX "missed_delivery_organization" ON "missed_delivery" ("organization_id", "status");

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['hook_watch', 'missed_delivery'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (organization_id = current_organization())
                    WITH CHECK (organization_id = current_organization())', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO forgeway_worker', t);
    EXECUTE format('GRANT SELECT ON %I TO forgeway_api', t);
  END LOOP;
END $$;
-- Which hook is due is found across tenants; what is done about it is done as its tenant.
CREATE POLICY route ON "hook_watch" FOR SELECT TO forgeway_worker USING (true);
