-- +goose Up
create table trunkline.schedules (
    id              uuid primary key,
    domain_uuid     uuid,
    domain_name     text not null,
    name            text not null,
    cron            text not null,
    time_zone       text not null,
    kind            text not null check (kind in ('previous_day', 'previous_week', 'previous_month', 'since_last_run')),
    lag             integer not null,
    request         json not null,
    each_domain     boolean not null,
    file_name       text not null,
    destinations    uuid[] not null,
    enabled         boolean not null,
    paused_because  text,
    watermark       timestamptz not null,
    number          bigint not null default 0,
    backfilled      bigint not null default 0,
    next_run        timestamptz,
    planned_at      timestamptz not null,
    created_by_name text not null,
    created_at      timestamptz not null,
    changed_by_name text not null,
    changed_at      timestamptz not null
);
comment on table trunkline.schedules is 'What makes exports at its times. All times are those of the clock of api and schedulers.';
comment on column trunkline.schedules.domain_uuid is 'Whose it is, and whose CDRs it exports; NULL: all domains.';
comment on column trunkline.schedules.lag is 'How long after its end a window is left alone, in seconds.';
comment on column trunkline.schedules.request is 'What each export holds and how it is written: a request without its window.';
comment on column trunkline.schedules.file_name is 'The template of its files'' names at destinations.';
comment on column trunkline.schedules.watermark is 'Up to where windows have been made.';
comment on column trunkline.schedules.number is 'Of the last window.';
comment on column trunkline.schedules.backfilled is 'The number of the last window of a backfill.';
comment on column trunkline.schedules.next_run is 'NULL: it is paused.';
comment on column trunkline.schedules.planned_at is 'When next_run was reckoned: should the clock go back behind it, it is reckoned again.';
create unique index schedules_name on trunkline.schedules (coalesce(domain_uuid::text, ''), lower(name));
create index schedules_due on trunkline.schedules (next_run) where next_run is not null;
create index schedules_planned on trunkline.schedules (planned_at) where next_run is not null;

create table trunkline.windows (
    id          uuid primary key,
    schedule_id uuid not null references trunkline.schedules on delete cascade,
    series      text not null check (series in ('run', 'backfill', 'extra')),
    number      bigint check ((number is null) = (series = 'extra')),
    revision    integer not null default 0,
    start_at    timestamptz not null,
    end_at      timestamptz not null check (end_at > start_at),
    time_zone   text not null,
    state       text not null check (state in ('waiting', 'running', 'succeeded', 'failed', 'skipped')),
    reason      text,
    made_at     timestamptz not null,
    ended_at    timestamptz,
    unique (schedule_id, series, number, revision)
);
comment on table trunkline.windows is 'The spans of time that schedules export, each with its number, which has no gap within its series.';
comment on column trunkline.windows.number is 'NULL: of an extra export, which is not counted.';
comment on column trunkline.windows.revision is '0, or how often this window has been exported again.';
comment on column trunkline.windows.reason is 'Why it was skipped or has failed.';
create index windows_open on trunkline.windows (schedule_id, start_at) where state in ('waiting', 'running');
create index windows_failed on trunkline.windows (schedule_id) where state = 'failed';
create index windows_history on trunkline.windows (schedule_id, id);

create table trunkline.window_files (
    window_id   uuid not null references trunkline.windows on delete cascade,
    job_id      uuid not null,
    domain_uuid uuid,
    domain_name text not null,
    name        text not null,
    state       text not null,
    rows        bigint,
    bytes       bigint,
    sha256      text,
    error       text,
    primary key (window_id, job_id)
);
comment on table trunkline.window_files is 'The files of a window, each of which an export job makes.';
comment on column trunkline.window_files.job_id is 'Without a foreign key: what a schedule has exported is known for longer than its jobs.';
comment on column trunkline.window_files.name is 'What it is called at destinations.';
create index window_files_job on trunkline.window_files (job_id);

-- +goose Down
drop table trunkline.window_files;
drop table trunkline.windows;
drop table trunkline.schedules;
