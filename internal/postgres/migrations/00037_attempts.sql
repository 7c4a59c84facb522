-- +goose Up
-- Columns without a default, and a table of its own: no row of jobs is rewritten.
alter table trunkline.jobs add column request_id text, add column attempt_at timestamptz;
comment on column trunkline.jobs.request_id is 'The X-Request-Id of the request that asked for it; NULL: no request did.';
comment on column trunkline.jobs.attempt_at is 'When its last attempt began.';

create table trunkline.attempts (
    job_id     uuid not null references trunkline.jobs on delete cascade,
    number     integer not null,
    worker     text not null,
    started_at timestamptz not null,
    ended_at   timestamptz not null,
    outcome    text not null,
    error_code text,
    message    text,
    primary key (job_id, number)
);
comment on table trunkline.attempts is 'The newest attempts at each job that are over; the one that runs is in the job''s row.';
comment on column trunkline.attempts.worker is 'host:pid';
comment on column trunkline.attempts.outcome is 'The state in which the job ended by it; or lost: the worker went away; handed_back: it was stopped; waits: the job waits for what the message says.';

-- +goose StatementBegin
create function trunkline.keep_attempt() returns trigger language plpgsql as $$
begin
    insert into trunkline.attempts (job_id, number, worker, started_at, ended_at, outcome, error_code, message)
    values (old.id, old.attempt, coalesce(old.worker, ''), coalesce(old.attempt_at, old.started_at, now()), now(),
        case when new.state = 'running' then 'waits'
            when new.state <> 'queued' then new.state
            when new.lost_workers > old.lost_workers then 'lost' else 'handed_back' end,
        new.error_code, coalesce(new.error_message, case when new.state = 'running' then new.progress->>'note' end))
    on conflict do nothing;
    if old.attempt > 50 then -- of one that is tried again for days the last fifty are kept
        delete from trunkline.attempts where job_id = old.id and number <= old.attempt - 50;
    end if;
    return null;
end $$;
-- +goose StatementEnd
comment on function trunkline.keep_attempt() is 'Keeps what became of an attempt, in the transaction that ends it.';

create trigger keep_attempt after update of state, parked_at on trunkline.jobs
    for each row when (old.state = 'running' and old.parked_at is null and (new.state <> 'running' or new.parked_at is not null))
    execute procedure trunkline.keep_attempt();

-- +goose Down
drop trigger keep_attempt on trunkline.jobs;
drop function trunkline.keep_attempt();
drop table trunkline.attempts;
alter table trunkline.jobs drop column request_id, drop column attempt_at;
