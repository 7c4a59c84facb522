-- +goose Up
-- The hash is of other columns now: it no longer holds what a switch never gets. A gateway whose hash is not
-- known is left alone until one of its settings is asked for.
delete from trunkline.loaded_gateways;

-- +goose Down
delete from trunkline.loaded_gateways;
