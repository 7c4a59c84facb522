package web

import (
	"net/http"
	"slices"
	"sync"

	"trunkline/internal/access"
)

// maxWarned bounds of how many peers the log is warned that they may be proxies: callers make it up too.
const maxWarned = 16

// proxies has the log warned once of each peer that may be a proxy which the settings do not name.
type proxies struct {
	mu     sync.Mutex
	warned []string
}

func (f *Front) warnOfProxy(req *http.Request) {
	peer, untrusted := f.locator.Untrusted(req.RemoteAddr, req.Header)
	if !untrusted {
		return
	}
	p := &f.proxies
	network := access.Network(peer)
	p.mu.Lock()
	first := !slices.Contains(p.warned, network) && len(p.warned) < maxWarned
	if first {
		p.warned = append(p.warned, network)
	}
	p.mu.Unlock()
	if first {
		f.Log.Warn("a caller sends X-Forwarded-For and is no proxy of TRUNKLINE_TRUSTED_PROXIES, so all that it sends counts as its own; "+
			"if it is your proxy, name it there", "address", peer.String())
	}
}
