-- Who may do what: the workers execute these functions, and nobody but the owner touches a table.
-- Applied anew by every migration.

REVOKE ALL ON SCHEMA wallets FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA wallets FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA wallets FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA wallets FROM switch_worker, switch_jobs;
GRANT USAGE ON SCHEMA wallets TO switch_worker;
GRANT EXECUTE ON FUNCTION
    wallets.register, wallets.upgrade, wallets.close, wallets.forget, wallets.resolve_aliases,
    wallets.read_wallets
TO switch_worker;
