-- +goose Up
create table trunkline.gateway_cidrs (
    gateway_uuid uuid not null,
    cidr         text not null,
    primary key (gateway_uuid, cidr)
);
comment on table trunkline.gateway_cidrs is 'From where the carrier of each gateway calls: what FusionPBX''s access list providers is to allow while the gateway is enabled.';

create table trunkline.provider_nodes (
    node_uuid uuid primary key,
    cidr      text not null
);
comment on table trunkline.provider_nodes is 'The nodes of that list that Trunkline added. It takes away no others.';

-- +goose Down
drop table trunkline.provider_nodes;
drop table trunkline.gateway_cidrs;
