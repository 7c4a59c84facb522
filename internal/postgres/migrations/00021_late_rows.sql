-- +goose Up
create table trunkline.exported (
    job_id      uuid primary key,
    schedule_id uuid not null references trunkline.schedules on delete cascade,
    window_id   uuid not null references trunkline.windows on delete cascade,
    request     json not null,
    server      text,
    before      bigint,
    exported_at timestamptz
);
comment on table trunkline.exported is 'Which CDRs schedules have exported, for as long as others of the same windows may come late.';
comment on column trunkline.exported.request is 'Which CDRs the export holds.';
comment on column trunkline.exported.before is 'The txid from which on transactions, on that server, were not surely seen by the snapshot of the export.';
comment on column trunkline.exported.exported_at is 'NULL: it has not succeeded.';
create index exported_schedule on trunkline.exported (schedule_id, exported_at);
create index exported_window on trunkline.exported (window_id);
create index exported_old on trunkline.exported (exported_at);

create table trunkline.exported_keys (
    job_id uuid not null references trunkline.exported on delete cascade,
    number integer not null,
    keys   bytea not null,
    primary key (job_id, number)
);
comment on table trunkline.exported_keys is 'The keys of the rows of each slice of such an export: 8 bytes a row, both halves of its UUID on each other.';
alter table trunkline.exported_keys alter column keys set storage external;

create table trunkline.late_windows (
    window_id   uuid primary key references trunkline.windows on delete cascade,
    schedule_id uuid not null references trunkline.schedules on delete cascade
);
comment on table trunkline.late_windows is 'The windows of which it is fixed what has come late for them.';

create table trunkline.late_rows (
    window_id    uuid not null references trunkline.late_windows on delete cascade,
    xml_cdr_uuid uuid not null,
    domain_uuid  uuid,
    start_stamp  timestamptz not null,
    primary key (window_id, xml_cdr_uuid)
);
comment on table trunkline.late_rows is 'CDRs that came after their own window was exported, with the window whose files they are in.';
create index late_rows_cdr on trunkline.late_rows (xml_cdr_uuid);

-- +goose Down
drop table trunkline.late_rows;
drop table trunkline.late_windows;
drop table trunkline.exported_keys;
drop table trunkline.exported;
