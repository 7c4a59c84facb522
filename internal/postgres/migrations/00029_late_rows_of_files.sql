-- +goose Up
alter table trunkline.window_files add column late_rows bigint;
comment on column trunkline.window_files.late_rows is 'How many of its rows came after their own window was exported. NULL: it is not there.';
update trunkline.window_files as f set late_rows = coalesce((j.result ->> 'late_rows')::bigint, 0)
from trunkline.jobs as j where j.id = f.job_id and f.state = 'succeeded';

-- +goose Down
alter table trunkline.window_files drop column late_rows;
