package freeswitch

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// What may stand in a command, which cannot quote spaces and line breaks.
var (
	profileName = regexp.MustCompile(`^[\w.\-]{1,64}$`)
	gatewayName = regexp.MustCompile(`^[\w.\-]{1,255}$`) // mod_sofia loads no gateway of another name
	hostName    = regexp.MustCompile(`^[\w.\-]{1,255}$`) // goes into a Lua string
	gatewayUUID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
)

// CheckProfile returns an *ArgumentError if that cannot be the name of a SIP
// profile, and nil otherwise. A folder of gateway files bears the name, so it is
// more than dots.
func CheckProfile(profile string) error {
	if !profileName.MatchString(profile) || strings.Trim(profile, ".") == "" {
		return &ArgumentError{Name: "the profile name", Reason: "must be 1 to 64 letters, digits, dots, hyphens or underscores, and more than dots"}
	}
	return nil
}

// CheckUUID returns an *ArgumentError unless uuid is a UUID in lower case, as
// FusionPBX's gateways are named: killgw takes _all_ for every gateway of every
// tenant, and names are case-sensitive.
func CheckUUID(uuid string) error {
	if !gatewayUUID.MatchString(uuid) {
		return &ArgumentError{Name: "the gateway", Reason: "must be a UUID in lower case"}
	}
	return nil
}

// Names are what a switch calls itself; the zero value is of one not asked.
type Names struct {
	Host   string // of its host; FusionPBX from 5.5 goes by this one
	Switch string // the host's too unless switch.conf has another; FusionPBX until 5.4 goes by this one
}

// Mean reports whether a gateway whose row has that hostname is meant for the
// switch: every gateway without one is.
func (n Names) Mean(hostname string) bool {
	return hostname == "" || hostname == n.Host || hostname == n.Switch
}

// Names asks for both names. They change with FreeSWITCH's configuration, so
// keep them no longer than one piece of work takes.
func (s *Switch) Names(ctx context.Context) (Names, error) {
	host, err := s.bareName(ctx, "hostname")
	if err != nil {
		return Names{}, err
	}
	name, err := s.bareName(ctx, "switchname")
	return Names{Host: host, Switch: name}, err
}

// bareName runs a command whose reply is a name and nothing else.
func (s *Switch) bareName(ctx context.Context, command string) (string, error) {
	reply, err := s.api(ctx, command, command)
	if err != nil {
		return "", err
	}
	name := strings.TrimSpace(reply)
	if !hostName.MatchString(name) {
		return "", &ReplyError{Addr: s.addr, Command: command, Reply: reply,
			Remedy: "the name must be letters, digits, dots, hyphens and underscores"}
	}
	return name, nil
}

// Status asks how long FreeSWITCH has been up and whether it takes calls.
func (s *Switch) Status(ctx context.Context) (Status, error) {
	return ask(ctx, s, "status", parseStatus)
}

// DeleteSofiaCache makes FusionPBX's Lua scripts forget the SIP configuration
// that they keep, so that the next rescan builds it from the database. One
// command deletes the keys of FusionPBX 5.5 and later (HOSTNAME first) and of
// 5.4 (SWITCHNAME last); a key that is not there does no harm.
func (s *Switch) DeleteSofiaCache(ctx context.Context) error {
	names, err := s.Names(ctx)
	if err != nil {
		return err
	}
	const asked = "the deletion of the cached sofia.conf"
	reply, err := s.api(ctx, asked, fmt.Sprintf(
		`lua ~local c=require "resources.functions.cache"; stream:write(tostring(c.del("%s:configuration:sofia.conf"))..","..tostring(c.del("configuration:sofia.conf:%s")))`,
		names.Host, names.Switch))
	if err != nil {
		return err
	}
	if lacksModule(reply) {
		return s.unexpected(asked, reply)
	}
	if reply != "true,true" {
		return &ReplyError{Addr: s.addr, Command: asked, Reply: reply, Scripts: true,
			Remedy: "check that mod_lua is loaded, that FusionPBX's scripts are installed and that FreeSWITCH may delete its cache files"}
	}
	return nil
}

// ReloadAccessLists makes FusionPBX's scripts forget the access lists that they keep, and FreeSWITCH read them again.
func (s *Switch) ReloadAccessLists(ctx context.Context) error {
	const asked = "the deletion of the cached acl.conf"
	reply, err := s.api(ctx, asked, `lua ~local c=require "resources.functions.cache"; stream:write(tostring(c.del("configuration:acl.conf")))`)
	switch {
	case err != nil:
		return err
	case lacksModule(reply):
		return s.unexpected(asked, reply)
	case reply != "true":
		return &ReplyError{Addr: s.addr, Command: asked, Reply: reply, Scripts: true,
			Remedy: "check that mod_lua is loaded, that FusionPBX's scripts are installed and that FreeSWITCH may delete its cache files"}
	}
	reply, err = s.api(ctx, "reloadacl", "reloadacl")
	if err == nil && strings.TrimSpace(reply) != "+OK acl reloaded" {
		return s.unexpected("reloadacl", reply)
	}
	return err
}

