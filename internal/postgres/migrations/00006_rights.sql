-- +goose Up
alter table trunkline.tokens add column parent uuid references trunkline.tokens, add column owner text;
comment on column trunkline.tokens.parent is 'The token that made it or has rotated it, and so knows its secret; NULL: a user or the command line.';
comment on column trunkline.tokens.owner is 'Whose it is, its children too: user@domain, or cli. Names are unique per owner.';
create index tokens_parent on trunkline.tokens (parent) where parent is not null;

-- Names were unique, so that the creator's tells which token it was at that time.
update trunkline.tokens as child set parent = (
    select id from trunkline.tokens as t
    where child.created_by = 'token:' || t.name and t.id <> child.id and t.created_at <= child.created_at
    and (t.revoked_at is null or t.revoked_at >= child.created_at)
    order by t.created_at desc limit 1);
-- What a token made ends no later than it does.
with recursive line as (
    select id, case when created_by like 'cli:%' then 'cli' else created_by end as owner, expires_at
    from trunkline.tokens where parent is null
    union all
    select child.id, line.owner, least(child.expires_at, line.expires_at)
    from trunkline.tokens as child join line on child.parent = line.id)
update trunkline.tokens as t set owner = line.owner, expires_at = line.expires_at from line where line.id = t.id;
update trunkline.tokens set owner = created_by where owner is null;
alter table trunkline.tokens alter column owner set not null;

drop index trunkline.tokens_name;
create unique index tokens_name on trunkline.tokens (owner, lower(name)) where revoked_at is null;

-- +goose Down
drop index trunkline.tokens_name;
update trunkline.tokens as t set name = left(name, 27) || ' ' || id
where revoked_at is null and exists (
    select from trunkline.tokens as older where older.id < t.id and older.revoked_at is null and lower(older.name) = lower(t.name));
create unique index tokens_name on trunkline.tokens (lower(name)) where revoked_at is null;
alter table trunkline.tokens drop column parent, drop column owner;
