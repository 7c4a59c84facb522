package gateway

import (
	"context"

	"trunkline/internal/fault"
)

// seeGone waits until what was killed for good has left the switch, and ends it. The switch is not held meanwhile:
// others kill and load.
func (b *batch) seeGone(ctx context.Context, leaving []*step) {
	uuids := each(leaving, (*step).name)
	waiting, cancel := context.WithTimeout(ctx, b.limits.killPhaseTime(len(leaving)))
	defer cancel()
	left, err := b.sw.WaitGone(waiting, uuids)
	stays := map[string]bool{}
	for _, uuid := range left {
		stays[uuid] = true
	}
	sight := look(ctx, b.sw, b.log, uuids, func(string) {})
	for _, s := range leaving {
		shown, failed := sight.of(s.uuid, s.profile())
		switch {
		case stays[s.uuid]:
			s.err = b.sw.Fault(err)
		case failed != nil:
			s.err = failed
		case shown != nil:
			s.seen = shown
			s.err = b.stillLoaded(s.uuid)
		}
		b.end(s.want, nil)
	}
}

func (b *batch) stillLoaded(uuid string) error {
	return fault.Errorf(fault.ServerError, "switch %s still has gateway %s loaded after killgw; look at it there", b.sw.Addr(), uuid)
}
