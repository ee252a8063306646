-- Who may do what: two group roles that own nothing and may execute their functions only.
-- Everything else is the operator's, who logs in as a role that may become switch_owner. Applied
-- anew by every migration.

REVOKE ALL ON SCHEMA ledger FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA ledger FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ledger FROM switch_worker, switch_jobs;
GRANT USAGE ON SCHEMA ledger TO switch_worker, switch_jobs;

-- What every process reads.
GRANT SELECT ON ledger.schema_version TO switch_worker, switch_jobs;

-- The workers: decide, and answer questions.
GRANT EXECUTE ON FUNCTION
    ledger.authorize_batch, ledger.decide_steps, ledger.bar_key, ledger.fold_backlog,
    ledger.open_account, ledger.change_account, ledger.find_claim, ledger.read_account_operation,
    ledger.read_accounts, ledger.read_entries, ledger.read_payments, ledger.read_events,
    ledger.look_up_payments, ledger.read_fee,
    ledger.read_trail, ledger.read_told, ledger.read_asked, ledger.read_pushed,
    ledger.read_feeds, ledger.find_decided,
    ledger.give_mandate, ledger.give_code, ledger.revoke_mandate, ledger.read_mandates,
    ledger.read_mandate_operation, ledger.participant_name,
    ledger.give_purpose, ledger.open_purse, ledger.give_campaign, ledger.claim_coupon,
    ledger.read_fund, ledger.read_funds, ledger.read_fund_operation,
    ledger.read_payable_request, ledger.read_request_operation,
    ledger.list_payments, ledger.participants_version, ledger.read_participants,
    ledger.read_switch_keys
TO switch_worker;

-- The workers, for participants and their keys: a key is added by one that is valid, never else.
GRANT EXECUTE ON FUNCTION
    ledger.introduce_key, ledger.revoke_own_key, ledger.read_key_changes, ledger.read_own_keys,
    ledger.read_key_operation,
    ledger.record_key_uses
TO switch_worker;

-- The jobs: fold, expire, tell, finish, check.
GRANT EXECUTE ON FUNCTION
    ledger.fold_credits, ledger.expire_holds, ledger.sweep_funds, ledger.sequence_events,
    ledger.prune_events,
    ledger.finish_closing, ledger.read_waiting, ledger.read_unnumbered,
    ledger.check_books, ledger.record_books_check, ledger.read_books_check,
    ledger.read_delivery_work, ledger.read_new_deliveries, ledger.read_due_deliveries,
    ledger.pass_deliveries, ledger.settle_deliveries, ledger.read_delivery_backlog,
    ledger.prune_deliveries, ledger.look_up_payments, ledger.read_key_changes,
    ledger.read_switch_keys
TO switch_jobs;

-- The jobs, for banks that hold the money themselves: ask them, and decide by what they answer.
GRANT EXECUTE ON FUNCTION
    ledger.start_bank_calls, ledger.settle_bank_calls, ledger.time_out_calls,
    ledger.resume_bank_calls, ledger.prune_bank_calls, ledger.read_bank_backlog,
    ledger.participants_version, ledger.read_participants
TO switch_jobs;
