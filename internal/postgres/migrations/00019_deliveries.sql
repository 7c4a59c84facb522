-- +goose Up
create table trunkline.destinations (
    id              uuid primary key,
    domain_uuid     uuid,
    name            text not null,
    kind            text not null,
    settings        json not null,
    sealed          bytea,
    enabled         boolean not null default true,
    created_by_name text not null,
    created_at      timestamptz not null default now(),
    changed_at      timestamptz not null default now()
);
comment on table trunkline.destinations is 'Where files are brought.';
comment on column trunkline.destinations.domain_uuid is 'Whose it is; NULL: of all domains.';
comment on column trunkline.destinations.settings is 'How it is reached, as its kind reads it; nothing secret.';
comment on column trunkline.destinations.sealed is 'Its credentials, AES-GCM, sealed for destination/id; NULL: it needs none.';
create unique index destinations_name on trunkline.destinations (coalesce(domain_uuid::text, ''), lower(name));

create table trunkline.deliveries (
    id               uuid primary key,
    domain_uuid      uuid,
    job_id           uuid not null references trunkline.jobs on delete cascade,
    destination_id   uuid,
    destination_name text not null,
    export_job_id    uuid,
    event            text not null,
    name             text not null,
    payload          json,
    state            text not null default 'pending' check (state in ('pending', 'delivered', 'failed')),
    receipt          json,
    error_code       text,
    error_message    text,
    created_at       timestamptz not null default now(),
    finished_at      timestamptz
);
comment on table trunkline.deliveries is 'What is brought or told to whom, each by a job of its own. A trigger on jobs keeps the state.';
comment on column trunkline.deliveries.job_id is 'The job that delivers it, the last one if it was sent again; the delivery is forgotten with it.';
comment on column trunkline.deliveries.destination_id is 'Without a foreign key, for what was delivered stays when its destination is deleted. NULL: the payload says where.';
comment on column trunkline.deliveries.destination_name is 'What the destination was called when this was ordered, or the host that is told.';
comment on column trunkline.deliveries.export_job_id is 'The export whose file it is; NULL: it is no file.';
comment on column trunkline.deliveries.event is 'file, or what the message is about.';
comment on column trunkline.deliveries.name is 'What the file is called at the destination.';
comment on column trunkline.deliveries.payload is 'Of a message; NULL: it is a file.';
create unique index deliveries_job on trunkline.deliveries (job_id);
create index deliveries_export on trunkline.deliveries (export_job_id) where export_job_id is not null;
create index deliveries_domain on trunkline.deliveries (domain_uuid, id);
create index deliveries_destination on trunkline.deliveries (destination_id, id) where destination_id is not null;

create table trunkline.delivery_attempts (
    delivery_id   uuid not null references trunkline.deliveries on delete cascade,
    number        integer not null,
    at            timestamptz not null default now(),
    took          interval,
    status        integer,
    error_code    text,
    error_message text,
    primary key (delivery_id, number)
);
comment on column trunkline.delivery_attempts.took is 'How long it lasted; NULL: it goes on, or its worker was lost.';
comment on column trunkline.delivery_attempts.status is 'The HTTP status of the answer, where there is one.';

-- +goose StatementBegin
create function trunkline.move_delivery() returns trigger language plpgsql as $$
begin
    update trunkline.deliveries set
        state = case new.state when 'succeeded' then 'delivered' when 'failed' then 'failed' when 'cancelled' then 'failed' else 'pending' end,
        receipt = case new.state when 'succeeded' then new.result end,
        error_code = new.error_code, error_message = new.error_message, finished_at = new.finished_at
    where job_id = new.id;
    return null;
end $$;
-- +goose StatementEnd
comment on function trunkline.move_delivery() is 'Keeps a delivery as its job stands, in the transaction that writes that.';
create trigger move_delivery after update of state on trunkline.jobs
    for each row when (new.kind = 'deliver' and old.state is distinct from new.state) execute procedure trunkline.move_delivery();

-- +goose Down
delete from trunkline.jobs where kind = 'deliver';
drop trigger move_delivery on trunkline.jobs;
drop function trunkline.move_delivery();
drop table trunkline.delivery_attempts;
drop table trunkline.deliveries;
drop table trunkline.destinations;
