-- Who may do what: the workers offer, enter and show, the jobs draw and give, and nobody but the
-- owner touches a table. Applied anew by every migration.

REVOKE ALL ON SCHEMA red_packets FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA red_packets FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA red_packets FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA red_packets FROM switch_worker, switch_jobs;
GRANT USAGE ON SCHEMA red_packets TO switch_worker, switch_jobs;
GRANT EXECUTE ON FUNCTION
    red_packets.offer, red_packets.enter, red_packets.read_packet, red_packets.read_entry,
    red_packets.read_entries
TO switch_worker;
GRANT EXECUTE ON FUNCTION
    red_packets.draw_next, red_packets.tell_next, red_packets.open_next, red_packets.give_next,
    red_packets.check_books
TO switch_jobs;
