-- +goose Up
alter table trunkline.gateway_states add column status_since timestamptz not null default now();
comment on column trunkline.gateway_states.since is 'Of the state and the status together.';
comment on column trunkline.gateway_states.status_since is 'Of the status: a gateway that is down goes through many states.';
alter table trunkline.gateway_told drop column state;
comment on table trunkline.gateway_told is 'Whether each gateway was up or down on each switch when that was told last; it outlives gateway_states, from which a gateway is gone while it is loaded again.';

-- +goose Down
alter table trunkline.gateway_told add column state text not null default '';
alter table trunkline.gateway_states drop column status_since;
