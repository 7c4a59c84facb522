// Package admin is what an operator decides: tokens, the whitelist, and the audit of who was denied and who
// changed what.
package admin

import (
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/api/web"
	"trunkline/internal/audit"
	"trunkline/internal/config"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/token"
	"trunkline/internal/whitelist"
)

// Service answers for tokens, the whitelist and the audit.
type Service struct {
	settings  config.Settings
	pool      *pgxpool.Pool
	db        *fusionpbx.DB
	tokens    *token.Store
	whitelist *whitelist.List
	file      whitelist.File
	audit     *audit.Log
}

// New returns the service. The pool is of Trunkline's own tables.
func New(front *web.Front, pool *pgxpool.Pool) *Service {
	return &Service{
		settings: front.Settings, pool: pool, db: front.DB, tokens: front.Tokens, whitelist: front.Whitelist,
		file: whitelist.File{Path: front.Settings.Whitelist}, audit: front.Audit,
	}
}

// Endpoints are those of tokens, the whitelist and the audit.
func (s *Service) Endpoints() []web.Endpoint {
	return slices.Concat(s.tokenEndpoints(), s.whitelistEndpoints(), s.auditEndpoints())
}
