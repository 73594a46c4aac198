-- Changes that callers of the API ask for, each once: what was asked under which key, and what it wrote on a forge.

CREATE TABLE "api_request" (
  "id" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  -- The person or the machine: whoever has a new token goes on with the keys of the one before.
  "caller" text NOT NULL,
  -- The caller's own; NULL: they gave none, and what they ask for is recorded for its writes alone.
  "idempotency_key" text,
  -- SHA-256 of what was asked.
  "request_hash" bytea NOT NULL,
  "attempts" integer NOT NULL DEFAULT 1,
  -- Prolonged while it runs, so that it ends soon after its process does. NULL: it does not run.
  "running_until" timestamptz,
  "answered_at" timestamptz,
  -- JSON, to the byte. NULL: there is none, or it is told once and never kept.
  "answer" text,
  "created_at" timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX "api_request_key" ON "api_request" ("organization_id", "caller", "idempotency_key")
  WHERE "idempotency_key" IS NOT NULL;
CREATE INDEX "api_request_interrupted" ON "api_request" ("organization_id", "caller", "request_hash")
  WHERE "idempotency_key" IS NULL AND "answered_at" IS NULL;
CREATE INDEX "api_request_time" ON "api_request" USING brin ("created_at");

-- The write journal of such a request. As write_journal has it, which belongs to deliveries and lives as long as they do.
CREATE TABLE "api_write" (
  "request_id" bigint NOT NULL REFERENCES "api_request" ("id") ON DELETE CASCADE,
  "request_hash" bytea NOT NULL,
  "ordinal" integer NOT NULL CHECK ("ordinal" > 0),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "forge" text NOT NULL,
  "host" text NOT NULL,
  "route" text NOT NULL,
  "path" text NOT NULL,
  "safety" text NOT NULL CHECK ("safety" IN ('idempotent', 'findable', 'unsafe')),
  "status" text NOT NULL CHECK ("status" IN ('sent', 'answered', 'refused', 'unknown')),
  "sends" integer NOT NULL DEFAULT 1,
  "sent_by" bigint NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT clock_timestamp(),
  "sent_at" timestamptz NOT NULL DEFAULT clock_timestamp(),
  "answered_at" timestamptz,
  "answer_status" integer,
  "answer_headers" jsonb,
  "answer_body" bytea,
  "request_body" bytea,
  "effect" text,
  "found" boolean NOT NULL DEFAULT false,
  PRIMARY KEY ("request_id", "request_hash", "ordinal")
);
CREATE INDEX "api_write_effect" ON "api_write" ("organization_id", "effect") WHERE "effect" IS NOT NULL;

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['api_request', 'api_write'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (organization_id = current_organization())
                    WITH CHECK (organization_id = current_organization())', t);
  END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON "api_request" TO forgeway_api;
-- What is written on a forge is recorded by whoever holds the tokens.
GRANT SELECT ON "api_write" TO forgeway_api;
GRANT SELECT, INSERT, UPDATE ON "api_write" TO forgeway_worker;
GRANT SELECT, UPDATE, DELETE ON "api_request" TO forgeway_worker;
-- What is older than a day is deleted across tenants.
CREATE POLICY outdated ON "api_request" TO forgeway_worker USING ("created_at" < now() - interval '1 day')
  WITH CHECK (false);
