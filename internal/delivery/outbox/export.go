package outbox

import (
	"trunkline/internal/cdr"
	"trunkline/internal/delivery"
)

// ExportParams are the parameters of an export's job: what its file holds, and where that is brought.
type ExportParams struct {
	cdr.Request
	Deliver []delivery.Order `json:"deliver,omitempty"`
	// WindowID is the window of a schedule that it exports; "": it is nobody's schedule's.
	WindowID string `json:"window,omitempty"`
}
