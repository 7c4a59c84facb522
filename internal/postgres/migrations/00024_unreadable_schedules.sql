-- +goose Up
alter table trunkline.schedules add column unreadable text, add column unreadable_at timestamptz;
comment on column trunkline.schedules.unreadable is 'Why a scheduler could not read it, as one of another build may not; NULL: it could.';
comment on column trunkline.schedules.unreadable_at is 'When that was: it is left alone for a while.';

-- +goose Down
alter table trunkline.schedules drop column unreadable, drop column unreadable_at;
