-- Slow work of which one process of all nodes takes a turn at a time: how far it is, until when it is somebody's, when
-- it was done last. Moments are in seconds since 1970.
CREATE TABLE turn (
    name  text COLLATE "C" PRIMARY KEY,
    place text   NOT NULL,
    held  bigint NOT NULL,
    ended bigint NOT NULL
);
