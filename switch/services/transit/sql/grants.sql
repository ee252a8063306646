-- Who may do what: the workers make networks and tokens, take taps and show what came of them, the
-- jobs settle, and nobody but the owner touches a table. Applied anew by every migration.

REVOKE ALL ON SCHEMA transit FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA transit FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA transit FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA transit FROM switch_worker, switch_jobs;
GRANT USAGE ON SCHEMA transit TO switch_worker, switch_jobs;
GRANT EXECUTE ON FUNCTION
    transit.give_network, transit.lay_fares, transit.add_gate, transit.close_gate,
    transit.give_token, transit.block_token, transit.ask_again, transit.take_taps,
    transit.read_network, transit.read_fares, transit.read_gates, transit.read_tokens,
    transit.read_standing, transit.read_week, transit.read_denied
TO switch_worker;
GRANT EXECUTE ON FUNCTION
    transit.due_weeks, transit.read_fares, transit.settle_weeks, transit.give_back,
    transit.check_books
TO switch_jobs;
