-- +goose Up
create table trunkline.steps (
    job_id  uuid not null references trunkline.jobs on delete cascade,
    number  integer not null,
    content json not null,
    primary key (job_id, number)
);
comment on table trunkline.steps is 'What attempts at a job have done that a later attempt need not do again, in its order; none once the job has succeeded.';

-- +goose Down
drop table trunkline.steps;