// ReloadXML makes FreeSWITCH read its configuration again; *ReloadError: it cannot.
func (s *Switch) ReloadXML(ctx context.Context) error {
	reply, err := s.api(ctx, "reloadxml", "reloadxml")
	if err != nil {
		return err
	}
	result, ok := strings.CutPrefix(strings.TrimSpace(reply), "+OK ")
	if !ok {
		return s.unexpected("reloadxml", reply)
	}
	return s.reloadResult("reloadxml", reply, result)
}

// Rescan makes a profile load the gateways that are new in its configuration.
// It neither changes nor removes one that is loaded, and nil does not mean that
// any one was accepted: look that up with Gateway. The error is a *ReloadError
// if the configuration could not be read, and a *ProfileError if the profile
// does not run or has no configuration.
func (s *Switch) Rescan(ctx context.Context, profile string) error {
	asked := "sofia profile " + profile + " rescan"
	reply, err := s.askProfile(ctx, profile, asked)
	if err != nil {
		return err
	}
	result, outcome, ok := splitRescan(reply)
	if !ok {
		return s.unexpected(asked, reply)
	}
	if err := s.reloadResult(asked, reply, result); err != nil {
		return err
	}
	switch {
	case outcome == "+OK scan complete":
		return nil
	case strings.HasPrefix(outcome, "-ERR cannot find config for profile"):
		return &ProfileError{Addr: s.addr, Profile: profile, Reason: ProfileNoConfig}
	}
	return s.unexpected(asked, reply)
}

// reloadResult judges the bracketed result of a reload, within reply.
func (s *Switch) reloadResult(asked, reply, result string) error {
	line, detail, ok := parseReload(result)
	switch {
	case !ok:
		return s.unexpected(asked, reply)
	case detail != "":
		return &ReloadError{Addr: s.addr, Line: line, Detail: detail}
	}
	return nil
}

// ProfileRunning returns nil if the SIP profile runs, and a *ProfileError if it
// is unknown, stopped or restarting.
func (s *Switch) ProfileRunning(ctx context.Context, profile string) error {
	asked := "sofia xmlstatus profile " + profile
	reply, err := s.askProfile(ctx, profile, asked)
	if err == nil && (!strings.Contains(reply, "<profile>") || !endsWith(reply, "</profile>")) {
		return s.unexpected(asked, reply)
	}
	return err
}

// askProfile runs a command that concerns a SIP profile and names it. The error
// is a *ProfileError if the profile does not run, which FreeSWITCH says without
// -ERR.
func (s *Switch) askProfile(ctx context.Context, profile, command string) (string, error) {
	if err := CheckProfile(profile); err != nil {
		return "", err
	}
	reply, err := s.api(ctx, command, command)
	if strings.HasPrefix(reply, "Invalid Profile!") || strings.TrimSpace(reply) == "Invalid Profile ["+profile+"]" {
		return "", &ProfileError{Addr: s.addr, Profile: profile, Reason: ProfileNotRunning}
	}
	return reply, err
}

// KillGateway marks a loaded gateway for deletion; see WaitGone. found is false
// if none of that name is loaded, which is also the answer to a second kill.
// FreeSWITCH looks the gateway up in all profiles, but the one named must run,
// else the error is a *ProfileError.
func (s *Switch) KillGateway(ctx context.Context, profile, gatewayUUID string) (found bool, err error) {
	if err := CheckUUID(gatewayUUID); err != nil {
		return false, err
	}
	asked := "sofia profile " + profile + " killgw " + gatewayUUID
	reply, err := s.askProfile(ctx, profile, asked)
	switch {
	case err != nil:
		return false, err
	case strings.HasPrefix(reply, "+OK gateway marked for deletion"):
		return true, nil
	case strings.HasPrefix(reply, "-ERR no such gateway"):
		return false, nil
	}
	return false, s.unexpected(asked, reply)
}

// Unregister has a loaded gateway unregister at its carrier. It returns before that has happened: the state is
// StateUnregister meanwhile, and StateDown then. For the errors see Register.
func (s *Switch) Unregister(ctx context.Context, profile, gatewayUUID string) error {
	return s.registration(ctx, profile, "unregister", gatewayUUID)
}

