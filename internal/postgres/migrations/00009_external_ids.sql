-- +goose Up
create table trunkline.external_ids (
    domain_uuid  uuid,
    external_id  text not null,
    gateway_uuid uuid not null
);
comment on table trunkline.external_ids is 'By which names callers know gateways. A row whose gateway is gone says nothing.';
comment on column trunkline.external_ids.domain_uuid is 'The gateway''s domain; NULL: it is global.';
create unique index external_ids_name on trunkline.external_ids (coalesce(domain_uuid, '00000000-0000-0000-0000-000000000000'), lower(external_id));
create index external_ids_gateway on trunkline.external_ids (gateway_uuid);

-- Before, an external_id named a request; the last request that had one says which gateway it names.
insert into trunkline.external_ids (domain_uuid, external_id, gateway_uuid)
select distinct on (domain_uuid, lower(external_id)) domain_uuid, external_id, (result->>'gateway_uuid')::uuid
from trunkline.jobs
where kind = 'provision' and state = 'succeeded' and external_id is not null and nullif(result->>'gateway_uuid', '') is not null
order by domain_uuid, lower(external_id), finished_at desc;
update trunkline.jobs set request_key = null where request_key like 'e:%';
comment on column trunkline.jobs.request_key is 'The Idempotency-Key (k:...) that a repeated request attaches by.';

-- +goose Down
drop table trunkline.external_ids;
