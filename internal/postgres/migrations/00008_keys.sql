-- +goose Up
create table trunkline.secret_keys (
    fingerprint text not null,
    sealed_by   text not null,
    sealed      bytea not null,
    retired_at  timestamptz,
    primary key (fingerprint, sealed_by)
);
comment on table trunkline.secret_keys is 'Secret keys from a rotation on, until no row names the old one. The key in use is the one that settings names by its fingerprint.';
comment on column trunkline.secret_keys.sealed is 'The key of that fingerprint, sealed with the key sealed_by.';
comment on column trunkline.secret_keys.retired_at is 'When another key took its place; NULL: this row leads whoever has an older key to a newer one.';

-- +goose Down
drop table trunkline.secret_keys;
