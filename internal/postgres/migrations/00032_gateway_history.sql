-- +goose Up
-- A search reads what is pending one by one: of jobs, which come one by one, nothing is, and of items, which come by the
-- thousand, up to 256 kB.
create index jobs_order_keys on trunkline.jobs using gin (order_keys) with (fastupdate = off);
create index items_order_keys on trunkline.items using gin (order_keys) with (gin_pending_list_limit = 256);
create index audit_about on trunkline.audit
    (coalesce(substring(subject from ' job ([0-9a-f-]{36})$'), substring(subject from '^gateway ([0-9a-f-]{36}) as ')), id) where kind = 'change';

-- +goose Down
drop index trunkline.audit_about;
drop index trunkline.items_order_keys;
drop index trunkline.jobs_order_keys;
