-- +goose Up
alter table trunkline.jobs add column result_rows bigint not null default 0, add column result_bytes bigint not null default 0;
comment on column trunkline.jobs.result_rows is 'How much its result counts in job_totals: the rows of a file.';
comment on column trunkline.jobs.result_bytes is 'The same, in bytes.';

-- +goose StatementBegin
create function trunkline.count_ended_job() returns trigger language plpgsql as $$
begin
    insert into trunkline.job_totals as t (kind, state, reason, shard, jobs, rows, bytes, seconds)
    values (new.kind, new.state, coalesce(new.error_code, ''), pg_backend_pid() % 8, 1, new.result_rows, new.result_bytes,
        extract(epoch from new.finished_at - coalesce(new.started_at, new.finished_at)))
    on conflict (kind, state, reason, shard) do update set
        jobs = t.jobs + 1, rows = t.rows + excluded.rows, bytes = t.bytes + excluded.bytes, seconds = t.seconds + excluded.seconds;
    return null;
end $$;
-- +goose StatementEnd
comment on function trunkline.count_ended_job() is 'Counts the job in job_totals, in the transaction that ends it.';

create trigger count_ended after update of finished_at on trunkline.jobs
    for each row when (old.finished_at is null and new.finished_at is not null)
    execute procedure trunkline.count_ended_job();
create trigger count_ended_at_once after insert on trunkline.jobs
    for each row when (new.finished_at is not null)
    execute procedure trunkline.count_ended_job();
comment on table trunkline.job_totals is 'How many jobs have ever ended, and how: counted by a trigger of jobs, and kept when the rows are deleted.';

-- +goose Down
comment on table trunkline.job_totals is 'How many jobs have ever ended, and how: counted in the statement that ends a job, and kept when its row is deleted.';
drop trigger count_ended_at_once on trunkline.jobs;
drop trigger count_ended on trunkline.jobs;
drop function trunkline.count_ended_job();
alter table trunkline.jobs drop column result_bytes, drop column result_rows;
