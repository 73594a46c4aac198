-- What agents on clusters print (ADR 56): their courier brings it, and each piece is kept under where it begins.
ALTER TABLE "cluster_job"
  -- Bytes of it that are kept.
  ADD COLUMN "printed_bytes" bigint NOT NULL DEFAULT 0,
  -- And that may be.
  ADD COLUMN "print_limit" bigint NOT NULL DEFAULT 0,
  ADD COLUMN "printed_at" timestamptz;
GRANT UPDATE ("printed_bytes", "printed_at") ON "cluster_job" TO forgeway_api;

CREATE TABLE "cluster_job_print" (
  "job_id" uuid NOT NULL REFERENCES "cluster_job" ("id") ON DELETE CASCADE,
  "offset" bigint NOT NULL,
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "bytes" integer NOT NULL CHECK ("bytes" > 0),
  "blob_id" uuid NOT NULL REFERENCES "blob" ("id") ON DELETE CASCADE,
  PRIMARY KEY ("job_id", "offset")
);
CREATE INDEX "cluster_job_print_blob" ON "cluster_job_print" ("blob_id");

ALTER TABLE "cluster_job_print" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "cluster_job_print" FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON "cluster_job_print" USING (organization_id = current_organization())
  WITH CHECK (organization_id = current_organization());
GRANT SELECT, INSERT, UPDATE, DELETE ON "cluster_job_print" TO forgeway_worker;
GRANT SELECT, INSERT ON "cluster_job_print" TO forgeway_api;
