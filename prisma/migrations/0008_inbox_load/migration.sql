-- Attempts that failed only because a forge was down. They are numbered like the others, since the number fences writes,
-- and are not among the eight that a row has.
ALTER TABLE "dispatch" ADD COLUMN "uncounted_attempts" integer NOT NULL DEFAULT 0;
