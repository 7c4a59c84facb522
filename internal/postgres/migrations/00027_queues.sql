-- +goose Up
create table trunkline.paused_queues (
    queue     text primary key,
    paused_by text not null,
    reason    text not null,
    paused_at timestamptz not null default now()
);
comment on table trunkline.paused_queues is 'The queues of which no job begins until somebody resumes them.';
comment on column trunkline.paused_queues.paused_by is 'user@domain, or token:NAME.';

alter table trunkline.workers add column version text not null default '', add column started_at timestamptz not null default now();
comment on column trunkline.workers.version is 'The build, as `trunkline version` prints it.';
comment on column trunkline.workers.started_at is 'Since when the worker serves.';

-- +goose Down
alter table trunkline.workers drop column version, drop column started_at;
drop table trunkline.paused_queues;
