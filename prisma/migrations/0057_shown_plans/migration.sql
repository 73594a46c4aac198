-- A saved plan as `terraform show` reads it: what it would change, without any value that is sensitive.
ALTER TABLE "blob" DROP CONSTRAINT "blob_kind_check";
ALTER TABLE "blob" ADD CONSTRAINT "blob_kind_check"
  CHECK ("kind" IN ('configuration', 'plan', 'plan-json', 'plan-shown', 'state', 'state-json', 'job-input', 'job-output'));
ALTER TABLE "run_phase" ADD COLUMN "shown_blob_id" uuid REFERENCES "blob" ("id") ON DELETE SET NULL;
