-- +goose Up
create index jobs_by_state on trunkline.jobs (state, kind, id);
create index jobs_by_kind on trunkline.jobs (kind, id);
create index jobs_by_who on trunkline.jobs (created_by_name, id);
create index jobs_by_external_id on trunkline.jobs (external_id, id) where external_id is not null;
create index jobs_by_domain_state on trunkline.jobs (domain_uuid, state, id);
create index jobs_of_several_domains on trunkline.jobs (id) where domain_uuid is null and domains <> '{}';

-- +goose Down
drop index trunkline.jobs_of_several_domains;
drop index trunkline.jobs_by_domain_state;
drop index trunkline.jobs_by_external_id;
drop index trunkline.jobs_by_who;
drop index trunkline.jobs_by_kind;
drop index trunkline.jobs_by_state;
