package fusionpbx

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
)

// ProvidersList is the access list of the carriers that call without credentials.
const ProvidersList = "providers"

// AccessNode is one entry of an access list.
type AccessNode struct {
	UUID string
	CIDR string // as it was written, which may be an address or a host
}

// AccessList returns the uuid of the access list of that name, or ErrNotFound.
func (d *DB) AccessList(ctx context.Context, name string) (string, error) {
	return first(again(ctx, d, func() ([]string, error) {
		return postgres.Rows(ctx, d.q, "reading the access lists", pgx.RowTo[string],
			"select access_control_uuid::text from v_access_controls where access_control_name = $1 order by 1 limit 1", name)
	}))
}

// AllowedNodes returns what an access list allows.
func (d *DB) AllowedNodes(ctx context.Context, listUUID string) ([]AccessNode, error) {
	return again(ctx, d, func() ([]AccessNode, error) {
		return postgres.Rows(ctx, d.q, "reading an access list", pgx.RowToStructByPos[AccessNode], `
		select access_control_node_uuid::text, coalesce(node_cidr, '') from v_access_control_nodes
		where access_control_uuid = $1::uuid and node_type = 'allow' order by 2, 1`, listUUID)
	})
}

// AllowNode adds an entry that allows, made by that user ("" for none).
func (d *DB) AllowNode(ctx context.Context, listUUID string, node AccessNode, description, userUUID string) error {
	return d.run(ctx, "adding to an access list", `
		insert into v_access_control_nodes (access_control_node_uuid, access_control_uuid, node_type, node_cidr, node_description, insert_date, insert_user)
		values ($1::uuid, $2::uuid, 'allow', $3, $4, now(), nullif($5, '')::uuid)`, node.UUID, listUUID, node.CIDR, description, userUUID)
}

// DeleteNodes deletes entries; one that is not there is no error.
func (d *DB) DeleteNodes(ctx context.Context, uuids []string) error {
	return d.run(ctx, "taking away from an access list", "delete from v_access_control_nodes where access_control_node_uuid = any($1::uuid[])", uuids)
}

// run carries out one statement.
func (d *DB) run(ctx context.Context, doing, sql string, args ...any) error {
	var batch pgx.Batch
	batch.Queue(sql, args...)
	if err := d.q.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}
