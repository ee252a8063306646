-- Who may do what: the workers execute four functions, and nobody but the owner touches a table.
-- Applied anew by every migration.

REVOKE ALL ON SCHEMA checkout FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA checkout FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA checkout FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA checkout FROM switch_worker, switch_jobs;
GRANT USAGE ON SCHEMA checkout TO switch_worker;
GRANT EXECUTE ON FUNCTION
    checkout.open_checkout, checkout.cancel_checkout, checkout.read_checkouts, checkout.read_page
TO switch_worker;
