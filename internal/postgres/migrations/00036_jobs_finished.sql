-- +goose Up
-- What ended lately is counted by hour, kind and state, from the index alone.
drop index trunkline.jobs_finished;
create index jobs_finished on trunkline.jobs (finished_at) include (kind, state, domain_uuid, domains) where finished_at is not null;

-- +goose Down
drop index trunkline.jobs_finished;
create index jobs_finished on trunkline.jobs (finished_at) where finished_at is not null;
