package console

import (
	"slices"

	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/token"
)

// page is one page of the console.
type page struct {
	path     string      // below /console; may have parameters, as /jobs/:id
	title    string      // also what the navigation calls it
	unlisted bool        // the navigation does not have it
	overall  bool        // for whoever is in charge of all domains alone: nobody else gets it, nor finds it in the navigation
	scope    token.Scope // needed to see it; "": none in particular
	also     token.Scope // needed besides
	template string      // templates/NAME.html
	live     bool        // its template "live" is kept up to date within an element data-live, by parts: elements with a data-part
	params   []web.Param
	atOnce   []web.AtOnce
	show     func(*Service, *web.Request) (any, error) // what the template gets as .Page
	actions  []action
}

// action is what a form of a page asks for. It answers with the path below /console that is shown next.
type action struct {
	path   string // below /console
	scope  token.Scope
	also   token.Scope // needed besides
	params []web.Param
	atOnce []web.AtOnce
	file   bool // its form has a file
	do     func(*Service, *web.Request) (next string, err error)
	// answer is in place of do: what is shown at once, of a template's file.
	answer func(*Service, *web.Request) (shown, error)
	// again is what the page gets to show an error with what was typed; without it the error has a page of its own.
	again func(*Service, *web.Request, *fault.Error) (any, error)
}

// shown is a page that answers a form.
type shown struct {
	status          int
	template, title string
	data            any
}

// pages are all pages, in the order of the navigation. A new one is a file like sessions.go, a template of that name and
// an entry here.
var pages = slices.Concat([]page{
	overviewPage,
	jobsPage,
	jobPage,
	jobItemsPage,
	queuesPage,
	gatewaysPage,
	gatewayPage,
	importPage,
	sentPage,
	driftPage,
	driftRepairPage,
	callsPage,
	callPage,
	exportsPage,
	exportFormPage,
	exportPage,
	deliveryPage,
	schedulesPage,
	schedulePage,
	newSchedulePage,
	editSchedulePage,
	windowPage,
	destinationsPage,
	destinationPage,
	destinationDeletionPage,
	newDestinationPage,
	destinationEditPage,
	whitelistPage,
	tokensPage,
	tokenPage,
	sessionsPage,
	auditPage,
	referencePage,
}, gatewayActionPages(), jobsChangePages(), gatewayFormPages(), schedulesSwitchPages(), scheduleActionPages())
