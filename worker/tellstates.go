package worker

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/delivery"
	"trunkline/internal/gateway"
)

// turnsAtOnce is of how many gateways messages are made in one transaction.
const turnsAtOnce = 500

// gatewayTurned is what is told of a gateway that has gone up or down.
type gatewayTurned struct {
	GatewayUUID string    `json:"gateway_uuid"`
	Name        string    `json:"gateway_name"`
	DomainUUID  string    `json:"domain_uuid,omitempty"` // absent: it is global
	Domain      string    `json:"tenant_domain,omitempty"`
	Switch      string    `json:"switch"`
	State       string    `json:"state"`  // FreeSWITCH's word for the registration
	Status      string    `json:"status"` // UP or DOWN
	Since       time.Time `json:"since"`
	Before      string    `json:"status_before"`
}

// keepTelling tells of gateways that go up or down until ctx is done. changed says that one has.
func (w *Worker) keepTelling(ctx context.Context, changed <-chan struct{}) {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for settled, failing := false, false; ; {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			settled = false
			continue // what changes often is told of no more often than that
		case <-tick.C:
		}
		if settled {
			continue
		}
		var err error
		if settled, err = w.tellStates(ctx); err != nil && !failing && ctx.Err() == nil {
			w.o.Log.Warn("nobody is told of gateways that go up or down until this passes", "error", err)
		}
		failing = err != nil
	}
}

// tellStates tells those who are subscribed to it of gateways that have gone up or down and stayed so for as long as the
// settings say. settled: none stands otherwise than was told, so that there is nothing to tell until one changes.
func (w *Worker) tellStates(ctx context.Context) (settled bool, err error) {
	since := time.Now().Add(-w.o.Settings.GatewayStateHold)
	told := 0
	for more := true; more && err == nil; {
		err = pgx.BeginFunc(ctx, w.o.PBX.Pool, func(tx pgx.Tx) error {
			turns, err := gateway.TakeTurns(ctx, tx, since, turnsAtOnce)
			more = len(turns) == turnsAtOnce
			if err != nil {
				return err
			}
			n, err := w.tellTurns(ctx, tx, turns)
			told += n
			return err
		})
	}
	if told > 0 {
		w.outbox.Admit(ctx)
	}
	if err != nil {
		return false, err
	}
	unsettled, err := gateway.Unsettled(ctx, w.o.PBX.Pool)
	return !unsettled, err
}

func (w *Worker) tellTurns(ctx context.Context, tx pgx.Tx, turns []gateway.Turn) (told int, err error) {
	var uuids []string
	for _, t := range turns {
		if t.Before != "" {
			uuids = append(uuids, t.GatewayUUID)
		}
	}
	if len(uuids) == 0 {
		return 0, nil
	}
	if somebody, err := w.outbox.IsSubscribed(ctx, tx, delivery.EventGatewayState); err != nil || !somebody {
		return 0, err
	}
	rows, err := w.o.PBX.FusionPBX.GatewaysByUUIDs(ctx, uuids)
	if err != nil {
		return 0, err
	}
	var domains []string
	for _, row := range rows {
		if row.DomainUUID != "" {
			domains = append(domains, row.DomainUUID)
		}
	}
	names, err := w.o.PBX.FusionPBX.DomainNames(ctx, domains)
	if err != nil {
		return 0, err
	}
	for _, t := range turns {
		row, there := rows[t.GatewayUUID]
		if t.Before == "" || !there {
			continue // of one that was deleted nobody can be told whose it was
		}
		n, err := w.outbox.Announce(ctx, tx, row.DomainUUID, delivery.EventGatewayState, t.Since, gatewayTurned{
			GatewayUUID: t.GatewayUUID, Name: row.Label(), DomainUUID: row.DomainUUID, Domain: names[row.DomainUUID],
			Switch: t.Switch, State: t.State, Status: t.Status, Since: t.Since.UTC(), Before: t.Before,
		})
		if err != nil {
			return told, err
		}
		told += n
	}
	return told, nil
}
