-- What the mirror had learned of a repository before this was told without being noted: from then on everything is. It is
-- written after the row was committed, so that whoever did not see the row had begun before.
ALTER TABLE sync_cursor ADD COLUMN begun_at timestamptz;
UPDATE sync_cursor SET begun_at = watermark_at;
