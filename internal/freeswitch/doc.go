// Package freeswitch is a running FreeSWITCH as a Go type: it asks and
// commands one switch over its event socket, and nothing else. It knows
// nothing of jobs, of HTTP or of FusionPBX's tables.
//
//	sw := freeswitch.New("127.0.0.1:8021", password, freeswitch.Options{})
//	defer sw.Close()
//	if err := sw.Rescan(ctx, "external"); err != nil { ... }
//	gateway, err := sw.Gateway(ctx, uuid)
//
// # Time
//
// Every command ends: at the deadline of its context or after
// Options.CommandTimeout, whichever is earlier. Nothing that the peer sends, and
// no silence, can hold a caller longer, end the process or leave a goroutine.
//
// # Connections
//
// A Switch connects when it is first needed and keeps up to Options.MaxConns
// connections, each with one command at a time. A connection whose command
// failed, timed out or was given up is thrown away, so that a late reply can
// never be taken for another command's. One that was closed while it was idle is
// replaced once: every command of this package may be sent twice.
//
// After a failed dial there is a pause before the next one. Callers that come
// within it get the last dial's error at once.
//
// # Errors
//
// Each says which switch it was, what is wrong and what helps. FreeSWITCH may
// have carried out a call that ended in one.
//
// # The relay
//
// The commands are sent with go-eventsocket, which trusts its peer: odd bytes
// make it panic or call log.Fatal in a goroutine of its own, and it hangs on
// silence. It therefore never speaks to FreeSWITCH. This package dials and
// logs in itself, and the library dials a relay in this process, on loopback,
// which hands it whole, bounded replies of one known kind. See relay.go.
//
// Facts about FreeSWITCH's answers were recorded from FreeSWITCH 1.10.12; the
// recordings that the tests replay are in testdata/esl-transcripts.
package freeswitch
