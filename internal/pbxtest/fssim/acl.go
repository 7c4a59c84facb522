package fssim

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// aclKey is the key that every FusionPBX keeps acl.conf under, on every host.
const aclKey = "configuration:acl.conf"

// reloadAccessLists is reloadacl: the lists are those of the cached acl.conf, or if there is none, as FusionPBX's handler
// reads them then. One that cannot be read leaves them as they were, and the answer is the same.
func (s *Switch) reloadAccessLists() string {
	c := &s.config
	c.fetch.Lock()
	defer c.fetch.Unlock()
	c.mu.Lock()
	lists := c.acl
	c.mu.Unlock()
	if lists == nil && s.opts.AccessLists != nil {
		ctx, cancel := context.WithTimeout(s.ctx, configTime)
		defer cancel()
		lists, _ = s.opts.AccessLists(ctx) // the handler says nothing either
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if lists != nil {
		c.acl, c.lists = lists, lists
	}
	return "+OK acl reloaded\n"
}

// Allowed are the networks that an access list allows, as the switch goes by it.
func (s *Switch) Allowed(list string) []string {
	s.config.mu.Lock()
	defer s.config.mu.Unlock()
	return slices.Clone(s.config.lists[list])
}

// AccessListsFromDatabase reads the access lists as FusionPBX's handler does, with a connection of its own each time.
func AccessListsFromDatabase(url string) func(ctx context.Context) (map[string][]string, error) {
	return func(ctx context.Context) (map[string][]string, error) {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return nil, fmt.Errorf("connecting to read acl.conf: %w", err)
		}
		defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
		rows, err := conn.Query(ctx, `
			select access_control_name, node_cidr from v_access_controls join v_access_control_nodes using (access_control_uuid)
			where node_type = 'allow' order by 1, 2`)
		if err != nil {
			return nil, fmt.Errorf("reading the access lists: %w", err)
		}
		lists := map[string][]string{}
		var name, cidr string
		_, err = pgx.ForEachRow(rows, []any{&name, &cidr}, func() error {
			lists[name] = append(lists[name], cidr)
			return nil
		})
		return lists, err
	}
}
