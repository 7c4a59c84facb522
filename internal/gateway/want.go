package gateway

import (
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway/file"
)

// want is what one switch is to have of one gateway.
type want struct {
	uuid     string
	previous *fusionpbx.Gateway // the row that the switch may have loaded; nil: none
	row      *fusionpbx.Gateway // the row that has to stand now; nil: none
	// asked: settings that a switch loads were named, so that the switch must have these and no others, also those that it does
	// not show.
	asked bool
	// asItStands takes up whatever row stands, since somebody else changed it.
	asItStands bool
	// reconcile takes up whatever row stands, and loads anew what is not known to be that; nil: row has to stand.
	reconcile  *reconciling
	folder     *file.Folder // where gateways are kept as files; nil: in the database
	filesStand bool         // the gateway's files are right already

	taken
	group *group
	turn  turn
}

// mode is how the switch gets the gateway.
func (w *want) mode() fusionpbx.GatewayMode { return modeOf(w.folder) }

func modeOf(folder *file.Folder) fusionpbx.GatewayMode {
	if folder != nil {
		return fusionpbx.ModeFile
	}
	return fusionpbx.ModeDatabase
}

// taken is what one switch says of a gateway that it was to take up.
type taken struct {
	meant   bool     // the row is for this switch (its hostname)
	touched bool     // something may have been changed on the switch on its behalf
	changed bool     // the switch had something else loaded than it was to have
	seen    *glimpse // as the switch showed it in the end; nil: not loaded
	err     error
}

// turn is how far a want has come.
type turn int

const (
	waits turn = iota
	inRound
	hasEnded
)

// group is what one caller wants of a switch.
type group struct {
	waiting   []*want
	left      int           // how many have not ended
	done      chan struct{} // closed when none is left
	abandoned bool          // the caller has gone
	ended     func(*want)   // is told of each that has ended
	note      func(string)
}
