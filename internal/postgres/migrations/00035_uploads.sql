-- +goose Up
create table trunkline.uploads (
    id          uuid primary key,
    session_id  uuid not null references trunkline.sessions (id) on delete cascade,
    domain_uuid uuid,
    bytes       integer not null,
    checked_by  uuid not null,
    applied_by  uuid,
    sealed      bytea,
    created_at  timestamptz not null default now(),
    expires_at  timestamptz not null
);
comment on table trunkline.uploads is 'Files that were sent in the console, kept while their senders look at what they would do. They go with the session, and soon in any case.';
comment on column trunkline.uploads.domain_uuid is 'The one domain of the session''s holder, whose share of files it counts against; null: they have several.';
comment on column trunkline.uploads.checked_by is 'The job that says what the file would do.';
comment on column trunkline.uploads.applied_by is 'The job that does it, if there is one.';
comment on column trunkline.uploads.sealed is 'The file, sealed, which may hold passwords; null once it was applied.';
create index uploads_session on trunkline.uploads (session_id);
create index uploads_expired on trunkline.uploads (expires_at);

-- +goose Down
drop table trunkline.uploads;
