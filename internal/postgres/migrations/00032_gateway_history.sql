-- +goose Up
create index jobs_order_keys on trunkline.jobs using gin (order_keys);
create index items_order_keys on trunkline.items using gin (order_keys);
create index audit_about on trunkline.audit
    (coalesce(substring(subject from ' job ([0-9a-f-]{36})$'), substring(subject from '^gateway ([0-9a-f-]{36}) as ')), id) where kind = 'change';

-- +goose Down
drop index trunkline.audit_about;
drop index trunkline.items_order_keys;
drop index trunkline.jobs_order_keys;
