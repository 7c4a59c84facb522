package gateway

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/pbx"
	"trunkline/internal/postgres"
	"trunkline/internal/sealing"
)

// rehashBatch is how many loaded gateways are hashed again at a time.
const rehashBatch = 500

// Rehash hashes again, with the secret key in use, what the switches have loaded, after a rotation: else a
// gateway that nobody changes would keep the old key in use for ever.
func Rehash(ctx context.Context, p *pbx.PBX, keys *sealing.Keys) error {
	type loaded struct {
		UUID, Switch string
		Settings     []byte
	}
	for {
		old, err := postgres.Rows(ctx, p.Pool, "reading what is hashed with an old key", pgx.RowToStructByPos[loaded], `
			select gateway_uuid::text, switch, settings from trunkline.loaded_gateways
			where substring(settings for length($1::bytea)) <> $1 limit $2`, keys.Name(), rehashBatch)
		if err != nil || len(old) == 0 {
			return err
		}
		rows, err := p.FusionPBX.GatewaysByUUIDs(ctx, each(old, func(l loaded) string { return l.UUID }))
		if err != nil {
			return err
		}
		var batch pgx.Batch
		for _, l := range old {
			settings := []string{"what no row holds"}
			if row, there := rows[l.UUID]; there && keys.SameBody(l.Settings, settingsOf(row)...) {
				settings = settingsOf(row)
			}
			batch.Queue(`update trunkline.loaded_gateways set settings = $4 where gateway_uuid = $1 and switch = $2 and settings = $3`,
				l.UUID, l.Switch, l.Settings, keys.BodyHash(settings...))
		}
		if err := p.Pool.SendBatch(ctx, &batch).Close(); err != nil {
			return fmt.Errorf("hashing again what switches have loaded: %w", err)
		}
	}
}
