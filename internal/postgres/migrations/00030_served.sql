-- +goose Up
create unlogged table trunkline.served (
	queue text not null,
	domain text not null,
	served_at timestamptz not null,
	primary key (queue, domain)
);
comment on table trunkline.served is 'When a domain last got a slot of a queue whose jobs others can draw out: whose last one is longest ago goes first. After a crash of the server it is empty, and all are equal.';
comment on column trunkline.served.domain is 'The domain''s uuid, or empty: none.';

-- +goose Down
drop table trunkline.served;
