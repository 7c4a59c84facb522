-- +goose Up
create table trunkline.settings (
    name  text primary key,
    value text not null
);
comment on table trunkline.settings is 'What every process on this database must agree on.';

create table trunkline.jobs (
    id                  uuid primary key,
    kind                text not null,
    state               text not null check (state in ('queued', 'running', 'succeeded', 'partial', 'failed', 'cancelled')),
    domain_uuid         uuid,
    created_by          uuid not null,
    created_by_name     text not null,
    external_id         text,
    request_key         text,
    subject             text not null,
    body_hash           bytea not null,
    params              json not null,
    sealed              bytea,
    dispatch            integer not null default 1,
    dispatched_at       timestamptz not null default now(),
    attempt             integer not null default 0,
    worker              text,
    lost_workers        integer not null default 0,
    heartbeat_at        timestamptz,
    cancel_requested_at timestamptz,
    progress            json not null default '{}',
    result              json,
    error_code          text,
    error_message       text,
    created_at          timestamptz not null default now(),
    started_at          timestamptz,
    finished_at         timestamptz,
    constraint jobs_ended_once check (
        case state
            when 'queued'    then result is null and error_code is null and finished_at is null
            when 'running'   then result is null and error_code is null and finished_at is null and heartbeat_at is not null
            when 'succeeded' then result is not null and error_code is null and finished_at is not null
            when 'partial'   then result is not null and error_code is null and finished_at is not null
            else result is null and error_code is not null and error_message is not null and finished_at is not null
        end)
);
comment on column trunkline.jobs.params is 'json and not jsonb, here and below: in an SQL_ASCII database jsonb refuses escapes beyond ASCII.';
comment on table trunkline.jobs is 'One row a job: the only truth about it. Redis holds nothing that this table does not.';
comment on column trunkline.jobs.domain_uuid is 'The tenant it belongs to; NULL for a global gateway or an export of all domains.';
comment on column trunkline.jobs.request_key is 'The Idempotency-Key (k:...) or else the external_id (e:...) that a repeated request attaches by.';
comment on column trunkline.jobs.subject is 'What it is about; with body_hash, what a request without a key attaches by while this job is in flight.';
comment on column trunkline.jobs.sealed is 'Secrets and the previous row, AES-GCM; NULL once wiped.';
comment on column trunkline.jobs.dispatch is 'The number of the task that may run it; a task with an older number does nothing.';
comment on column trunkline.jobs.dispatched_at is 'When its task was last known to be in Redis.';
comment on column trunkline.jobs.attempt is 'The number of the run that may write to it; a run with an older number changes nothing.';

create unique index jobs_request_key on trunkline.jobs (created_by, kind, request_key) where request_key is not null;
create unique index jobs_in_flight on trunkline.jobs (created_by, kind, subject, body_hash)
    where request_key is null and state in ('queued', 'running');
create index jobs_unfinished on trunkline.jobs (state, dispatched_at) where state in ('queued', 'running');
create index jobs_by_domain on trunkline.jobs (domain_uuid, id);
create index jobs_finished on trunkline.jobs (finished_at) where finished_at is not null;

create table trunkline.loaded_gateways (
    gateway_uuid uuid not null,
    switch       text not null,
    settings     bytea not null,
    loaded_at    timestamptz not null default now(),
    primary key (gateway_uuid, switch)
);
comment on table trunkline.loaded_gateways is 'With which settings each switch was last seen to load a gateway.';
comment on column trunkline.loaded_gateways.settings is 'A keyed hash: the password is among the settings, and xmlstatus does not show it.';

-- +goose Down
drop table trunkline.loaded_gateways;
drop table trunkline.jobs;
drop table trunkline.settings;
