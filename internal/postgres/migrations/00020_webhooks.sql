-- +goose Up
alter table trunkline.deliveries add column sealed bytea;
comment on column trunkline.deliveries.sealed is 'The URL that is told, where that is no destination, AES-GCM, sealed for delivery/id: a token may stand in it.';
comment on column trunkline.deliveries.destination_id is 'Without a foreign key, for what was delivered stays when its destination is deleted. NULL: sealed says where.';

create table trunkline.callbacks (
    job_id uuid primary key references trunkline.jobs on delete cascade,
    sealed bytea not null,
    due_at timestamptz
);
comment on table trunkline.callbacks is 'The callback_url of jobs, each of which is told when its job ends. A trigger on jobs sets due_at.';
comment on column trunkline.callbacks.sealed is 'The URL, AES-GCM, sealed for callback/job_id.';
comment on column trunkline.callbacks.due_at is 'When the job ended, until a delivery was made of that; a job that is retried ends again.';
create index callbacks_due on trunkline.callbacks (due_at) where due_at is not null;

-- +goose StatementBegin
create function trunkline.call_back() returns trigger language plpgsql as $$
begin
    update trunkline.callbacks set due_at = now() where job_id = new.id;
    return null;
end $$;
-- +goose StatementEnd
comment on function trunkline.call_back() is 'Has the end of a job told to its callback_url, in the transaction that writes that end.';
create trigger call_back after update of state on trunkline.jobs
    for each row when (new.kind in ('export', 'bulk') and old.state is distinct from new.state and new.state not in ('queued', 'running'))
    execute procedure trunkline.call_back();

create table trunkline.webhook_secrets (
    owner   text primary key,
    sealed  bytea not null,
    made_at timestamptz not null default now()
);
comment on table trunkline.webhook_secrets is 'What messages to a callback_url are signed with.';
comment on column trunkline.webhook_secrets.owner is 'The domain''s uuid; empty: of jobs that are of no one domain.';
comment on column trunkline.webhook_secrets.sealed is 'The secret and those before it that are still good, AES-GCM, sealed for webhook-secret/owner.';

create table trunkline.gateway_told (
    gateway_uuid uuid not null,
    switch       text not null,
    state        text not null,
    status       text not null,
    primary key (gateway_uuid, switch)
);
comment on table trunkline.gateway_told is 'How each gateway stood on each switch when that was told last; it outlives gateway_states, from which a gateway is gone while it is loaded again.';

-- +goose Down
drop table trunkline.gateway_told;
drop table trunkline.webhook_secrets;
drop trigger call_back on trunkline.jobs;
drop function trunkline.call_back();
drop table trunkline.callbacks;
delete from trunkline.jobs where id in (select job_id from trunkline.deliveries where sealed is not null);
alter table trunkline.deliveries drop column sealed;
