-- Who may do what: the workers begin, end and show stays, the jobs hold on for open ones, and
-- nobody but the owner touches a table. Applied anew by every migration.

REVOKE ALL ON SCHEMA parking FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA parking FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA parking FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA parking FROM switch_worker, switch_jobs;
GRANT USAGE ON SCHEMA parking TO switch_worker, switch_jobs;
GRANT EXECUTE ON FUNCTION
    parking.give_site, parking.enter, parking.leave, parking.read_site, parking.read_stay
TO switch_worker;
GRANT EXECUTE ON FUNCTION parking.hold_on TO switch_jobs;
