-- Who may do what: the workers take in and show, the jobs pay what was approved and cannot do
-- anything else, and nobody but the owner touches a table. Applied anew by every migration.

REVOKE ALL ON SCHEMA disbursements FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA disbursements FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA disbursements FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA disbursements FROM switch_worker, switch_jobs;
GRANT USAGE ON SCHEMA disbursements TO switch_worker, switch_jobs;
GRANT EXECUTE ON FUNCTION
    disbursements.create_draft, disbursements.add_part, disbursements.take_act,
    disbursements.read_disbursements, disbursements.read_results
TO switch_worker;
GRANT EXECUTE ON FUNCTION disbursements.pay_next TO switch_jobs;
