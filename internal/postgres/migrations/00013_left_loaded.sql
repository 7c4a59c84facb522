-- +goose Up
create table trunkline.left_loaded (
    gateway_uuid uuid not null,
    switch       text not null,
    domain_uuid  uuid,
    since        timestamptz not null default now(),
    tried_at     timestamptz,
    job_id       uuid,
    primary key (gateway_uuid, switch)
);
comment on table trunkline.left_loaded is 'Gateways whose rows were put back while a switch may have had them loaded with what was taken back: it has not been seen to be right since.';
comment on column trunkline.left_loaded.domain_uuid is 'The gateway''s domain; NULL: it is global.';
comment on column trunkline.left_loaded.tried_at is 'When a job was last made that reconciles it; NULL: none was.';
comment on column trunkline.left_loaded.job_id is 'That job.';

-- +goose Down
drop table trunkline.left_loaded;
