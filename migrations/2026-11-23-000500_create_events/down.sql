DROP TABLE events;
DROP FUNCTION events_draw_number, events_are_append_only;
DROP SEQUENCE event_seq;
