package gateway

import (
	"slices"
	"time"

	"trunkline/internal/fusionpbx"
)

// gatherTime is how long a round waits at most for those who are on their way already. A caller who is alone
// does not wait.
const gatherTime = 150 * time.Millisecond

// killsGather is how long a round waits for others before it changes what is loaded: that takes FreeSWITCH up to two
// seconds, which those who come meanwhile would wait for, and then for their own.
const killsGather = 100 * time.Millisecond

// gatherKills waits for others if somebody who waits changes what is loaded.
func (b *batch) gatherKills() {
	b.mu.Lock()
	kills := slices.ContainsFunc(b.waiting, func(g *group) bool { return slices.ContainsFunc(g.waiting, (*want).reloads) })
	b.mu.Unlock()
	if kills {
		time.Sleep(killsGather)
	}
}

// reloads reports whether the gateway is loaded already and has to be loaded with other settings.
func (w *want) reloads() bool {
	return w.previous != nil && w.row != nil && w.previous.Enabled() && w.row.Enabled() && !w.previous.Same(*w.row, fusionpbx.LoadedColumns...)
}

// unloads reports whether what is loaded of the gateway has to be killed.
func (w *want) unloads() bool {
	return w.reloads() || w.previous != nil && w.previous.Enabled() && (w.row == nil || !w.row.Enabled())
}

// expect says that a caller is on its way.
func (b *batch) expect() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.coming++
}

// came says that one has come, or has given up.
func (b *batch) came() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.coming--
	if b.coming == 0 && b.allCame != nil {
		close(b.allCame)
		b.allCame = nil
	}
}

// gather waits for those who are on their way.
func (b *batch) gather() {
	b.mu.Lock()
	if b.coming > 0 && b.allCame == nil {
		b.allCame = make(chan struct{})
	}
	allCame := b.allCame
	b.mu.Unlock()
	if allCame == nil {
		return
	}
	select {
	case <-allCame:
	case <-time.After(gatherTime):
	}
}
