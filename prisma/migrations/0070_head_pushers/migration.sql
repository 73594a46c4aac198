-- Who brought a head, as the forge said when it told of it. Whoever opened a pull request answers for what they opened, and not for
-- what somebody else pushed to its branch since.
ALTER TABLE "seen_head" ADD COLUMN "pusher_id" bigint, ADD COLUMN "pusher_login" text,
  ADD CONSTRAINT "seen_head_pusher" CHECK (("pusher_id" IS NULL) = ("pusher_login" IS NULL));
GRANT UPDATE ("pusher_id", "pusher_login") ON "seen_head" TO forgeway_worker;
