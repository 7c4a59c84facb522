-- +goose Up
alter table trunkline.left_loaded
    add column loaded    boolean not null default true,
    add column providers boolean not null default false;
comment on column trunkline.left_loaded.loaded is 'The switch may have the gateway loaded; false: it is the list alone.';
comment on column trunkline.left_loaded.providers is 'The switch may go by the access list providers as it was before that was put back with the row.';

-- +goose Down
delete from trunkline.left_loaded where not loaded;
alter table trunkline.left_loaded drop column loaded, drop column providers;
