-- +goose Up
create index turns_awaited on trunkline.turns (key, turn) where not holds;
comment on index trunkline.turns_awaited is 'The few jobs that only wait to see their outcome, which a later one of the same thing ends.';

-- +goose Down
drop index trunkline.turns_awaited;
