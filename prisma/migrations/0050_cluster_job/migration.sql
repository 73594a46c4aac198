-- Plans, applies and turns of agents that run as a job in a namespace of its own on a cluster.

CREATE TABLE "cluster_job" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "kind" text NOT NULL CHECK ("kind" IN ('run', 'agent')),
  -- A run's phase or a session, by our own name of it.
  "subject" text NOT NULL,
  "fence" bigint NOT NULL,
  "turn" integer NOT NULL,
  -- As rows of previews name it.
  "cluster" text NOT NULL,
  "namespace" text NOT NULL UNIQUE,
  -- NULL until everything in it was made for certain.
  "namespace_uid" text,
  "input_blob_id" uuid REFERENCES "blob" ("id") ON DELETE SET NULL,
  "result_blob_id" uuid REFERENCES "blob" ("id") ON DELETE SET NULL,
  "rest_blob_id" uuid REFERENCES "blob" ("id") ON DELETE SET NULL,
  -- The pod that was given the input; no other one is.
  "claimed_by" text,
  -- Bytes that each part of what it leaves may have.
  "output_limit" bigint NOT NULL,
  -- What it is told, in order.
  "words" jsonb NOT NULL DEFAULT '[]',
  -- Of whoever began it.
  "state" jsonb NOT NULL DEFAULT '{}',
  "created_at" timestamptz NOT NULL DEFAULT now(),
  -- Nothing of it is left on the cluster, for certain. The row stays, so that its namespace is known as ours.
  "removed_at" timestamptz,
  UNIQUE ("kind", "subject", "fence", "turn")
);
CREATE INDEX "cluster_job_live" ON "cluster_job" ("organization_id", "kind") WHERE "removed_at" IS NULL;
CREATE INDEX "cluster_job_input" ON "cluster_job" ("input_blob_id") WHERE "input_blob_id" IS NOT NULL;
CREATE INDEX "cluster_job_result" ON "cluster_job" ("result_blob_id") WHERE "result_blob_id" IS NOT NULL;
CREATE INDEX "cluster_job_rest" ON "cluster_job" ("rest_blob_id") WHERE "rest_blob_id" IS NOT NULL;

ALTER TABLE "cluster_job" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "cluster_job" FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON "cluster_job" USING (organization_id = current_organization())
  WITH CHECK (organization_id = current_organization());
GRANT SELECT, INSERT, UPDATE, DELETE ON "cluster_job" TO forgeway_worker;
-- The server hands out what a job begins with and takes what it leaves, and nothing more.
GRANT SELECT ON "cluster_job" TO forgeway_api;
GRANT UPDATE ("claimed_by", "result_blob_id", "rest_blob_id") ON "cluster_job" TO forgeway_api;

ALTER TABLE "blob" DROP CONSTRAINT "blob_kind_check";
ALTER TABLE "blob" ADD CONSTRAINT "blob_kind_check"
  CHECK ("kind" IN ('configuration', 'plan', 'plan-json', 'state', 'state-json', 'job-input', 'job-output'));
