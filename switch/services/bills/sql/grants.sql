-- Who may do what: the workers execute these functions, the jobs take instalments, and nobody but
-- the owner touches a table. Applied anew by every migration.

REVOKE ALL ON SCHEMA bills FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA bills FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA bills FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA bills FROM switch_worker, switch_jobs;
GRANT USAGE ON SCHEMA bills TO switch_worker, switch_jobs;
GRANT EXECUTE ON FUNCTION
    bills.present, bills.cancel, bills.read_bills, bills.read_day, bills.read_payments,
    bills.plan_instalments, bills.read_instalments
TO switch_worker;
GRANT EXECUTE ON FUNCTION bills.take_instalments TO switch_jobs;
