-- +goose Up
create table trunkline.past_spans (
    schedule_id uuid not null references trunkline.schedules on delete cascade,
    start_at    timestamptz not null,
    end_at      timestamptz not null check (end_at > start_at),
    primary key (schedule_id, start_at)
);
comment on table trunkline.past_spans is 'What the windows of a schedule have exported that are past their time and deleted: it is not exported again. Spans that touch are one.';
create index windows_old on trunkline.windows (schedule_id, ended_at) where ended_at is not null;

-- +goose Down
drop index trunkline.windows_old;
drop table trunkline.past_spans;
