-- +goose Up
alter table trunkline.jobs
    add column items integer not null default 0,
    add column domains text[] not null default '{}',
    add column after uuid[] not null default '{}';
comment on column trunkline.jobs.items is 'How many items it has; 0: it is not a job of many.';
comment on column trunkline.jobs.domains is 'The domains that its items are about; '''' is none.';
comment on column trunkline.jobs.after is 'Of a job of many: the earlier jobs that its items wait for. It stands for a look at thousands of turns.';

create table trunkline.items (
    job_id        uuid not null,
    number        integer not null,
    state         text not null default 'queued' check (state in ('queued', 'succeeded', 'failed', 'skipped')),
    refused       boolean not null default false,
    order_keys    text[] not null default '{}',
    params        json not null,
    sealed        bytea,
    outcome       text,
    result        json,
    left_hash     bytea,
    error_code    text,
    error_message text,
    primary key (job_id, number)
);
comment on table trunkline.items is 'What a job of many is to do, one row each. There is no foreign key: its check would cost more than the row, and a trigger deletes them with their job.';
comment on column trunkline.items.number is 'From 1, in the order in which they were given.';
comment on column trunkline.items.refused is 'It was at fault when the job was accepted; a retry leaves it as it is.';
comment on column trunkline.items.outcome is 'In a word what became of it, for counting; NULL: its state says so.';
comment on column trunkline.items.sealed is 'Its secrets and the previous row, AES-GCM, sealed for job_id/number; NULL once wiped.';

-- The turns of ten thousand items are written at once: the key would check each against its job.
alter table trunkline.turns drop constraint turns_job_id_fkey;
alter table trunkline.turns add column item integer not null default 0;
comment on column trunkline.turns.item is 'The number of the job''s item that it is for; 0: the job is not one of many.';
drop index trunkline.turns_job;
create index turns_job on trunkline.turns (job_id, item);

-- +goose StatementBegin
create or replace function trunkline.take_turn() returns trigger language plpgsql as $$
begin
    delete from trunkline.turns where job_id = new.id;
    if new.finished_at is null then
        insert into trunkline.turns (key, turn, job_id, holds)
        select distinct key, new.turn, new.id, new.outcome is null from unnest(new.order_keys) as key;
        if new.items > 0 then
            insert into trunkline.turns (key, turn, job_id, item)
            select distinct on (key) key, new.turn, new.id, number
            from trunkline.items, unnest(items.order_keys) as key where job_id = new.id and state = 'queued'
            order by key, number;
        end if;
    end if;
    return null;
end $$;

create function trunkline.move_items() returns trigger language plpgsql as $$
begin
    if new.finished_at is null then
        update trunkline.items set state = 'queued', outcome = null, result = null, error_code = null, error_message = null
        where job_id = new.id and state in ('failed', 'skipped') and not refused;
    else
        update trunkline.items set state = case when state = 'queued' then 'skipped' else state end,
            sealed = case when new.state in ('failed', 'partial') and state <> 'succeeded' then sealed end
        where job_id = new.id and (state = 'queued' or sealed is not null);
    end if;
    return null;
end $$;

create function trunkline.forget_items() returns trigger language plpgsql as $$
begin
    delete from trunkline.turns where job_id = old.id;
    delete from trunkline.items where job_id = old.id;
    return null;
end $$;
-- +goose StatementEnd
comment on function trunkline.move_items() is 'Keeps the items of a job of many as the job''s end or retry has them, in the transaction that writes it.';

drop trigger take_turn on trunkline.jobs;
drop trigger move_turn on trunkline.jobs;
create trigger take_turn after insert on trunkline.jobs
    for each row when (new.order_keys <> '{}' or new.items > 0) execute procedure trunkline.take_turn();
-- Triggers run in the order of their names: the items first, since the turns are theirs.
create trigger move_items after update of finished_at on trunkline.jobs
    for each row when (new.items > 0 and old.finished_at is distinct from new.finished_at) execute procedure trunkline.move_items();
create trigger move_turn after update of turn, finished_at, outcome on trunkline.jobs
    for each row when ((new.order_keys <> '{}' or new.items > 0) and (old.turn <> new.turn or old.finished_at is distinct from new.finished_at
        or (old.outcome is null) <> (new.outcome is null)))
    execute procedure trunkline.take_turn();
create trigger forget_items after delete on trunkline.jobs
    for each row when (old.items > 0 or old.finished_at is null) execute procedure trunkline.forget_items();

-- +goose Down
delete from trunkline.jobs where items > 0;
drop trigger forget_items on trunkline.jobs;
drop trigger move_items on trunkline.jobs;
drop trigger move_turn on trunkline.jobs;
drop trigger take_turn on trunkline.jobs;
drop function trunkline.forget_items();
drop function trunkline.move_items();
-- +goose StatementBegin
create or replace function trunkline.take_turn() returns trigger language plpgsql as $$
begin
    delete from trunkline.turns where job_id = new.id;
    if new.finished_at is null then
        insert into trunkline.turns (key, turn, job_id, holds)
        select distinct key, new.turn, new.id, new.outcome is null from unnest(new.order_keys) as key;
    end if;
    return null;
end $$;
-- +goose StatementEnd
create trigger take_turn after insert on trunkline.jobs
    for each row when (new.order_keys <> '{}') execute procedure trunkline.take_turn();
create trigger move_turn after update of turn, finished_at, outcome on trunkline.jobs
    for each row when (new.order_keys <> '{}' and (old.turn <> new.turn or old.finished_at is distinct from new.finished_at
        or (old.outcome is null) <> (new.outcome is null)))
    execute procedure trunkline.take_turn();
drop index trunkline.turns_job;
alter table trunkline.turns drop column item;
create index turns_job on trunkline.turns (job_id);
alter table trunkline.turns add constraint turns_job_id_fkey foreign key (job_id) references trunkline.jobs on delete cascade;
drop table trunkline.items;
alter table trunkline.jobs drop column items, drop column domains, drop column after;
