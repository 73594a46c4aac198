-- What webhooks that come late are compared with: states from before the newest one, and what was told since them.
ALTER TABLE "object_snapshot" ADD COLUMN "lately" jsonb;
