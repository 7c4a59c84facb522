-- +goose Up
create table trunkline.job_counts (
    kind        text not null,
    state       text not null,
    domain_uuid uuid,
    domains     text[] not null,
    jobs        bigint not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
comment on table trunkline.job_counts is 'How many jobs there are: the sum over the rows of a key. A change of a job adds rows and waits for nobody; the sweep makes one row a key of them.';
comment on column trunkline.job_counts.domains is 'Those of a job of many that is of no one domain; else none.';
comment on column trunkline.job_counts.jobs is 'So many more, or less.';

-- +goose StatementBegin
create function trunkline.count_job() returns trigger language plpgsql as $$
begin
    if tg_op <> 'INSERT' then
        insert into trunkline.job_counts (kind, state, domain_uuid, domains, jobs)
        values (old.kind, old.state, old.domain_uuid, case when old.domain_uuid is null then old.domains else '{}' end, -1);
    end if;
    if tg_op <> 'DELETE' then
        insert into trunkline.job_counts (kind, state, domain_uuid, domains, jobs)
        values (new.kind, new.state, new.domain_uuid, case when new.domain_uuid is null then new.domains else '{}' end, 1);
    end if;
    return null;
end $$;

create function trunkline.count_no_jobs() returns trigger language plpgsql as $$
begin
    lock table trunkline.job_counts in share row exclusive mode; -- while the sweep folds, its rows are not there to be deleted
    delete from trunkline.job_counts;
    return null;
end $$;

create function trunkline.recount_jobs() returns bigint language sql as $$
    -- One statement, and so one view of both: what transactions that have not ended change is in neither.
    with off as (
        insert into trunkline.job_counts (kind, state, domain_uuid, domains, jobs)
        select kind, state, domain_uuid, domains, sum(jobs) from (
            select kind, state, domain_uuid, case when domain_uuid is null then domains else '{}' end as domains, count(*) as jobs
            from trunkline.jobs group by 1, 2, 3, 4
            union all
            select kind, state, domain_uuid, domains, -sum(jobs) from trunkline.job_counts group by 1, 2, 3, 4) as both_ways
        group by 1, 2, 3, 4 having sum(jobs) <> 0
        returning jobs
    )
    select coalesce(sum(abs(jobs)), 0)::bigint from off
$$;
-- +goose StatementEnd
comment on function trunkline.count_job() is 'Counts a job in job_counts, in the transaction that makes, moves or deletes it.';
comment on function trunkline.recount_jobs() is 'Makes job_counts right, as after rows were loaded without triggers, and returns by how much it was off. One at a time.';

create trigger count_job after insert or delete on trunkline.jobs for each row execute procedure trunkline.count_job();
create trigger count_moved_job after update of state, kind, domain_uuid, domains on trunkline.jobs
    for each row when (old.state <> new.state or old.kind <> new.kind or old.domain_uuid is distinct from new.domain_uuid
        or old.domain_uuid is null and old.domains <> new.domains)
    execute procedure trunkline.count_job();
create trigger count_no_jobs after truncate on trunkline.jobs for each statement execute procedure trunkline.count_no_jobs();
-- Nobody changes a job until this is committed: a trigger is made under a lock that keeps them waiting.
select trunkline.recount_jobs();

-- +goose Down
drop trigger count_no_jobs on trunkline.jobs;
drop trigger count_moved_job on trunkline.jobs;
drop trigger count_job on trunkline.jobs;
drop function trunkline.recount_jobs();
drop function trunkline.count_no_jobs();
drop function trunkline.count_job();
drop table trunkline.job_counts;
