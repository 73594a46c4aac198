-- What is told of a session is told by a comment on the forge, and to an address that the operator has named. Each is a row of its own:
-- one that does not take it stands in the other's way no more than in the session's.
ALTER TABLE "session_notice" ADD COLUMN "channel" text NOT NULL DEFAULT 'comment' CHECK ("channel" IN ('comment', 'hook'));
ALTER TABLE "session_notice" DROP CONSTRAINT "session_notice_kind_check";
ALTER TABLE "session_notice" ADD CONSTRAINT "session_notice_kind_check"
  CHECK ("kind" IN ('question', 'reminder', 'ready', 'finished', 'failed', 'cancelled', 'merged'));
ALTER TABLE "session_notice" DROP CONSTRAINT "session_notice_session_id_sequence_kind_key";
ALTER TABLE "session_notice" ADD CONSTRAINT "session_notice_session_id_sequence_kind_channel_key"
  UNIQUE ("session_id", "sequence", "kind", "channel");
