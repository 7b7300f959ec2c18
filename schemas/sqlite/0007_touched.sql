-- store: messages
-- Which messages were changed after they were stored, by their row numbers: what was made of them, such as the search
-- index, has to be made anew. Whoever has done that deletes the marks; AUTOINCREMENT never gives one twice.

CREATE TABLE touched_messages (
    mark       INTEGER PRIMARY KEY AUTOINCREMENT,
    message_no BIGINT  NOT NULL
);

-- In the transaction of whatever changes a message: edit, recall, burning, expiry, erasure, the end of a stream.
CREATE TRIGGER touch_message AFTER UPDATE OF payload, recalled ON messages
BEGIN INSERT INTO touched_messages (message_no) VALUES (NEW.rowid); END;
