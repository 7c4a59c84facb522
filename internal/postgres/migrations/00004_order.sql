-- +goose Up
create sequence trunkline.turns_seq;
alter table trunkline.jobs
    add column turn bigint not null default nextval('trunkline.turns_seq'),
    add column order_keys text[] not null default '{}',
    add column urgent boolean not null default false,
    add column admitted_at timestamptz,
    add column parked_at timestamptz,
    add column wake_at timestamptz,
    add column outcome json,
    add column left_hash bytea;
alter sequence trunkline.turns_seq owned by trunkline.jobs.turn;
comment on column trunkline.jobs.turn is 'The order in which jobs were accepted: taken in the accepting transaction, under a lock on the order keys.';
comment on column trunkline.jobs.order_keys is 'What it takes its turn at: jobs that share a key are carried out one after the other.';
comment on column trunkline.jobs.urgent is 'It goes before others of its domain that wait: a suspension, a deletion.';
comment on column trunkline.jobs.admitted_at is 'Since when it may run, and holds a slot of its queue; NULL: it waits here, and Redis knows nothing of it.';
comment on column trunkline.jobs.parked_at is 'Since when it runs without a worker, because it only waits for something outside.';
comment on column trunkline.jobs.wake_at is 'When a worker takes up a parked job again; of one that waits to see its outcome, until when it waits.';
comment on column trunkline.jobs.outcome is 'Of a job that only waits to see its outcome: the result it will have.';

comment on column trunkline.jobs.left_hash is 'A keyed hash of what it left behind: a repeated request gets its result only while that stands.';

create table trunkline.turns (
    key    text not null,
    turn   bigint not null,
    job_id uuid not null references trunkline.jobs on delete cascade,
    holds  boolean not null default true,
    primary key (key, turn)
);
comment on table trunkline.turns is 'The jobs that have not ended, in their order at each key.';
comment on column trunkline.turns.holds is 'Later jobs wait for it; false: it only waits to see its outcome.';
create index turns_job on trunkline.turns (job_id);

-- +goose StatementBegin
create function trunkline.take_turn() returns trigger language plpgsql as $$
begin
    delete from trunkline.turns where job_id = new.id;
    if new.finished_at is null then
        insert into trunkline.turns (key, turn, job_id, holds)
        select distinct key, new.turn, new.id, new.outcome is null from unnest(new.order_keys) as key;
    end if;
    return null;
end $$;
-- +goose StatementEnd
comment on function trunkline.take_turn() is 'Keeps turns as the job''s row says, in the transaction that writes it.';

create trigger take_turn after insert on trunkline.jobs
    for each row when (new.order_keys <> '{}') execute procedure trunkline.take_turn();
create trigger move_turn after update of turn, finished_at, outcome on trunkline.jobs
    for each row when (new.order_keys <> '{}' and (old.turn <> new.turn or old.finished_at is distinct from new.finished_at
        or (old.outcome is null) <> (new.outcome is null)))
    execute procedure trunkline.take_turn();

-- Jobs of the version before wait in the order of their creation.
update trunkline.jobs as j set turn = ordered.turn,
    order_keys = case when j.kind = 'provision' then array[lower(j.subject)] else '{}' end
from (select id, nextval('trunkline.turns_seq') as turn from (
    select id from trunkline.jobs where state in ('queued', 'running') order by created_at, id) as unfinished) as ordered
where j.id = ordered.id;

drop index trunkline.jobs_in_flight;
create index jobs_subject on trunkline.jobs (subject, turn);
create index jobs_waiting on trunkline.jobs (turn) where state = 'queued' and admitted_at is null;
create index jobs_parked on trunkline.jobs (parked_at) where state = 'running' and parked_at is not null;

create table trunkline.workers (
    id      uuid not null,
    queue   text not null,
    name    text not null,
    slots   integer not null,
    shared  boolean not null,
    seen_at timestamptz not null default now(),
    primary key (id, queue)
);
comment on table trunkline.workers is 'What the workers that are alive serve: over all of them, a queue has so many slots.';
comment on column trunkline.workers.shared is 'The PBX has several domains, so that none may hold the last slot.';

create table trunkline.gateway_answers (
    gateway_uuid uuid not null,
    switch       text not null,
    code         integer not null,
    phrase       text not null,
    since        timestamptz not null,
    primary key (gateway_uuid, switch)
);
comment on column trunkline.gateway_answers.code is 'Of SIP; 0: none since the gateway was loaded.';
comment on table trunkline.gateway_answers is 'What the carrier of each gateway answered last, and since when it answers so, as the switches'' events told.';

-- +goose Down
drop table trunkline.gateway_answers;
drop table trunkline.workers;
drop trigger move_turn on trunkline.jobs;
drop trigger take_turn on trunkline.jobs;
drop function trunkline.take_turn();
drop table trunkline.turns;
drop index trunkline.jobs_subject;
alter table trunkline.jobs drop column left_hash, drop column turn, drop column order_keys, drop column urgent, drop column admitted_at, drop column parked_at,
    drop column wake_at, drop column outcome;
create unique index jobs_in_flight on trunkline.jobs (created_by, kind, subject, body_hash)
    where request_key is null and state in ('queued', 'running');
