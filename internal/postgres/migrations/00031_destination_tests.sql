-- +goose Up
alter table trunkline.destinations add column last_test json;
comment on column trunkline.destinations.last_test is 'What its last test has found, and when. NULL: it was not tested since this is kept.';
create index deliveries_failed on trunkline.deliveries (destination_id) where state = 'failed' and destination_id is not null;

-- +goose Down
drop index trunkline.deliveries_failed;
alter table trunkline.destinations drop column last_test;
