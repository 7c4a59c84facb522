-- +goose Up
create table trunkline.gateway_states (
    gateway_uuid uuid not null,
    switch       text not null,
    state        text not null,
    status       text not null,
    since        timestamptz not null,
    primary key (gateway_uuid, switch)
);
comment on table trunkline.gateway_states is 'How each switch showed each gateway that it has loaded when it was last looked at or told an event, and since when.';
comment on column trunkline.gateway_states.state is 'FreeSWITCH''s word for the registration.';
comment on column trunkline.gateway_states.status is 'UP or DOWN.';
-- An external_id is looked for in all domains that a caller sees.
create index external_ids_any_domain on trunkline.external_ids (lower(external_id));

-- +goose Down
drop index trunkline.external_ids_any_domain;
drop table trunkline.gateway_states;
