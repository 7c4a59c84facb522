-- +goose Up
create table trunkline.sessions (
    id          uuid primary key,
    secret_hash bytea not null unique,
    holder_id   uuid not null,
    mark_hash   bytea not null,
    who         text not null,
    way         text not null check (way in ('password', 'token', 'sign-on')),
    domain_uuid uuid,
    address     text not null,
    agent       text not null,
    created_at  timestamptz not null default now(),
    used_at     timestamptz not null default now(),
    expires_at  timestamptz not null,
    constraint sessions_of_sign_ons check (way <> 'sign-on' or domain_uuid is not null)
);
comment on table trunkline.sessions is 'Who is signed in to the console. Of the secret in a session''s cookie only a keyed hash is kept.';
comment on column trunkline.sessions.holder_id is 'The FusionPBX user or the token by which it was made, whose rights it has.';
comment on column trunkline.sessions.mark_hash is 'A keyed hash of the mark of the holder''s credentials: the session is over once they are others.';
comment on column trunkline.sessions.domain_uuid is 'Of a sign-on the one domain that it is for; of others that of a holder who has one.';
create index sessions_holder on trunkline.sessions (holder_id, domain_uuid);

create table trunkline.sign_ons (
    code_hash   bytea primary key,
    holder_id   uuid not null,
    mark_hash   bytea not null,
    who         text not null,
    domain_uuid uuid not null,
    expires_at  timestamptz not null
);
comment on table trunkline.sign_ons is 'Codes by which somebody gets a session without credentials, once. Only a keyed hash of one is kept.';

create table trunkline.totp_steps (
    user_uuid uuid primary key,
    step      bigint not null
);
comment on table trunkline.totp_steps is 'The last step of time whose code of a second factor a user has used: neither it nor an earlier one serves again.';

-- +goose Down
drop table trunkline.totp_steps;
drop table trunkline.sign_ons;
drop table trunkline.sessions;