// Register has a loaded gateway register at its carrier now, and returns before it has. It leaves out an Unregister
// that has not happened yet. The error is ErrNoGateway if no gateway of that name is loaded, ErrNoRegister if it is
// one that does not register, and a *ProfileError if the profile does not run.
func (s *Switch) Register(ctx context.Context, profile, gatewayUUID string) error {
	return s.registration(ctx, profile, "register", gatewayUUID)
}

func (s *Switch) registration(ctx context.Context, profile, verb, gatewayUUID string) error {
	if err := CheckUUID(gatewayUUID); err != nil { // FreeSWITCH takes all for every gateway of the profile
		return err
	}
	asked := "sofia profile " + profile + " " + verb + " " + gatewayUUID
	reply, err := s.askProfile(ctx, profile, asked)
	switch {
	case err != nil:
		return err
	case strings.TrimSpace(reply) == "+OK":
		return nil
	case strings.HasPrefix(reply, "Invalid gateway!"):
		return ErrNoGateway
	case strings.HasPrefix(reply, "-ERR NOREG gateway"):
		return ErrNoRegister
	}
	return s.unexpected(asked, reply)
}

// GatewayUnder looks up a loaded gateway under one profile: if several have loaded it, Gateway shows but one. The
// error is ErrNoGateway if that profile has none of the name.
func (s *Switch) GatewayUnder(ctx context.Context, profile, gatewayUUID string) (Gateway, error) {
	if err := errors.Join(CheckProfile(profile), CheckUUID(gatewayUUID)); err != nil {
		return Gateway{}, err
	}
	return s.lookUp(ctx, profile+"::"+gatewayUUID, gatewayUUID)
}

// Gateway looks up one loaded gateway by name, which for FusionPBX's gateways is
// the UUID. The error is ErrNoGateway if none of that name is loaded.
func (s *Switch) Gateway(ctx context.Context, name string) (Gateway, error) {
	if !gatewayName.MatchString(name) {
		return Gateway{}, &ArgumentError{Name: "the gateway name", Reason: "must be 1 to 255 letters, digits, dots, hyphens or underscores"}
	}
	return s.lookUp(ctx, name, name)
}

// lookUp asks for the gateway of that name by a key that FreeSWITCH finds it by.
func (s *Switch) lookUp(ctx context.Context, key, name string) (Gateway, error) {
	asked := "sofia xmlstatus gateway " + key
	reply, err := s.api(ctx, asked, asked)
	if err != nil {
		return Gateway{}, err
	}
	if strings.HasPrefix(reply, "Invalid Gateway!") {
		return Gateway{}, ErrNoGateway
	}
	gateways := parseGateways(reply)
	if len(gateways) == 0 || gateways[0].Name != name || !endsWith(reply, "</gateway>") {
		return Gateway{}, s.unexpected(asked, reply)
	}
	return gateways[0], nil
}

// Gateways asks for all loaded gateways of all profiles. The reply has some 930
// bytes a gateway; if it is too long the error is ErrReplyTooLong.
func (s *Switch) Gateways(ctx context.Context) (gateways []Gateway, err error) {
	if err := s.EachGateway(ctx, func(g *Gateway) { gateways = append(gateways, *g) }); err != nil {
		return nil, err
	}
	return gateways, nil
}

// EachGateway is Gateways for who keeps little of each: the reply is never held
// whole. A gateway is see's until it returns, and a text of it that is kept has
// to be cloned. If the error is not nil, what was seen is not the list.
func (s *Switch) EachGateway(ctx context.Context, see func(g *Gateway)) error {
	const asked = "sofia xmlstatus gateway"
	list := gatewayReader{gateways: newGateways(see)}
	reply, err := s.apiInParts(ctx, asked, asked, list.take)
	if err != nil {
		return err
	}
	list.take([]byte(reply))
	if !list.end() {
		return s.unexpected(asked, list.head)
	}
	return nil
}

// ask runs a command and reads its reply, unless read reports that it cannot.
func ask[T any](ctx context.Context, s *Switch, command string, read func(reply string) (T, bool)) (value T, err error) {
	reply, err := s.api(ctx, command, command)
	if err != nil {
		return value, err
	}
	value, ok := read(reply)
	if !ok {
		return value, s.unexpected(command, reply)
	}
	return value, nil
}

// unexpected makes an error of a reply that no rule explains.
func (s *Switch) unexpected(asked, reply string) error {
	e := &ReplyError{Addr: s.addr, Command: asked, Reply: reply}
	if lacksModule(reply) {
		e.Remedy = "check that the command's module, such as mod_sofia, is loaded"
	}
	return e
}
