-- store: search
-- The index of the words of messages, in a file of its own: it can be made anew from the log at any time, and writing it
-- keeps no message waiting. `doc_no` is the number of the message's row in the log, `terms` are separated by blanks.

CREATE TABLE search_docs (
    doc_no  INTEGER      NOT NULL PRIMARY KEY,
    conv_id VARCHAR(140) NOT NULL,
    seq     BIGINT       NOT NULL,
    terms   TEXT         NOT NULL
);

-- Which documents have a term, and nothing more: neither where in it nor how often.
CREATE VIRTUAL TABLE search_terms USING fts5(
    terms, content='search_docs', content_rowid='doc_no', detail='none', columnsize=0, tokenize='ascii'
);

CREATE TRIGGER index_doc AFTER INSERT ON search_docs
BEGIN INSERT INTO search_terms (rowid, terms) VALUES (NEW.doc_no, NEW.terms); END;

CREATE TRIGGER unindex_doc AFTER DELETE ON search_docs
BEGIN INSERT INTO search_terms (search_terms, rowid, terms) VALUES ('delete', OLD.doc_no, OLD.terms); END;

-- Up to which row of the log everything is in here: one row.
CREATE TABLE search_position (
    position BIGINT NOT NULL
);
INSERT INTO search_position (position) VALUES (0);
