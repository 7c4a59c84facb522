-- +goose Up
create table trunkline.tokens (
    id                  uuid primary key,
    name                text not null,
    sha256              bytea not null unique,
    hint                text not null,
    previous_sha256     bytea unique,
    previous_expires_at timestamptz,
    scopes              text[] not null check (scopes <@ array['read', 'provision', 'export', 'admin'] and cardinality(scopes) > 0),
    all_domains         boolean not null,
    domain_uuids        uuid[] not null default '{}',
    home_domain_uuid    uuid,
    created_by          text not null,
    created_at          timestamptz not null default now(),
    expires_at          timestamptz,
    rotated_at          timestamptz,
    revoked_at          timestamptz,
    last_used_at        timestamptz,
    last_used_address   text,
    constraint tokens_domains check (all_domains = (cardinality(domain_uuids) = 0)),
    constraint tokens_previous check ((previous_sha256 is null) = (previous_expires_at is null))
);
comment on table trunkline.tokens is 'API tokens. A secret is shown once, when it is made, and kept as its SHA-256.';
comment on column trunkline.tokens.hint is 'The last characters of the secret, for people to tell tokens apart.';
comment on column trunkline.tokens.home_domain_uuid is 'The domain of a request that names none; NULL: it has to name one.';
create unique index tokens_name on trunkline.tokens (lower(name)) where revoked_at is null;

create table trunkline.audit (
    id          uuid primary key,
    at          timestamptz not null default now(),
    last_at     timestamptz not null default now(),
    times       bigint not null default 1,
    kind        text not null check (kind in ('denial', 'change')),
    address     text not null,
    who         text not null,
    action      text not null,
    subject     text not null default '',
    code        text not null default '',
    domain_uuid uuid,
    request_id  text not null default '',
    detail      json not null default '{}',
    minute      timestamptz,
    constraint audit_minute check ((minute is not null) = (kind = 'denial'))
);
comment on table trunkline.audit is 'Who was denied what, and who changed what. Denials that are alike are one row a minute.';
comment on column trunkline.audit.action is 'The endpoint of a denial; what was done of a change, such as token.revoke.';
comment on column trunkline.audit.code is 'The reason of a denial, as the answer had it.';
comment on column trunkline.audit.minute is 'Of a denial: the minute within which it is one row with those that are alike.';
create unique index audit_alike on trunkline.audit (minute, address, who, action, code, coalesce(domain_uuid, '00000000-0000-0000-0000-000000000000'))
    where kind = 'denial';
create index audit_at on trunkline.audit (at, id);
create index audit_denials on trunkline.audit (last_at) where kind = 'denial';

create table trunkline.job_totals (
    kind    text not null,
    state   text not null,
    reason  text not null,
    shard   smallint not null,
    jobs    bigint not null,
    rows    bigint not null,
    bytes   bigint not null,
    seconds double precision not null,
    primary key (kind, state, reason, shard)
);
comment on table trunkline.job_totals is 'How many jobs have ever ended, and how: counted in the statement that ends a job, and kept when its row is deleted.';
comment on column trunkline.job_totals.shard is 'Spreads the count over several rows, so that jobs that end at once do not wait for each other; the total is their sum.';
comment on column trunkline.job_totals.rows is 'CDRs exported.';

alter table trunkline.jobs add column queued_at timestamptz not null default now();
comment on column trunkline.jobs.queued_at is 'When it was last put into state queued.';

-- +goose Down
alter table trunkline.jobs drop column queued_at;
drop table trunkline.job_totals;
drop table trunkline.audit;
drop table trunkline.tokens;
