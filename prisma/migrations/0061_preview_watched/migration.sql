-- Since when all visitors of a preview are led through Forgeway's own listener, which sees them: it is about to sleep. NULL: it is not.
ALTER TABLE "preview" ADD COLUMN "watched_since" timestamptz;
