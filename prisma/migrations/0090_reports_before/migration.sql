-- For a ref, from where to where it moved in reports before the one that stands, oldest first: `[["before", "after"]]`.
ALTER TABLE "poll_report" ADD COLUMN "earlier" jsonb NOT NULL DEFAULT '[]';
